"""What the loop does between batches: progress, leftovers of the outbox, signs of life, the goal.

Each method may raise `DependencyError` and may be repeated.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from processor.index.progress import encode_progress
from processor.index.store import Covered, Covers, OutboxEntry, Store
from processor.index.view import View
from processor.indexer.ends import Ends
from processor.indexer.fullness import FullnessWatch
from processor.indexer.goal import Goal
from processor.indexer.identity import Identities
from processor.indexer.outbox import Outbox
from processor.indexer.progress import Tracker
from processor.indexer.records import Partition, Record, Sorted
from processor.indexer.report import Report, contract_facets
from processor.indexer.retention import Retention
from processor.indexer.source import Fetched, Source
from processor.indexer.stocktaking import Stocktaking
from processor.indexer.timing import Every, wall_us
from processor.model.errors import DependencyError
from processor.telemetry import metrics
from processor.telemetry.health import Health

__all__ = ["Chores", "Topics"]

_PROGRESS_S: Final = 0.5
_SWEEP_S: Final = 30.0
_CHECK_S: Final = 2.0
_GOAL_S: Final = 0.2

_log = structlog.get_logger(__name__)


class Topics(NamedTuple):
    """What is asked of the input topics aside."""

    identities: Identities
    retention: Retention | None = None
    ends: Ends | None = None


class Chores:
    """Belongs to one loop."""

    def __init__(self, source: Source, topics: Topics, store: Store, outbox: Outbox, health: Health) -> None:
        """Start with nothing assigned."""
        self._source = source
        self._identities, self._retention, self._ends = topics
        self._store = store
        self._outbox = outbox
        self._health = health
        self._tracker = Tracker(source.high_offset, *((self._ends.of,) if self._ends else ()))
        self._stock = Stocktaking(source, store, self._tracker)
        self._fullness = FullnessWatch(store)
        self._report = Report(wall_us, contract_facets())
        self._assignment = 0
        self._progress_due = Every(_PROGRESS_S)
        self._sweep_due = Every(_SWEEP_S)
        self._check_due = Every(_CHECK_S)
        self._goal_due = Every(_GOAL_S)
        self._sweeps_at_once = True
        self._lacks = False

    def is_stock_due(self) -> bool:
        """Whether the group has changed the assignment since `take_stock`, or the index lacks something."""
        return self._lacks or self._assignment != self._source.assignment

    def take_stock(self) -> None:
        """Learn where to read what is ours now; what was fetched of what is read from elsewhere is void."""
        assignment = self._source.assignment
        self._report.had(self._store.offsets())
        self._stock.take(again=self._lacks)
        self._assignment, self._lacks = assignment, False
        self.sweep_soon()
        self._health.holds("assigned")
        self._health.holds("kafka")

    def went_back(self) -> None:
        """Take note that the index lacks what had been read into it: take stock before anything else."""
        self._lacks = True

    def covers(self, offsets: Mapping[Partition, int]) -> Covers:
        """What a batch accounts for that ends before these offsets; nothing when it is nothing new."""
        covered = {each.key: Covered(self._tracker.position(each) or 0, stop) for each, stop in offsets.items()}
        return {name: each for name, each in covered.items() if each.start < each.stop}

    def is_known(self, record: Record) -> bool:
        """Whether a record was seen through before: it is only indexed again."""
        return record.offset < self._tracker.until(record.partition)

    def count_new(self, records: Sequence[Record]) -> int:
        """How many of these are not `is_known`."""
        until = {each: self._tracker.until(each) for each in {record.partition for record in records}}
        return sum(record.offset >= until[record.partition] for record in records)

    def to_commit(self, offsets: Mapping[Partition, int]) -> dict[Partition, int]:
        """Those of these offsets that tell the group something: not what is only read again."""
        return {each: offset for each, offset in offsets.items() if offset >= self._tracker.until(each)}

    def sweep_soon(self) -> None:
        """Look for leftovers in the outbox at the next opportunity: someone may have left without confirming."""
        self._sweeps_at_once = True
        self._sweep_due.now()

    def look_around(self) -> None:
        """Show, while nothing is read, how far behind ours fall, and how full Redis is. Raises nothing."""
        owned = self._source.owned
        if self._ends is not None:
            self._ends.look(owned)
        self._tracker.rest(wall_us())
        self._report.lag(self._tracker, owned)
        with contextlib.suppress(DependencyError):
            self._fullness.look()

    def count_overtaken(self, fetched: Fetched) -> None:
        """Count what Kafka no longer retained when this batch was fetched. For a batch that is not `note`d yet."""
        firsts = {record.partition: record.offset for record in reversed(fetched.records)}
        self._stock.count_overtaken({**fetched.ends, **firsts})

    def note(self, fetched: Fetched, result: Sorted) -> None:
        """Take note of a batch that is indexed and committed."""
        if self._ends is not None and (fetched.records or fetched.ends):
            self._ends.forget({*fetched.ends, *(record.partition for record in fetched.records)})
        has_caught_up = self._tracker.advance(fetched.records, fetched.ends, result.watermarks_us)
        if has_caught_up:
            self._progress_due.now()
        if fetched.records:
            self._report.batch(fetched.records, result)

    def publish_progress(self) -> None:
        """Tell in Redis, for the alerter's clock, how far each partition has been read."""
        if not self._progress_due.is_due:
            return
        reached = self._tracker.progress(wall_us())
        self._store.set_progress({each.key: encode_progress(progress) for each, progress in reached.items()})
        self._progress_due.done()
        self._report.lag(self._tracker, self._source.owned)

    def tell_last(self) -> None:
        """Tell how far each partition has been read, due or not: for a worker that will not tell again.

        Not when the assignment has just changed: whoever has the partitions now tells of them.
        """
        if not self.is_stock_due():
            self._progress_due.now()
            self.publish_progress()

    def leftovers(self) -> Sequence[OutboxEntry]:
        """Find entries of the outbox that their worker did not confirm."""
        if not self._sweep_due.is_due:
            return ()
        entries = self._outbox.leftovers(at_once=self._sweeps_at_once)
        self._sweeps_at_once = False
        self._sweep_due.done()
        return entries

    def check(self) -> None:
        """Look whether Redis can be written and Kafka answers, so that readiness is true in idle times too."""
        if not self._check_due.is_due:
            return
        self._store.ping()
        self._fullness.look()
        self._health.holds("redis")
        self._identities.look()
        if self._retention is not None:
            self._retention.look()
        self._read_anew(self._identities.renewed)
        self._lacks = self._lacks or self._stock.is_behind()
        if self._source.is_suspect and not self._source.is_back():
            self._health.fails("kafka", "no broker answers")
        elif missing := self._identities.missing:
            self._health.fails("kafka", f"missing topics: {', '.join(sorted(missing))}")
        elif refused := self._source.refused:
            self._health.fails("kafka", "; ".join(f"{topic}: {why}" for topic, why in sorted(refused.items())))
        elif self._source.assignment:
            self._health.holds("kafka")
        self._check_due.done()

    def _read_anew(self, topics: frozenset[str]) -> None:
        if not topics:
            return
        self._stock.read_anew(topics)
        self._identities.accept(topics)
        for topic in topics:
            metrics.TOPICS_RENEWED.labels(topic).inc()
            _log.error("the topic was deleted and made anew while being read; reading it from its start", topic=topic)

    def is_reached(self, goal: Goal) -> bool:
        """Whether the goal is reached."""
        if self._source.assignment == 0 or not self._goal_due.is_due:
            return False
        reached = goal.is_reached(self._source.owned, self._tracker.position, self._source.committed)
        self._goal_due.done()
        # Other members may have to read again what the index lacked of their partitions.
        return reached and View(self._store).is_whole()
