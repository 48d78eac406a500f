"""The one place where what goes wrong becomes an exit code and one line.

0 fine · 1 a check said no, or there is no such thing · 2 usage or configuration · 3 a dependency is unreachable ·
130 Ctrl-C · 141 nobody reads the output any more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer
from typer.core import TyperGroup

from processor.model.errors import DependencyError, UsageError

__all__ = ["NO", "Guarded", "NotFoundError", "say"]

NO: Final = 1
_USAGE: Final = 2
_UNREACHABLE: Final = 3
_INTERRUPTED: Final = 130
_BROKEN_PIPE: Final = 141


class NotFoundError(UsageError):
    """There is no such thing; asking was not wrong, so the exit code is 1."""


class Guarded(TyperGroup):
    """The command with all its subcommands."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  typer brings its own click, or the common one, by version
        """Run a subcommand."""
        with _guarded():
            return super().invoke(ctx)


def say(message: str) -> None:
    """One line to standard error, for people."""
    typer.echo(f"lineage: {message}", err=True)


@contextmanager
def _guarded() -> Iterator[None]:
    try:
        with _flushed():
            yield
    except NotFoundError as error:
        _end(str(error), NO)
    except UsageError as error:
        _end(str(error), _USAGE)
    except DependencyError as error:
        _end(str(error), _UNREACHABLE)
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None
    except BrokenPipeError:
        # Whatever is still buffered has nowhere to go; without this, Python complains about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(_BROKEN_PIPE) from None


@contextmanager
def _flushed() -> Iterator[None]:
    try:
        yield
    finally:
        sys.stdout.flush()


def _end(message: str, code: int) -> None:
    say(message)
    raise typer.Exit(code) from None
