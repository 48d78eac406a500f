"""Roles as processes of their own under one supervisor.

Rules kept here:
- a child that ends though nobody asked it to is started again, after a pause that grows while it keeps ending soon;
- a child that says its settings are wrong (exit 2), or that too many records were rejected to catch up (exit 4), ends
  the whole: starting it again would not mend that;
- SIGTERM and SIGINT are passed on, and what has not ended in time is killed;
- no child outlives this process: each ends when its standard input, a pipe to here, closes.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from processor.indexer.patience import Backoff
from processor.signals import heeding

__all__ = ["Child", "Supervisor"]

_POLL_S: Final = 0.1
_STEADY_S: Final = 60.0
_GRACE_S: Final = 2.0
_FINE: Final = 0
_LASTING: Final = (2, 4)
_BACKOFF: Final = Backoff(first_s=0.5, longest_s=30.0)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Child:
    """A process to run: `python -m processor` with these arguments and this environment."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


class Supervisor:
    """Runs children until asked to stop; with `once`, until each has ended well."""

    def __init__(self, children: Sequence[Child], *, once: bool, shutdown_timeout_s: float) -> None:
        """Only take note; `run` starts them."""
        self._kept = [_Kept(child) for child in children]
        self._once = once
        self._shutdown_timeout_s = shutdown_timeout_s
        self.stop = threading.Event()

    def run(self) -> int:
        """Return the exit code: 0 when all ended in order, else that of the child which ended the whole."""
        with heeding(self._heed):
            try:
                return self._watch()
            finally:
                self._end_all()

    def _watch(self) -> int:
        while not self.stop.is_set():
            for kept in self._kept:
                code = kept.look(once=self._once)
                if code in _LASTING:
                    return code
            if all(kept.is_done for kept in self._kept):
                break
            self.stop.wait(_POLL_S)
        return _FINE

    def _end_all(self) -> None:
        for kept in self._kept:
            kept.ask_to_end()
        deadline_s = time.monotonic() + self._shutdown_timeout_s + _GRACE_S
        for kept in self._kept:
            kept.end_by(deadline_s)

    def _heed(self, name: str) -> None:
        _log.info("stopping", signal=name)
        self.stop.set()


class _Kept:
    """One child that is kept running."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._start_at_s = 0.0
        self._delays_s = _BACKOFF.delays_s()
        self.is_done = False

    def look(self, *, once: bool) -> int | None:
        """Start the child if it is due, and return its exit code if it has just ended."""
        if self.is_done:
            return None
        if self._process is None:
            if time.monotonic() >= self._start_at_s:
                self._start()
            return None
        code = self._process.poll()
        if code is not None:
            self._ended(code, once=once)
        return code

    def ask_to_end(self) -> None:
        """Pass on that it is to end."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def end_by(self, deadline_s: float) -> None:
        """Return when it has ended; kill it past the deadline."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.error("killing a process that does not end", process=self._child.name, pid=self._process.pid)
            self._process.kill()
            self._process.wait()
        self._close_pipe()

    def _start(self) -> None:
        self._started_s = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603  our own program
            [sys.executable, "-m", "processor", *self._child.arguments],
            env=dict(self._child.environment),
            stdin=subprocess.PIPE,
            # A Ctrl-C at the terminal is for the supervisor, which passes it on once.
            process_group=0,
        )
        _log.info("started", process=self._child.name, pid=self._process.pid)

    def _ended(self, code: int, *, once: bool) -> None:
        self._close_pipe()
        self._process = None
        self.is_done = once and code == _FINE
        if self.is_done or code in _LASTING:
            return
        if time.monotonic() - self._started_s > _STEADY_S:
            self._delays_s = _BACKOFF.delays_s()
        delay_s = next(self._delays_s)
        self._start_at_s = time.monotonic() + delay_s
        _log.warning("ended unasked", process=self._child.name, exit_code=code, restart_in_s=round(delay_s, 1))

    def _close_pipe(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
