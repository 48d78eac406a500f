"""Standard output into a file, for where no shell is at hand to do it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processor.model.errors import UsageError

__all__ = ["written_to"]


@contextmanager
def written_to(path: Path | None) -> Iterator[None]:
    """Send what is printed in here to a file that appears, or takes the place of the one before, once it is whole.

    Raises `UsageError` for a file that cannot be written; what was there is kept then.
    """
    if path is None:
        yield
        return
    partial = path.with_name(f"{path.name}.partial")
    before = sys.stdout
    try:
        with partial.open("w", encoding="utf-8") as sys.stdout:
            yield
        partial.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        sys.stdout = before
        partial.unlink(missing_ok=True)
