"""What comes out of Kafka, and sorting it into facts and rejects. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from processor.decode.observe import Observe
from processor.model.errors import Rejected
from processor.model.observation import Observation, Place

__all__ = ["Header", "Headers", "Partition", "Record", "Sorted", "sort"]

Header = tuple[str, bytes | None]
Headers = Sequence[Header]


class Partition(NamedTuple):
    """A partition of an input topic."""

    topic: str
    number: int

    @property
    def key(self) -> bytes:
        """`topic:partition`, as the index names it. A topic's name has no colon."""
        return f"{self.topic}:{self.number}".encode()


class Record(NamedTuple):
    """One Kafka record. `timestamp_us` is None where the broker keeps none.

    `unreadable`: why it cannot be used, known before it is decoded; None for nearly every record.
    """

    partition: Partition
    offset: int
    timestamp_us: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers
    unreadable: Rejected | None = None

    @property
    def place(self) -> Place:
        """Where it was read."""
        return Place(self.partition.topic, self.partition.number, self.offset, self.timestamp_us)


@dataclass(slots=True)
class Sorted:
    """A batch after decoding: what was said, where; what was rejected, why; records that said nothing."""

    sourced: list[tuple[Observation, Place]] = field(default_factory=list)
    rejected: list[tuple[Record, Rejected]] = field(default_factory=list)
    silent: int = 0
    watermarks_us: dict[Partition, int] = field(default_factory=dict)


def sort(records: Iterable[Record], observers: Mapping[str, Observe]) -> Sorted:
    """Decode each record with its topic's decoder. Raises `DependencyError` when that needs a registry."""
    result = Sorted()
    for record in records:
        if record.unreadable is not None:
            result.rejected.append((record, record.unreadable))
            continue
        said, rejected = observers[record.partition.topic](record.value, record.headers)
        if said:
            place = record.place
            result.sourced += [(observation, place) for observation in said]
            _raise_watermark(result.watermarks_us, record, said)
        if rejected:
            # A container of several events that is bad in part: the good part counts, the whole goes to the letters.
            result.rejected.append((record, rejected[0]))
        elif not said:
            result.silent += 1
    return result


def _raise_watermark(watermarks_us: dict[Partition, int], record: Record, said: tuple[Observation, ...]) -> None:
    """Raise by the newest event time, but never past the record's own timestamp: a producer's clock may be wrong."""
    newest_us = said[0].time_us if len(said) == 1 else max(observation.time_us for observation in said)
    if record.timestamp_us is not None:
        newest_us = min(newest_us, record.timestamp_us)
    watermarks_us[record.partition] = max(newest_us, watermarks_us.get(record.partition, newest_us))
