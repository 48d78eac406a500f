"""The indexer: consume → decode → reduce → apply → announce → commit.

The steps of a batch; a crash between any two of them loses nothing and changes nothing (`points` names what lies
between them, and a test ends the process at each):
1. Redis has answered: the batch is joined into the index, and what was news stands in the outbox.
2. The news and the dead letters are on their topics, confirmed by the broker.
3. The news is out of the outbox.
4. The offsets are committed, contiguously: for each partition one past the batch's last record.

An index that lacks what came before a batch (`StoreWentBackError`) has gone back in time, and the batch is void: what
it lacks is read again first (`stocktaking`), and is only indexed: its dead letters and offsets are known.

A step that meets a broken world is repeated until that is whole again (`patience`): meanwhile the
partitions are paused and the group keeps this member. Only bad data goes to the dead letters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog

from processor.decode.observe import Observe
from processor.index.reduce import reduce
from processor.index.store import Covers, OutboxEntry, Store
from processor.index.written import Written
from processor.indexer.chores import Chores, Topics
from processor.indexer.dead_letters import dead_letter
from processor.indexer.ends import Ends
from processor.indexer.errors import StoppedError
from processor.indexer.goal import Goal
from processor.indexer.identity import Identities
from processor.indexer.intake import Intake
from processor.indexer.outbox import Outbox
from processor.indexer.pace import Pace
from processor.indexer.patience import Patience, Stop
from processor.indexer.points import Point, Reached, pass_by
from processor.indexer.progress import next_offsets
from processor.indexer.publisher import Outgoing, Publisher
from processor.indexer.records import Record, Sorted, sort
from processor.indexer.rejects import RejectLimit
from processor.indexer.report import stage
from processor.indexer.retention import Retention
from processor.indexer.source import MOST_BYTES, Fetched, Source
from processor.indexer.timing import wall_us
from processor.model.errors import DependencyError, Rejected, StoreWentBackError
from processor.telemetry.health import Health

__all__ = ["CONDITIONS", "Indexer", "Parts", "Policy"]

CONDITIONS = ("assigned", "kafka", "redis")
"""What must hold for the indexer to be ready."""

T = TypeVar("T")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Policy:
    """How the loop works; nothing of it changes while it runs."""

    changes_topic: str
    dead_letters_topic: str
    batch_size: int = 8000
    batch_bytes: int = MOST_BYTES
    batch_wait_s: float = 0.1
    confirm_timeout_s: float = 10.0
    close_timeout_s: float = 10.0
    reject_limit: RejectLimit = field(default_factory=RejectLimit)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loop works with. `observers`: how to read the records of each input topic.

    `reached` is told of each point between two steps: tests end the process there.
    """

    source: Source
    identities: Identities
    observers: Mapping[str, Observe]
    store: Store
    publisher: Publisher
    health: Health
    stop: Stop
    reached: Reached = pass_by
    retention: Retention | None = None
    ends: Ends | None = None


