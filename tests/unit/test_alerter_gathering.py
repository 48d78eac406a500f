"""What has come by now, taken together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from processor.alerter.gathering import gathered


async def _queued(queue: asyncio.Queue[int | None]) -> AsyncIterator[int]:
    while (one := await queue.get()) is not None:
        yield one


def _filled(*there: int | None) -> asyncio.Queue[int | None]:
    queue = asyncio.Queue[int | None]()
    for one in there:
        queue.put_nowait(one)
    return queue


def test_what_is_there_comes_together_in_order_and_no_more_than_asked_for() -> None:
    async def lists() -> list[list[int]]:
        return [together async for together in gathered(_queued(_filled(1, 2, 3, 4, 5, None)), 2)]

    assert asyncio.run(lists()) == [[1, 2], [3, 4], [5]]


def test_nothing_is_lost_of_what_comes_after_a_lull() -> None:
    async def lists() -> list[list[int]]:
        queue, found = _filled(1), list[list[int]]()
        coming = [None, 3, 2]
        async for together in gathered(_queued(queue), 10):
            found.append(together)
            queue.put_nowait(coming.pop())
        return found

    assert asyncio.run(lists()) == [[1], [2], [3]]


def test_who_stops_asking_leaves_nobody_waiting() -> None:
    async def left() -> int:
        coming = gathered(_queued(_filled(1, 2)), 1)
        assert await anext(coming) == [1]
        await coming.aclose()
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(left()) == 1
