"""SIGTERM and SIGINT, heeded where it harms nobody.

A handler may interrupt whatever the main thread does, while that holds the lock of the log or of an event; a handler
that wants the same lock then waits for ever. So it does no more than write to a pipe, and a thread does the rest.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_ENDING = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def heeding(heed: Callable[[str], None]) -> Iterator[None]:
    """Meanwhile the first of these signals is told to `heed`, by name, in a thread of its own; more are nothing new.

    To be entered by the main thread.
    """
    heard, told = os.pipe()

    def listen() -> None:
        if number := os.read(heard, 1):
            heed(signal.Signals(number[0]).name)

    def on_signal(number: int, _frame: FrameType | None) -> None:
        os.write(told, bytes((number,)))

    listening = threading.Thread(target=listen, name="signals", daemon=True)
    listening.start()
    before = {number: signal.signal(number, on_signal) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(told)
        listening.join()
        os.close(heard)


def end_at_once(code: int) -> NoReturn:
    """End once all is closed: an interpreter that ends may wait for a client's threads for ever."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
