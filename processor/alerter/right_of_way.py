"""Reactions go first: a sweep that is under way lets them pass.

Rules kept here:
- a sweep gives way between two small pieces of its work, and takes the interpreter for a moment only where a reaction
  wants it amid one: a reaction asks Redis dozens of times, and would otherwise wait for the sweep after each answer;
- it waits no longer than `MOST_WAIT_S` at a time, and then goes on for a quarter of that at least: so no flood of
  changes, and no dependency that a reaction waits for, makes it last more than about five times as long.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["MOST_WAIT_S", "SWITCH_S", "RightOfWay", "switch_soon"]

MOST_WAIT_S: Final = 0.2
SWITCH_S: Final = 0.0005
_OWN_SHARE: Final = 0.25
"""How long a sweep goes on after it waited, of that."""


class RightOfWay:
    """Between one reaction at a time, and one sweep in another thread."""

    def __init__(self, most_wait_s: float = MOST_WAIT_S) -> None:
        """Nobody is under way."""
        self._most_wait_s = most_wait_s
        self._is_free = threading.Event()
        self._is_free.set()
        self._goes_on_until_s = 0.0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """A reaction is under way."""
        self._is_free.clear()
        try:
            yield
        finally:
            self._is_free.set()

    def give(self) -> None:
        """Let a reaction pass that is under way, unless one was let pass just before."""
        began_s = time.monotonic()
        if self._is_free.is_set() or began_s < self._goes_on_until_s:
            return
        self._is_free.wait(self._most_wait_s)
        ended_s = time.monotonic()
        self._goes_on_until_s = ended_s + _OWN_SHARE * (ended_s - began_s)


def switch_soon() -> None:
    """Let no thread of this process keep the interpreter for long while another one waits for it."""
    sys.setswitchinterval(SWITCH_S)
