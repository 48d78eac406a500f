"""How far the indexers have read, and which clock follows from it (DESIGN, idea D).

While any partition is behind, now is the event time that has been reached; caught up, it is the
wall clock. The watermark never runs ahead of the record's own Kafka timestamp. A partition of which
nothing was heard for a while is no witness: retired, when others are heard of; when none is, the
indexers are gone, and the clock stands at what they had reached. A partition of which no event time
is known yet (empty, or only rejected records so far) does not hold the clock. No event, and no
producer's clock, takes it past the wall clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

SILENT_US = 60_000_000
"""An indexer publishes its progress twice a second; after a minute without, it is gone."""


class Clock(StrEnum):
    """AUTO: stream time while behind, wall clock when caught up. STREAM: always stream time."""

    AUTO = "auto"
    STREAM = "stream"


class Progress(NamedTuple):
    """One partition: the newest event time reached, messages behind, and when that was written.

    `position`: the next offset to read. `until`: what the index had held before it went back in time; below that
    it does not hold everything yet.
    """

    watermark_us: int
    lag: int
    at_us: int
    position: int = 0
    until: int = 0


_read_progress = msgspec.msgpack.Decoder(Progress).decode


def encode_progress(progress: Progress) -> bytes:
    """Stored form."""
    return msgspec.msgpack.encode(progress)


def decode_progress(data: bytes) -> Progress:
    """Inverse of `encode_progress`."""
    return _read_progress(data)


def is_whole(progress: Mapping[bytes, Progress], offsets: Iterable[Mapping[bytes, int]]) -> bool:
    """Whether the index holds all that was ever read into it.

    `progress` is to be read before `offsets` (each bucket's claims, see `store.Covers`): while both only grow, the
    answer is never yes too early.
    """
    if any(partition.position < partition.until for partition in progress.values()):
        return False
    return all(there.get(name, 0) >= each.position for there in offsets for name, each in progress.items())


def now_us(partitions: list[Progress], wall_us: int, clock: Clock) -> int | None:
    """The time to judge by, in microseconds; None while no event time is known at all.

    Behind: the smallest watermark of the partitions that are behind. Caught up: the wall clock, or
    with STREAM the newest watermark.
    """
    known = [p for p in partitions if p.watermark_us]
    if not known:
        return None
    heard = [p for p in known if wall_us - p.at_us <= SILENT_US]
    behind = [p.watermark_us for p in heard if p.lag > 0]
    if heard and not behind and clock is Clock.AUTO:
        return wall_us
    reached = min(behind) if behind else max(p.watermark_us for p in heard or known)
    return min(reached, wall_us)
