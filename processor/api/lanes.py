"""What bodies take long for, beside the event loop.

Rules kept here:
- a small body never waits for a large one: each sort has a thread of its own, which takes one after the other;
- how large a body is counts unpacked, and no more of one is unpacked to see that than a small one may have;
- of what large ones unpack to one is in memory at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Final, TypeVar

from processor.api.body import unpacked
from processor.api.problems import ProblemError

__all__ = ["LANES", "SMALL_BYTES", "Lanes"]

T = TypeVar("T")
LANES: Final = 2
SMALL_BYTES: Final = 256 * 1024


class Lanes:
    """A thread for what is small, and one for what is large. For one event loop."""

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._small = ThreadPoolExecutor(1, thread_name_prefix="intake")
        self._large = ThreadPoolExecutor(1, thread_name_prefix="intake of large bodies")

    async def do(self, work: Callable[[], T], size: int = 0) -> T:
        """Do what a body of so many bytes, unpacked, takes."""
        lane = self._small if size <= SMALL_BYTES else self._large
        return await asyncio.get_running_loop().run_in_executor(lane, work)

    async def read(self, data: bytes, work: Callable[[bytes], T], *, is_packed: bool) -> T:
        """What `work` makes of a body, unpacked. Raises `ProblemError` where it cannot be unpacked."""
        if not is_packed:
            return await self.do(lambda: work(data), len(data))
        if len(data) <= SMALL_BYTES:
            found = await self.do(lambda: _of_small(data, work, min(SMALL_BYTES, self._max_body_bytes)))
            if found is not None:
                return found[0]
        return await self.do(lambda: work(unpacked(data, self._max_body_bytes)), self._max_body_bytes)

    def close(self) -> None:
        """Begin nothing more."""
        for lane in (self._small, self._large):
            lane.shutdown(wait=False, cancel_futures=True)


def _of_small(data: bytes, work: Callable[[bytes], T], most: int) -> tuple[T] | None:
    """What `work` makes of a packed body; None where it unpacks to more."""
    try:
        plain = unpacked(data, most)
    except ProblemError as error:
        if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return None
        raise
    return (work(plain),)
