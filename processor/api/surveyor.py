"""How complete the lineage is, measured beside all questions.

Measuring reads the whole index, which may take longer than any question may. So one thread of its own does it, and what
it found last is the answer until it has found anew. Only who asks first waits, and no longer than for any question.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Final, NamedTuple

from processor.api.config import OpenIndex
from processor.api.problems import ProblemError
from processor.detect.coverage import Surveyed
from processor.detect.policy import Policy
from processor.index.view import View
from processor.judging.coverage import measure
from processor.judging.scope import Scope

__all__ = ["Measured", "Surveyor"]

_AGE_S: Final = 60.0
_REST: Final = 20  # or else measuring takes at most a twentieth of the time
_RETRY_S: Final = 5


class Measured(NamedTuple):
    """What was measured, by which policy and when: in microseconds since 1970, and until when it is new enough."""

    surveyed: Surveyed
    policy: Policy
    at_us: int
    fresh_until_s: float


class _ClosedError(Exception):
    """The API ends."""


class Surveyor:
    """Measures, and knows what was measured last. For one event loop; close it at the end."""

    def __init__(self, open_index: OpenIndex, policy: Callable[[], Policy], wait_s: float) -> None:
        self._open_index = open_index
        self._policy = policy
        self._wait_s = wait_s
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="survey")
        self._closing = threading.Event()
        self._view: View | None = None
        self._known: Measured | None = None
        self._running: asyncio.Future[Measured] | None = None

    async def last(self) -> Measured:
        """What was measured last. Raises `ProblemError` while nothing was, and as the index does."""
        policy = self._policy()
        if self._running is None and not self._is_fresh(policy):
            self._running = asyncio.get_running_loop().run_in_executor(self._pool, self._measure, policy)
            self._running.add_done_callback(self._done)
        if self._known is not None and (self._running is None or self._known.policy == policy):
            return self._known
        return await self._awaited()

    def close(self) -> None:
        """End what is under way, and begin nothing more."""
        self._closing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _awaited(self) -> Measured:
        running = self._running
        if running is None:
            raise _still_measuring()
        try:
            async with asyncio.timeout(self._wait_s):
                return await asyncio.shield(running)
        except TimeoutError:
            raise _still_measuring() from None

    def _is_fresh(self, policy: Policy) -> bool:
        known = self._known
        return known is not None and known.policy == policy and time.monotonic() < known.fresh_until_s

    def _done(self, future: asyncio.Future[Measured]) -> None:
        self._running = None
        if not future.cancelled() and future.exception() is None:
            self._known = future.result()

    def _measure(self, policy: Policy) -> Measured:
        began_s = time.monotonic()
        if self._view is None:
            self._view = View(self._open_index()[0])
        self._view.refresh()
        surveyed = measure(Scope(self._view, policy, 0, self._breathe, set()))
        took_s = time.monotonic() - began_s
        return Measured(surveyed, policy, time.time_ns() // 1000, time.monotonic() + max(_AGE_S, _REST * took_s))

    def _breathe(self) -> None:
        if self._closing.is_set():
            raise _ClosedError


def _still_measuring() -> ProblemError:
    detail = "the coverage is being measured for the first time; ask again"
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_s=_RETRY_S)
