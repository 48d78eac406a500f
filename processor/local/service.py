"""What the local services have in common: a folder, progress, and waiting until one is ready."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from processor.local.errors import LocalServiceError
from processor.local.process import ChildProcess

__all__ = ["OnProgress", "ServiceFolder", "check_running", "no_progress", "port_was_taken", "wait_until"]

OnProgress = Callable[[str, float | None], None]
"""Called with what is being done now and how far it is, from 0 to 1, or None where nobody can tell.

While something is fetched the call comes from another thread, one at a time.
"""

_POLL_S: Final = 0.02


def no_progress(_message: str, _fraction: float | None) -> None:
    """Tell nobody."""


class ServiceFolder:
    """The folder of a service: one that was given, and stays, or one of its own, which goes when the service does."""

    def __init__(self, name: str, given: Path | None) -> None:
        """Make the folder."""
        self.is_temporary = given is None
        self.path = Path(tempfile.mkdtemp(prefix=f"lineage-{name}-")) if given is None else given.absolute()
        self.path.mkdir(parents=True, exist_ok=True)

    @property
    def to_remove(self) -> Path | None:
        """The folder if it is to go even when this process dies unexpectedly."""
        return self.path if self.is_temporary else None

    def remove(self) -> None:
        """Remove the folder if nobody wants to keep it."""
        if self.is_temporary:
            shutil.rmtree(self.path, ignore_errors=True)


def wait_until(is_ready: Callable[[], bool], process: ChildProcess, *, timeout_s: float) -> None:
    """Wait until the service answers.

    Raises `LocalServiceError` with the end of its log when it has ended or stays silent.
    """
    deadline = time.monotonic() + timeout_s
    while not is_ready():
        check_running(process)
        if time.monotonic() > deadline:
            raise LocalServiceError(
                f"{process.name} did not answer within {timeout_s:.0f} s, its log says:\n{process.log_tail()}",
            )
        time.sleep(_POLL_S)


def check_running(process: ChildProcess) -> None:
    """Raise `LocalServiceError` with the end of its log when the service has ended."""
    if not process.is_running:
        raise LocalServiceError(f"{process.name} ended at its start, its log says:\n{process.log_tail()}")


def port_was_taken(process: ChildProcess) -> bool:
    """Whether the service ended because another process was quicker to take its port."""
    return not process.is_running and "address already in use" in process.log_tail().lower()
