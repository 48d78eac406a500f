"""Waiting in tests: for as long as it takes, with a guard against hanging, and never a statement about speed."""

import time
from collections.abc import Callable

GUARD_S = 120.0


def eventually(holds: Callable[[], bool], *, guard_s: float = GUARD_S) -> bool:
    """Return True as soon as it holds, False if it did not within the guard."""
    deadline = time.monotonic() + guard_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
