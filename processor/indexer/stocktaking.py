"""Finding out where to read ours from: at each new assignment, and when the index turns out to lack something.

The decision itself is `stock.start_of`; here the facts are asked for, and what was decided is put into effect.
Everything here may raise `DependencyError` and may be repeated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

import structlog

from processor.index.progress import Progress, encode_progress
from processor.index.store import Covered, Store
from processor.index.view import View
from processor.indexer.progress import Tracker
from processor.indexer.records import Partition
from processor.indexer.source import Source
from processor.indexer.stock import Known, Start, is_stale, lowest, start_of
from processor.indexer.timing import wall_us
from processor.telemetry import metrics

__all__ = ["Stocktaking"]

_SHOWN: Final = 20
_WENT_BACK: Final = (
    "the index lacks what had been read into it (a failover, an old snapshot, or emptied); reading that again"
)
_REBUILT: Final = "another generation of the index is live; reading on from where that stands"
_LOST: Final = (
    "records that the index lacks are no longer in Kafka;"
    " if they were kept elsewhere, bring them back with: lineage rebuild FILE…"
)
_log = structlog.get_logger(__name__)

Starts = Mapping[Partition, Start]


class Stocktaking:
    """Belongs to one loop."""

    def __init__(self, source: Source, store: Store, tracker: Tracker) -> None:
        """Start with nothing known."""
        self._source = source
        self._store = store
        self._tracker = tracker
        self._generation = store.generation

    def take(self, *, again: bool) -> None:
        """Learn where to read from: partitions that are new here, or `again` all of them."""
        self._store.refresh()
        owned = self._source.since
        published = View(self._store).progress()
        self._tracker.assign(owned, {each: published[each.key] for each in owned if each.key in published})
        asked = [each for each in owned if again or self._tracker.position(each) is None]
        self._start(asked, self._reached(asked), is_moved=again)
        self._generation = self._store.generation

    def read_anew(self, topics: Collection[str]) -> None:
        """Read what is ours of these topics from where they begin: they are other topics than they were."""
        anew = [each for each in self._source.owned if each.topic in topics]
        self._store.forget_offsets(each.key for each in anew)
        self._start(anew, {}, is_moved=True)

    def is_behind(self) -> bool:
        """Whether the index lacks something that this worker has read into it, or another one is live now."""
        self._store.refresh()
        if self._store.generation != self._generation:
            return True
        offsets = self._store.offsets()
        return any(lowest(offsets, each.key) < (self._tracker.position(each) or 0) for each in self._source.owned)

    def count_overtaken(self, firsts: Mapping[Partition, int]) -> None:
        """Tell of records that Kafka let go of before this worker came to them.

        `firsts`: the first offset that was seen of each partition since its position. A gap alone says little, for
        transactions and compaction leave some: what counts is where the log begins.
        """
        positions = {each: self._tracker.position(each) for each in firsts if each in self._source.owned}
        gaps = {
            each: position for each, position in positions.items() if position is not None and position < firsts[each]
        }
        bounds = self._source.bounds(gaps)
        lost = {each: min(bounds[each][0], firsts[each]) - position for each, position in gaps.items()}
        _tell_lost({each: count for each, count in lost.items() if count > 0})

    def _reached(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """How far this worker has read, else how far the group has committed."""
        mine = {each: self._tracker.position(each) for each in partitions}
        unknown = [each for each, position in mine.items() if position is None]
        committed = self._source.committed(unknown) if unknown else {}
        known = {each: position for each, position in mine.items() if position is not None}
        return {**known, **{each: offset for each, offset in committed.items() if offset >= 0}}

    def _start(self, partitions: Collection[Partition], reached: Mapping[Partition, int], *, is_moved: bool) -> None:
        if not partitions:
            return
        known = self._known(partitions, reached)
        self._store.forget_offsets(each.key for each, what in known.items() if is_stale(what))
        starts = {each: start_of(what) for each, what in known.items()}
        self._vouch(starts)
        self._publish(starts)
        moved = {each: start.offset for each, start in starts.items() if is_moved or start.is_again}
        self._source.read_from(moved)
        self._tracker.start(starts)
        self._tell(starts)

    def _known(self, partitions: Iterable[Partition], reached: Mapping[Partition, int]) -> dict[Partition, Known]:
        offsets = self._store.offsets()
        bounds = self._source.bounds(partitions)
        return {each: Known(reached.get(each), lowest(offsets, each.key), *bound) for each, bound in bounds.items()}

    def _vouch(self, starts: Starts) -> None:
        """Tell the buckets that nobody will bring what came before: it is in them, or gone for good."""
        covers = {each.key: Covered(0, start.offset) for each, start in starts.items() if not start.is_vouched}
        if covers:
            self._store.apply({}, covers)

    def _publish(self, starts: Starts) -> None:
        """Let nobody judge by the index before it is whole again, for partitions of other members too."""
        again = {each: start for each, start in starts.items() if start.is_again}
        if not again:
            return
        now_us = wall_us()
        mine = {
            each.key: Progress(self._tracker.watermark_us(each), start.until - start.offset, now_us, *start[:2])
            for each, start in again.items()
        }
        self._store.set_progress({name: encode_progress(progress) for name, progress in mine.items()})
        others = set(self._source.partitions()) - self._source.owned
        committed = self._source.committed(others) if others else {}
        theirs = {each.key: Progress(0, end, now_us, 0, end) for each, end in committed.items() if end > 0}
        self._store.set_progress({n: encode_progress(progress) for n, progress in theirs.items()}, where_none=True)

    def _tell(self, starts: Starts) -> None:
        again = {each: start for each, start in starts.items() if start.is_again}
        lost = {each: start.lost for each, start in starts.items() if start.lost}
        if again:
            self._tell_again(again)
        _tell_lost(lost)

    def _tell_again(self, again: Starts) -> None:
        records = sum(start.until - start.offset for start in again.values())
        is_rebuilt = self._store.generation != self._generation
        metrics.RECORDS_REREAD.labels("rebuilt" if is_rebuilt else "went_back").inc(records)
        say = _log.info if is_rebuilt else _log.error
        say(_REBUILT if is_rebuilt else _WENT_BACK, records=records, partitions=_named(again))


def _tell_lost(lost: Mapping[Partition, int]) -> None:
    for each, count in lost.items():
        metrics.RECORDS_LOST.labels(each.topic).inc(count)
    if lost:
        _log.error(_LOST, records=sum(lost.values()), partitions=_named(lost))


def _named(partitions: Iterable[Partition]) -> list[str]:
    return [f"{each.topic}:{each.number}" for each in sorted(partitions)[:_SHOWN]]
