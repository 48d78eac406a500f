"""When something is due again."""

from __future__ import annotations

import time

__all__ = ["Every", "wall_us"]


class Every:
    """Due at once, and again an interval after it was last done, by the monotonic clock."""

    def __init__(self, interval_s: float) -> None:
        """Be due at once."""
        self._interval_s = interval_s
        self._due_s = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether the time has come."""
        return time.monotonic() >= self._due_s

    def done(self) -> None:
        """Be due after the interval."""
        self._due_s = time.monotonic() + self._interval_s

    def now(self) -> None:
        """Be due at once."""
        self._due_s = time.monotonic()


def wall_us() -> int:
    """Tell the wall clock, in microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000
