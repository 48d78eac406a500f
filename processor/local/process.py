"""A child process that ends with its parent, whatever end that comes to."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from processor.local import keeper
from processor.local.errors import LocalServiceError

__all__ = ["ChildProcess"]

_TAIL_LINES = 20
_TAIL_BYTES = 16_384
_REPORT_TIMEOUT_S = 60.0
_LOOK_S = 0.002


class ChildProcess:
    """One running program, kept by a small process between it and this one (see `processor.local.keeper`).

    The program stands in a session of its own, so a Ctrl-C at the terminal reaches only this process, which ends the
    program when it is done with it.
    """

    def __init__(self, name: str, command: Sequence[str], *, log_path: Path, remove: Path | None = None) -> None:
        """Start the program; `remove` is a folder to remove should this process die before it has stopped it."""
        self.name = name
        self.log_path = log_path
        log_path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        with log_path.open("ab") as log:
            self._keeper = self._start_keeper([str(remove or ""), *command], log)
        self.pid = self._read_pid()

    @staticmethod
    def _start_keeper(arguments: Sequence[str], log: BinaryIO) -> "subprocess.Popen[bytes]":
        script = [sys.executable, "-I", "-S", keeper.__file__, str(os.getpid())]
        return subprocess.Popen(
            [*script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            bufsize=0,
            start_new_session=True,
        )

    def _read_pid(self) -> int:
        if self._keeper.stdout is None:
            raise LocalServiceError(f"{self.name}: no pipe to its keeper")
        with self._keeper.stdout as report:
            line = report.readline()
        if not line:
            self._keeper.wait(_REPORT_TIMEOUT_S)
            raise LocalServiceError(f"{self.name} could not be started: its keeper ended at once")
        return int(line)

    @property
    def exit_code(self) -> int | None:
        """The exit code once the program has ended (128 + n after signal n), None while it runs."""
        code = self._keeper.poll()
        if code is not None:
            self._close()
        return code

    @property
    def is_running(self) -> bool:
        """Whether the program still runs."""
        return self.exit_code is None

    def send_signal(self, number: signal.Signals) -> None:
        """Pass a signal to the program; nothing happens when it has ended."""
        with self._lock, contextlib.suppress(BrokenPipeError, ValueError):
            if self._keeper.stdin is not None:
                self._keeper.stdin.write(bytes([number]))

    def freeze(self) -> None:
        """Stop the program where it stands (SIGSTOP); once this returns it does nothing until it is sent SIGCONT."""
        self.send_signal(signal.SIGSTOP)
        while self.is_running and not _stands_still(self.pid):
            time.sleep(_LOOK_S)

    def wait(self, timeout_s: float) -> bool:
        """Wait for the program's end; False when it still runs after the time."""
        try:
            self._keeper.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        self._close()
        return True

    def stop(self, grace_s: float = 5.0) -> None:
        """End the program in order within `grace_s`, by force after that; harmless when it has ended."""
        self.send_signal(signal.SIGTERM)
        self.send_signal(signal.SIGCONT)
        if not self.wait(grace_s):
            self.kill()

    def kill(self) -> None:
        """End the program at once (SIGKILL) and wait until it is gone."""
        self.send_signal(signal.SIGKILL)
        if not self.wait(_REPORT_TIMEOUT_S):
            raise LocalServiceError(f"{self.name} (process {self.pid}) does not end even when killed; end it by hand")

    def log_tail(self) -> str:
        """Return the last lines that the program wrote, indented, for an error message."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, self.log_path.stat().st_size - _TAIL_BYTES))
                lines = log.read().decode("utf-8", "replace").splitlines()
        except FileNotFoundError:
            lines = []
        return "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:] or ["(it wrote nothing)"])

    def _close(self) -> None:
        with self._lock, contextlib.suppress(BrokenPipeError):
            if self._keeper.stdin is not None:
                self._keeper.stdin.close()


def _stands_still(pid: int) -> bool:
    """Whether every thread of a process is stopped."""
    tasks = Path(f"/proc/{pid}/task")
    if not tasks.is_dir():
        told = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S607  no input of anybody's
        return told.stdout.strip()[:1] in {"T", ""}
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return all(_state(task) == "T" for task in tasks.iterdir())
    return False


def _state(task: Path) -> str:
    return (task / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
