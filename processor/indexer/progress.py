"""How far each partition has been read: for the clock of the alerter, for the metrics, for `--until-caught-up`. Pure.

Rules kept here:
- the watermark is the newest event time reached, never past the record's own timestamp, and goes on from what an
  earlier worker had reached;
- a partition is caught up when its end was seen, which holds for transactional topics too, whose last offset is
  no record;
- a lag that is not known yet is not published: what stands there is nearer to the truth;
- while nothing is read, the end that the brokers tell aside counts: what was seen last stands still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from processor.index.progress import Progress
from processor.indexer.records import Partition, Record
from processor.indexer.stock import Start

__all__ = ["Tracker", "next_offsets"]


@dataclass(slots=True)
class _Reached:
    since: int = 0
    next_offset: int | None = None
    until: int = 0
    is_at_end: bool = False
    watermark_us: int = 0
    timestamp_us: int | None = None
    caught_up_us: int | None = None

    def published(self, lag: int, now_us: int) -> Progress:
        return Progress(self.watermark_us, lag, now_us, self.next_offset or 0, self.until)


def next_offsets(records: Iterable[Record], ends: Mapping[Partition, int]) -> dict[Partition, int]:
    """Where to read on: one past a partition's last record here, or its end if that was seen after it.

    The last one counts, not the highest: should a partition have been read anew from an earlier offset on, nothing
    in between is passed over.
    """
    offsets = {record.partition: record.offset + 1 for record in records}
    return {**ends, **{each: max(offset, ends.get(each, 0)) for each, offset in offsets.items()}}


def _untold(_partition: Partition) -> int | None:
    return None


class Tracker:
    """What this worker knows of the partitions that it owns."""

    def __init__(
        self, high_offset: Callable[[Partition], int | None], told_end: Callable[[Partition], int | None] = _untold
    ) -> None:
        """Ask `high_offset` where a partition ends, and `told_end` where the brokers say so while nothing is read."""
        self._high_offset = high_offset
        self._told_end = told_end
        self._reached: dict[Partition, _Reached] = {}

    def assign(self, since: Mapping[Partition, int], published: Mapping[Partition, Progress]) -> None:
        """Go on from what was published of partitions that are new here; forget those that went.

        `since`: the partitions that are ours, each with the change of the assignment that gave it. One that went and
        came back is new: it is read from where the group stands, wherever this worker had been.
        """
        before = {each: reached for each, reached in self._reached.items() if reached.since == since.get(each)}
        self._reached = {each: before.get(each) or _Reached(given) for each, given in since.items()}
        for each, reached in self._reached.items():
            if each in published:
                reached.watermark_us = max(reached.watermark_us, published[each].watermark_us)

    def start(self, starts: Mapping[Partition, Start]) -> None:
        """Take note of where these are read from; how far their events went stays."""
        for each, start in starts.items():
            there = self._of(each)
            self._reached[each] = _Reached(there.since, start.offset, start.until, watermark_us=there.watermark_us)

    def advance(
        self, records: Iterable[Record], ends: Mapping[Partition, int], watermarks_us: Mapping[Partition, int]
    ) -> bool:
        """Take note of what was indexed; True when a partition has just been caught up."""
        for record in records:
            reached = self._of(record.partition)
            reached.next_offset = record.offset + 1
            reached.timestamp_us = record.timestamp_us
            reached.is_at_end = False
        for each, watermark_us in watermarks_us.items():
            self._of(each).watermark_us = max(self._of(each).watermark_us, watermark_us)
        new_ends = [each for each, offset in ends.items() if self._end(self._of(each), offset)]
        return bool(new_ends)

    def position(self, partition: Partition) -> int | None:
        """Where to read on, None while nothing is known."""
        reached = self._reached.get(partition)
        return reached.next_offset if reached else None

    def until(self, partition: Partition) -> int:
        """Tell below which offset everything had been seen through before: it is read again, and only indexed."""
        return self._of(partition).until

    def lag(self, partition: Partition) -> int | None:
        """Tell how many records are left to read, None while nothing is known."""
        reached, told = self._of(partition), self._told_end(partition)
        if reached.is_at_end:
            return max(0, (told or 0) - (reached.next_offset or 0))
        high = max((end for end in (self._high_offset(partition), told) if end is not None), default=None)
        if reached.next_offset is None or (high is None and reached.next_offset >= reached.until):
            return None
        return max(0, max(high or 0, reached.until) - reached.next_offset)

    def lag_s(self, partition: Partition, now_us: int) -> float:
        """Tell the age of the last indexed record while behind, from its timestamp; 0 when caught up.

        What waits came after the partition was last known to be caught up: it is no older than that.
        """
        reached = self._of(partition)
        known_us = [at_us for at_us in (reached.timestamp_us, reached.caught_up_us) if at_us is not None]
        if not known_us or not self.lag(partition):
            return 0.0
        return max(0, now_us - max(known_us)) / 1e6

    def rest(self, now_us: int) -> None:
        """Take note, while nothing is read, of which partitions are caught up all the same."""
        for each, reached in self._reached.items():
            if reached.is_at_end and not self.lag(each):
                reached.caught_up_us = now_us

    def watermark_us(self, partition: Partition) -> int:
        """Newest event time reached, 0 while nothing is known."""
        return self._of(partition).watermark_us

    def progress(self, now_us: int) -> dict[Partition, Progress]:
        """What to publish now."""
        lags = {each: self.lag(each) for each in self._reached}
        return {each: self._of(each).published(lag, now_us) for each, lag in lags.items() if lag is not None}

    def _of(self, partition: Partition) -> _Reached:
        return self._reached.setdefault(partition, _Reached())

    @staticmethod
    def _end(reached: _Reached, offset: int) -> bool:
        if reached.next_offset is not None and offset < reached.next_offset:
            return False  # the end that was seen before the records of the same fetch
        was_at_end, reached.next_offset, reached.is_at_end = reached.is_at_end, offset, True
        return not was_at_end
