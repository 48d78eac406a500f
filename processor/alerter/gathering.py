"""What has come by now, taken together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final, TypeVar

_T = TypeVar("_T")

_LULL_S: Final = 0.002


async def gathered(coming: AsyncIterator[_T], most: int) -> AsyncGenerator[list[_T]]:
    """Yield what comes in lists, in order: the next one, and what follows on it without a lull, up to so many.

    One is read ahead of what was yielded: waiting for it is never cut short, for that would end an async generator.
    """
    following = asyncio.ensure_future(_next(coming))
    try:
        while first := await following:
            together = [first[0]]
            following = asyncio.ensure_future(_next(coming))
            while len(together) < most and (more := await _at_once(following)):
                together.append(more[0])
                following = asyncio.ensure_future(_next(coming))
            yield together
    finally:
        following.cancel()


async def _next(coming: AsyncIterator[_T]) -> tuple[_T] | None:
    """The next one; None at the end."""
    async for one in coming:
        return (one,)
    return None


async def _at_once(following: asyncio.Future[tuple[_T] | None]) -> tuple[_T] | None:
    """What there is without a lull."""
    done, _ = await asyncio.wait({following}, timeout=_LULL_S)
    return following.result() if done else None