class Indexer:
    """One member of the group. For one thread."""

    def __init__(self, policy: Policy, parts: Parts, patience: Patience) -> None:
        """Take over the parts; `run` does the work."""
        self._policy = policy
        self._source = parts.source
        self._observers = parts.observers
        self._store = parts.store
        self._publisher = parts.publisher
        self._health = parts.health
        self._stop = parts.stop
        self._reached = parts.reached
        self._patience = patience
        self._outbox = Outbox(parts.store, policy.changes_topic)
        self._intake = Intake(policy.reject_limit, parts.health)
        topics = Topics(parts.identities, parts.retention, parts.ends)
        self._written = Written()
        self._pace = Pace(policy.batch_size)
        self._chores = Chores(parts.source, topics, parts.store, self._outbox, parts.health)

    def goal(self) -> Goal:
        """Take what is in the input topics now for the goal. Raises `DependencyError` when Kafka does not answer."""
        return Goal(self._source.ends())

    @property
    def has_stopped_intake(self) -> bool:
        """Whether so many records were rejected that it takes in no more."""
        return self._intake.is_stopped

    def run(self, goal: Goal | None = None) -> None:
        """Index until asked to stop or, with a goal, until that is reached; then leave the group.

        With a goal it ends, too, when it stops taking in: see `has_stopped_intake`.

        Raises `BrokenClientError` when a Kafka client of this process cannot go on.
        """
        self._source.subscribe()
        try:
            while not self._stop.is_set() and not self._is_reached(goal):
                self._turn()
            self._finish(goal)
        except StoppedError:
            _log.info("stopped while waiting; what was not committed will be read again")
        finally:
            self._source.close()

    def _turn(self) -> None:
        fetched = self._fetch()
        if self._chores.is_stock_due():
            self._written.forget()
            self._steadily(self._chores.take_stock)
            fetched = self._source.still_ours(fetched)
        try:
            self._take(fetched)
        except StoreWentBackError:
            self._chores.went_back()
            return
        self._steadily(self._chores.publish_progress)
        self._reached(Point.TOLD)
        self._publish(self._steadily(self._chores.leftovers))
        self._steadily(self._chores.check)
        self._health.beat()

    def _fetch(self) -> Fetched:
        if not self._intake.is_stopped:
            with stage("consume") as measured:
                fetched = self._source.fetch(self._pace.count, self._policy.batch_wait_s, self._policy.batch_bytes)
                measured.counts = bool(fetched.records)
            return fetched
        self._intake.remind()
        self._chores.look_around()
        self._source.hold(self._policy.batch_wait_s)
        return Fetched()

    def _take(self, fetched: Fetched) -> None:
        begun_s, behind_s = time.monotonic(), _behind_s(fetched.records)
        offsets = next_offsets(fetched.records, fetched.ends)
        covers = self._chores.covers(offsets)
        result = self._index(fetched.records, covers) if fetched.records or covers else Sorted()
        with stage("commit") as measured:
            self._source.commit(self._chores.to_commit(offsets))
            measured.counts = bool(fetched.records)
        self._reached(Point.COMMITTING)
        self._judge(fetched.records, result)
        self._pace.took(fetched.messages, time.monotonic() - begun_s, behind_s)
        self._steadily(lambda: self._chores.count_overtaken(fetched))
        self._chores.note(fetched, result)

    def _index(self, records: Sequence[Record], covers: Covers) -> Sorted:
        self._reached(Point.FETCHED)
        with stage("decode"):
            result = self._steadily(lambda: sort(records, self._observers))
        self._reached(Point.DECODED)
        news = self._steadily(lambda: self._write(result, covers))
        self._reached(Point.APPLIED)
        with stage("announce"):
            self._publish(news, self._dead_letters(result))
        return result

    def _write(self, result: Sorted, covers: Covers) -> list[OutboxEntry]:
        """Join a batch into the index; each try anew, for one that failed leaves nothing that is known to be written.

        Only a batch that the buckets are told of leaves out what is known: they tell when they lack what came before.
        """
        written = self._written.of(self._store.generation, self._store.buckets) if covers else None
        with stage("reduce"):
            batch = reduce(result.sourced, self._store.buckets, wall_us(), written)
        with stage("apply"), self._written.doubting():
            news = self._store.apply(batch, covers)
        self._written.learn()
        return news

    def _judge(self, records: Sequence[Record], result: Sorted) -> None:
        """Look whether too much is rejected of what is new; what is read again was looked at when it was."""
        fresh = self._chores.count_new(records)
        if fresh:
            self._intake.judge(fresh, replace(result, rejected=self._rejected(result)))

    def _rejected(self, result: Sorted) -> list[tuple[Record, Rejected]]:
        """What of the rejected is new."""
        return [(record, why) for record, why in result.rejected if not self._chores.is_known(record)]

    def _dead_letters(self, result: Sorted) -> list[Outgoing]:
        return [dead_letter(self._policy.dead_letters_topic, *rejected) for rejected in self._rejected(result)]

    def _publish(self, news: Sequence[OutboxEntry], dead_letters: Sequence[Outgoing] = ()) -> None:
        """Send, and return once all of it is confirmed and the outbox knows."""
        if not news and not dead_letters:
            return
        changes = self._steadily(lambda: self._outbox.outgoing(news))
        self._publisher.send([*changes, *dead_letters])
        self._steadily(lambda: self._publisher.settle(self._policy.confirm_timeout_s))
        self._reached(Point.PUBLISHED)
        self._steadily(lambda: self._outbox.confirm(news))
        self._reached(Point.CONFIRMED)

    def _steadily(self, step: Callable[[], T]) -> T:
        """Do a step however long the world stays broken, as a living member of the group."""
        return self._patience.until_done(step, self._hold)

    def _hold(self, delay_s: float) -> None:
        self._chores.sweep_soon()
        self._chores.look_around()
        self._health.beat()
        self._source.hold(delay_s)
        if self._stop.is_set():
            raise StoppedError

    def _is_reached(self, goal: Goal | None) -> bool:
        if goal is None:
            return False
        return self._intake.is_stopped or self._steadily(lambda: self._chores.is_reached(goal))

    def _finish(self, goal: Goal | None) -> None:
        """Tell how far it came if it was to come somewhere, and wait until the last commits are confirmed."""
        settle = self._source.settle
        if goal is not None:
            self._steadily(self._chores.tell_last)
            self._steadily(lambda: settle(self._policy.close_timeout_s))
            return
        try:
            settle(self._policy.close_timeout_s)
        except DependencyError as error:
            _log.warning("stopped without the last commit; those records will be read again", error=str(error))


def _behind_s(records: Sequence[Record]) -> float | None:
    """How old the oldest of them is, by the times that Kafka keeps of them."""
    oldest_us = min((record.timestamp_us for record in records if record.timestamp_us is not None), default=None)
    return None if oldest_us is None else (wall_us() - oldest_us) / 1e6
