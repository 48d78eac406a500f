"""A Hypothesis state machine: a log in partitions, delivered to stores in every way that crashes and rebalances make.

Each store is given the same deliveries. Whatever they were, once everything has been delivered, the
stores hold the same, byte for byte; that is what one batch in order makes; it says what the oracle says;
and all of it has been announced.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from processor.index.announce import change_of
from processor.index.digest import digest
from processor.index.memory import MemoryStore
from processor.index.redis import RedisStore
from processor.index.reduce import Sourced, reduce
from processor.index.store import Batch, BucketBatch, Covered, Covers, OutboxEntry, Store
from processor.index.view import View
from processor.index.written import Written
from processor.model.change import Change, ItemKind
from processor.model.errors import StoreWentBackError
from processor.model.identity import Kind, Node
from processor.model.observation import Place
from tests.support.budget import within
from tests.support.events import Json, observe
from tests.support.histories import TIMES, drops, events, many_hours, many_runs
from tests.support.oracle import Oracle, differences, read, unannounced

TOPIC = "lineage.events"
PARTITIONS = 3
WORKERS = 2
BUCKETS = 8
AT_ONCE_US = 0
"""All is received at one moment, whatever its own time: nothing expires while any order is tried."""

Part = tuple[int, BucketBatch]
"""What one atomic step writes."""


class Losing(Store, Protocol):
    """A store of which a shard may lose everything."""

    def lose(self, bucket: int) -> None:
        """Empty a bucket."""


class LosingMemory(MemoryStore):
    """The twin, with buckets that can be lost."""

    def lose(self, bucket: int) -> None:
        """Empty a bucket."""
        self._hashes = {key: there for key, there in self._hashes.items() if key.bucket != bucket}


class LosingRedis(RedisStore):
    """The index in Redis, with buckets that can be lost."""

    def lose(self, bucket: int) -> None:
        """Empty a bucket."""
        for name in list(self.client.scan_iter(match=f"lineage:{{b{bucket}}}:*", count=1000)):
            self.client.delete(name)


@dataclass
class Indexed:
    """A store, what its workers know and have announced, and the dropped datasets that a consumer of it knows."""

    store: Losing
    known: list[Written] = field(default_factory=lambda: [Written() for _ in range(WORKERS)])
    changes: list[Change] = field(default_factory=list)
    dropped: set[Node] = field(default_factory=set)

    def announce(self, entries: Sequence[OutboxEntry]) -> None:
        """Publish, and take what is published out of the outbox."""
        changes = [change_of(entry, self.store) for entry in entries]
        for node in {c.node for c in changes for item in c.items if item.kind is ItemKind.LIFECYCLE_CHANGED}:
            self.look_at(node)
        self.changes += changes
        self.store.confirm(entries)

    def look_at(self, node: Node) -> None:
        """What a consumer does on hearing of a life cycle: look whether the dataset is dropped now."""
        record = View(self.store).node(node)
        assert record is not None
        (self.dropped.add if record.dropped else self.dropped.discard)(node)


class Deliveries(RuleBasedStateMachine):
    """The log grows; parts of it are delivered, in part, again, by two at a time, with and without their news."""

    def __init__(self, open_stores: Sequence[Callable[[], Losing]]) -> None:
        super().__init__()
        self.indexed = [Indexed(open_store()) for open_store in open_stores]
        self.logs: list[list[Json]] = [[] for _ in range(PARTITIONS)]
        self.positions = [0] * PARTITIONS
        self.owners = [number % WORKERS for number in range(PARTITIONS)]
        self.late: tuple[list[Batch], Covers] | None = None
        self.has_many = False

    # What is sent

    @rule(some=st.lists(events(), min_size=1, max_size=3), partition=st.integers(0, PARTITIONS - 1))
    def send(self, some: list[Json], partition: int) -> None:
        self.logs[partition] += some

    @rule(some=drops(), partition=st.integers(0, PARTITIONS - 1))
    def send_a_drop_and_a_write(self, some: list[Json], partition: int) -> None:
        self.logs[partition] += some

    @rule(event=events(), others=events(), partition=st.integers(0, PARTITIONS - 1))
    def send_at_one_time(self, event: Json, others: Json, partition: int) -> None:
        self.logs[partition] += [event, {**others, "eventTime": event["eventTime"]}]

    @rule(some=many_hours(), partition=st.integers(0, PARTITIONS - 1))
    def send_writes_in_many_hours(self, some: list[Json], partition: int) -> None:
        self.logs[partition] += some

    @precondition(lambda self: not self.has_many)
    @rule(state=st.sampled_from(("COMPLETE", "FAIL")), is_at_once=st.booleans())
    def send_many_runs(self, state: str, *, is_at_once: bool) -> None:
        self.has_many = True
        self.logs[0] += many_runs(state, (TIMES[1], TIMES[1 if is_at_once else 0]))

    # How it is delivered

    @precondition(lambda self: any(self.logs))
    @rule(data=st.data(), is_told=st.booleans())
    def deliver(self, data: st.DataObject, *, is_told: bool) -> None:
        """A batch; the worker publishes its news, or dies before."""
        self._apply(self._drawn(data), is_told=is_told)

    @precondition(lambda self: any(self.logs))
    @rule(data=st.data())
    def deliver_in_part(self, data: st.DataObject) -> None:
        """Some buckets take the batch before the worker dies."""
        parts = self._drawn(data)
        kept = data.draw(st.lists(st.booleans(), min_size=len(parts), max_size=len(parts)))
        self._apply([part for part, is_kept in zip(parts, kept, strict=True) if is_kept], is_told=False)

    @precondition(lambda self: any(self.logs))
    @rule(data=st.data(), is_told=st.booleans())
    def deliver_by_two(self, data: st.DataObject, *, is_told: bool) -> None:
        """A zombie and its successor apply parts of one log, bucket after bucket in any order."""
        parts = [*self._drawn(data), *self._drawn(data)]
        self._apply(data.draw(st.permutations(parts)), is_told=is_told)

    # Read on from where all buckets claim to be, as workers do: they leave out what they know to be written

    @precondition(lambda self: any(self.logs))
    @rule(partition=st.integers(0, PARTITIONS - 1), count=st.integers(1, 4), is_told=st.booleans())
    def read_on(self, partition: int, count: int, *, is_told: bool) -> None:
        """The next records of a partition, told to every bucket; one that lost something before them refuses."""
        records, covers = self._next(partition, count)
        if not records:
            return
        owner = self.owners[partition]
        refused = {self._read(each, each.known[owner], records, covers, is_told=is_told) for each in self.indexed}
        assert len(refused) == 1, "the stores do not agree on what they lack"
        self.positions[partition] += len(records)
        if refused.pop():
            self._take_stock(partition)

    @rule(partition=st.integers(0, PARTITIONS - 1))
    def rebalance(self, partition: int) -> None:
        """A partition goes to another worker; whoever's partitions have changed knows nothing any more."""
        for owner in range(WORKERS):
            self._forget(owner)
        self.owners[partition] = (self.owners[partition] + 1) % WORKERS
        self._take_stock(partition)

    @precondition(lambda self: self.late is None)
    @rule(partition=st.integers(0, PARTITIONS - 1), count=st.integers(1, 4))
    def stall(self, partition: int, count: int) -> None:
        """A worker halts before it writes a batch, and its partition goes to another one."""
        records, covers = self._next(partition, count)
        if records:
            owner = self.owners[partition]
            self.late = [_left(each.known[owner], records) for each in self.indexed], covers
            self.rebalance(partition)

    @precondition(lambda self: self.late is not None)
    @rule()
    def wake(self) -> None:
        """The halted worker writes its batch at last."""
        batches, covers = self.late or ([], {})
        self.late = None
        for each, batch in zip(self.indexed, batches, strict=True):
            with contextlib.suppress(StoreWentBackError):
                each.store.apply(batch, covers)

    @rule(bucket=st.integers(0, BUCKETS - 1))
    def lose_a_bucket(self, bucket: int) -> None:
        """A shard comes back empty: no data, no outbox, no offsets."""
        for each in self.indexed:
            each.announce(each.store.outbox())
            each.store.lose(bucket)

    @rule()
    def publish_leftovers(self) -> None:
        for each in self.indexed:
            each.announce(each.store.outbox())

    @rule(partitions=st.permutations(range(PARTITIONS)))
    def catch_up(self, partitions: Sequence[int]) -> None:
        """Everything that some bucket does not claim to hold is delivered at last, and everything holds."""
        for partition in partitions:
            self._take_stock(partition)
            self.read_on(partition, len(self.logs[partition]) or 1, is_told=True)
        self.publish_leftovers()
        self.check()

    def teardown(self) -> None:
        self.catch_up(range(PARTITIONS))

    # What must hold

    def check(self) -> None:
        everything = [event for log in self.logs for event in log]
        oracle = Oracle(read(event, observe(event).digest) for event in everything)
        at_once = MemoryStore(BUCKETS)
        at_once.apply(reduce([(observe(event), None) for event in everything], BUCKETS, AT_ONCE_US))
        assert {digest(each.store) for each in self.indexed} == {digest(at_once)}
        for each in self.indexed:
            self._check_one(each, oracle)

    def _check_one(self, each: Indexed, oracle: Oracle) -> None:
        view = View(each.store)
        assert not (found := differences(view, oracle)), "\n".join(found)
        assert not (due := unannounced(oracle, view, each.changes)), due
        assert each.dropped == {record.node for record in view.all_nodes(Kind.DATASET) if record.dropped}
        batches = (reduce(_unplaced(log), BUCKETS, AT_ONCE_US) for log in reversed(self.logs))
        again = [entry for batch in batches for entry in each.store.apply(batch)]
        assert again == [], "what was known is announced again"

    def _apply(self, parts: Iterable[Part], *, is_told: bool) -> None:
        for bucket, part in parts:
            replies = [each.store.apply({bucket: part}) for each in self.indexed]
            assert len({tuple(sorted(entries)) for entries in replies}) == 1, "the stores announce different things"
            if is_told:
                for each, entries in zip(self.indexed, replies, strict=True):
                    each.announce(entries)

    def _next(self, partition: int, count: int) -> tuple[list[Sourced], Covers]:
        start = self.positions[partition]
        records = self._log(partition)[start : start + count]
        return records, {_name(partition): Covered(start, start + len(records))}

    def _read(
        self, each: Indexed, known: Written, records: Sequence[Sourced], covers: Covers, *, is_told: bool
    ) -> bool:
        """Whether the store refused."""
        batch = _left(known, records)
        try:
            with known.doubting():
                entries = each.store.apply(batch, covers)
        except StoreWentBackError:
            return True
        known.learn()
        if is_told:
            each.announce(entries)
        return False

    def _take_stock(self, partition: int) -> None:
        """Read on from what all buckets claim; whoever has to go back for that knows nothing any more."""
        claimed = self._claimed(partition)
        if claimed < self.positions[partition]:
            self._forget(self.owners[partition])
        self.positions[partition] = claimed

    def _forget(self, owner: int) -> None:
        for each in self.indexed:
            each.known[owner].forget()

    def _claimed(self, partition: int) -> int:
        """Up to where every bucket of every store claims to hold a partition."""
        claims = {min(had.get(_name(partition), 0) for had in each.store.offsets()) for each in self.indexed}
        assert len(claims) == 1
        return claims.pop()

    def _drawn(self, data: st.DataObject) -> list[Part]:
        """A batch: any run of records of one or more partitions."""
        return self._parts([sourced for number in range(PARTITIONS) for sourced in self._slice(data, number)])

    def _slice(self, data: st.DataObject, partition: int) -> list[Sourced]:
        log = self._log(partition)
        start = data.draw(st.integers(0, len(log)))
        return log[start : data.draw(st.integers(start, len(log)))]

    def _log(self, partition: int) -> list[Sourced]:
        log = self.logs[partition]
        return [(observe(event), Place(TOPIC, partition, offset)) for offset, event in enumerate(log)]

    def _parts(self, records: Iterable[Sourced]) -> list[Part]:
        batch: Batch = reduce(records, BUCKETS, AT_ONCE_US)
        return list(batch.items())


def _left(known: Written, records: Sequence[Sourced]) -> Batch:
    """The batch of a worker that leaves out what it knows."""
    return reduce(records, BUCKETS, AT_ONCE_US, known.of(1, BUCKETS))


def _name(partition: int) -> bytes:
    return f"{TOPIC}:{partition}".encode()


def _unplaced(log: Iterable[Json]) -> list[Sourced]:
    return [(observe(event), None) for event in log]


def hold_together(open_stores: Sequence[Callable[[], Losing]], examples: int) -> None:
    """Drive these stores, opened anew for each example, with the same deliveries."""

    tried = itertools.count(1)

    class Machine(Deliveries):
        def __init__(self) -> None:
            super().__init__(open_stores)
            print(f"\r{next(tried)} histories", end="", file=sys.stderr)  # noqa: T201  for long runs

    run_state_machine_as_test(Machine, settings=within(examples))
