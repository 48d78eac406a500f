"""Where to read a partition from, given how far the index and the group say they are. Pure.

Rules kept here:
- the group says what was seen through to its dead letters, the index what it holds: the lower of the two is read from;
- an index that holds less than the group has committed went back in time, or is another one: it is read again up to
  where it was, and until then nobody should judge by it, nor is anything committed;
- what the log no longer retains cannot be read: it is counted as lost if anybody had come that far, or near.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

__all__ = ["Known", "Start", "lowest", "start_of"]


class Known(NamedTuple):
    """What is known of a partition.

    `reached`: next offset that this worker or the group was to read, None for nobody; `stored`: next offset of the
    bucket that is behind most; `low` and `high`: where the log begins and ends.
    """

    reached: int | None
    stored: int
    low: int
    high: int


class Start(NamedTuple):
    """Where to read from.

    `until`: below it, everything had been seen through before, dead letters included. `lost`: how many records
    nobody can read any more. `is_vouched`: whether every bucket holds what came before `offset`.
    """

    offset: int
    until: int
    lost: int
    is_vouched: bool

    @property
    def is_again(self) -> bool:
        """Whether the index is behind what had been read."""
        return self.offset < self.until


def start_of(known: Known) -> Start:
    """Where to read from."""
    stored = 0 if is_stale(known) else known.stored
    is_there = known.reached is not None and known.low <= known.reached <= known.high
    reached = known.reached if known.reached is not None and is_there else known.low
    offset = max(known.low, min(reached, stored))
    was_read = stored > 0 or bool(known.reached)
    return Start(offset, reached, max(0, known.low - stored) if was_read else 0, stored >= offset)


def is_stale(known: Known) -> bool:
    """Whether the index speaks of a log that is no more: one that went further than this one does."""
    return known.stored > known.high


def lowest(offsets: Iterable[Mapping[bytes, int]], partition: bytes) -> int:
    """The next offset of the bucket that is behind most."""
    return min((there.get(partition, 0) for there in offsets), default=0)
