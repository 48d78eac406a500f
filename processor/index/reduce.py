"""From observations to joins: what events write, many events in one batch.

`reduce` is where the index's content is decided, with `plan` for what a statement writes. Events that make the same
statement are folded before it is written; joins of one field are joined here already, so a batch writes each field
once. Nothing here knows the state of the index, but for what is skipped because it is known to be there (`written`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from processor.index import joins
from processor.index.expiry import DAY_US, epoch_of
from processor.index.items import item_around, pack_cause
from processor.index.layout import key_of, pack_identity, run_key_of
from processor.index.plan import REVIVED, Stem, Template, Templates
from processor.index.store import Batch, BucketBatch, Key, Op, Settle
from processor.index.written import Statement, Written, identity_of
from processor.model.change import ItemKind
from processor.model.history import HOUR_US
from processor.model.identity import Node, run_key
from processor.model.observation import TERMINAL, Observation, Place, RunFact, RunState

__all__ = ["NEVER_US", "REVIVED", "Sourced", "reduce", "told_us"]

Sourced = tuple[Observation, Place | None]
"""An observation and where it was read, if it came over Kafka."""

NEVER_US = 1 << 53
"""Later than any event: for a reader that trusts what it reads."""

_IN_VAIN = frozenset({RunState.FAIL, RunState.ABORT})
_RUN_ITEM = item_around(ItemKind.RUN_DIFFERED)
Precedence = tuple[bool, int, bytes]
"""Which event of a batch speaks for a run: one that ends it before others, then the latest."""


def reduce(
    observations: Iterable[Sourced], buckets: int, now_us: int = NEVER_US, written: Written | None = None
) -> Batch:
    """The joins that these observations stand for, by bucket. `now_us` is the wall clock: see `told_us`.

    `written`: what need not be written again; without it everything is written.
    """
    statements, runs = dict[tuple[object, ...], list[Sourced]](), dict[tuple[Node, str, int], _Run]()
    for sourced in observations:
        statements.setdefault(identity_of(sourced[0]), []).append(sourced)
        _add_run(runs, sourced, now_us)
    memory = Written() if written is None else written
    writer = _Writer(buckets)
    members = dict[int, frozenset[bytes]]()
    for key, events in statements.items():
        statement = memory.statement(key, events[0][0], buckets)
        members |= dict.fromkeys((id(seen) for seen, _ in events), statement.plan.members)
        _write(writer, statement, _Fold(events), memory)
    for run in runs.values():
        run.write(writer, members)
    return writer.batch()


def told_us(time_us: int, received_us: int | None, now_us: int) -> int:
    """The time that an event tells its job's clock: its own, but never past the one at which it was received.

    That is its record's timestamp, or the wall clock where there is none, or where it is from another day to come.
    """
    is_sane = received_us is not None and received_us <= now_us + DAY_US
    return min(time_us, received_us if is_sane and received_us is not None else now_us)


class _Writer:
    """Collects joins, one for each key and field."""

    def __init__(self, buckets: int) -> None:
        self.buckets = buckets
        self._ops: dict[Key, dict[bytes, Op]] = {}
        self._subjects: dict[Key, bytes] = {}
        self._settles: list[Settle] = []
        self._introduced: set[Node] = set()

    def join(self, key: Key, ops: dict[bytes, Op]) -> None:
        """Join ops, by field, into the batch. They are the writer's from then on."""
        fields = self._ops.setdefault(key, ops)
        if fields is not ops:
            for name, op in ops.items():
                there = fields.get(name)
                fields[name] = op if there is None else _merged(there, op)

    def is_new(self, node: Node) -> bool:
        """Whether the batch has not met this node before."""
        if node in self._introduced:
            return False
        self._introduced.add(node)
        return True

    def about(self, subjects: Mapping[Key, bytes]) -> None:
        """Name the nodes (packed identities) that the changes of these keys are about."""
        self._subjects.update(subjects)

    def settle(self, settle: Settle) -> None:
        """Derive this run's place after the joins."""
        self._settles.append(settle)

    def batch(self) -> Batch:
        """Everything collected, by bucket."""
        batch: Batch = {}
        for key, fields in self._ops.items():
            part = batch.get(key.bucket)
            if part is None:
                part = batch[key.bucket] = BucketBatch()
            if fields:
                part.ops[key] = list(fields.values())
            if key in self._subjects:
                part.subjects[key] = self._subjects[key]
        for settle in sorted(self._settles, key=lambda each: each.epoch):
            batch[settle.run.bucket].settles.append(settle)
        return batch


def _merged(old: Op, new: Op) -> Op:
    value = joins.JOINS[old.join](old.value, new.value)
    if value == old.value:
        return old
    if value == new.value:
        return new
    first = min(old, new, key=lambda op: joins.unpack_time(op.value))
    return Op(old.join, old.field, value, first.item)


def _write(writer: _Writer, statement: Statement, fold: _Fold, written: Written) -> None:
    plan = statement.plan
    writer.about(plan.subjects)
    if not written.knows(statement):
        for node, templates in plan.nodes.items():
            if writer.is_new(node):
                _put(writer, templates, fold)
    if not written.has(statement, fold.first_us, fold.hours):
        _put(writer, plan.lasting, fold)
    _put(writer, plan.exact, fold)


def _put(writer: _Writer, templates: Templates, fold: _Fold) -> None:
    for key, group in templates:
        writer.join(key, fold.ops(group))


class _Fold:
    """Events of one statement: which of them count, for what."""

    __slots__ = ("_causes", "_stems", "earliest", "events", "first_us", "hours", "last_us", "latest")

    def __init__(self, events: Sequence[Sourced]) -> None:
        self.events = events
        self.earliest, self.latest = _ends(events)
        self.first_us, self.last_us = self.earliest[0].time_us, self.latest[0].time_us
        self.hours = {seen.time_us // HOUR_US for seen, _ in events}
        self._stems: dict[Stem, bytes | None] = {}
        self._causes: dict[str, bytes] = {}

    def ops(self, group: Iterable[Template]) -> dict[bytes, Op]:
        """What the events make of these, by field; nothing of what none of them makes."""
        found: dict[bytes, Op] = {}
        stems = self._stems
        for join, name, payload, by, source, around in group:
            if by not in stems:
                stems[by] = self._stem(by)
            stem = stems[by]
            if stem is not None:
                item = None if around is None else self._cause(source).join(around)
                found[name] = Op(join, name, stem + payload, item)
        return found

    def _stem(self, by: Stem) -> bytes | None:
        return joins.pack_span(self.first_us, by, self.last_us) if isinstance(by, int) else _STEMS[by](self)

    def _cause(self, source: str) -> bytes:
        found = self._causes.get(source)
        if found is None:
            found = self._causes[source] = pack_cause(*_CAUSES[source](self))
        return found

    def writing(self) -> list[Sourced]:
        """The events whose run has not failed: it writes its outputs."""
        return [each for each in self.events if each[0].run is not None and each[0].run.state not in _IN_VAIN]


def _ends(events: Sequence[Sourced]) -> tuple[Sourced, Sourced]:
    if len(events) == 1:
        return events[0], events[0]
    return min(events, key=_stamp_of), max(events, key=_stamp_of)


def _stamp_of(sourced: Sourced) -> tuple[int, bytes]:
    return sourced[0].time_us, sourced[0].digest


def _stamp(sourced: Sourced) -> bytes:
    return joins.pack_stamped(sourced[0].time_us, sourced[0].digest)


def _hours(events: Iterable[Sourced]) -> bytes | None:
    times_us = [seen.time_us for seen, _ in events]
    return joins.pack_hours(*times_us) if times_us else None


def _last_write(fold: _Fold) -> bytes | None:
    times_us = [seen.time_us for seen, _ in fold.writing()]
    return joins.pack_time(max(times_us)) if times_us else None


def _run_of(sourced: Sourced) -> bytes:
    run = sourced[0].run
    return run.run_id.encode() if run else b""


def _run_key_of(sourced: Sourced) -> bytes:
    seen = sourced[0]
    return run_key(seen.job, seen.run.run_id) if seen.job and seen.run else b""


_STEMS: dict[str, Callable[[_Fold], bytes | None]] = {
    "O": lambda _: b"",
    "L": lambda fold: _stamp(fold.latest),
    "D": lambda fold: _stamp(fold.latest) + joins.DROPPED + joins.pack_time(fold.last_us),
    "k": lambda fold: _stamp(fold.latest) + _run_key_of(fold.latest),
    "E": lambda fold: _stamp(fold.earliest),
    "e": lambda fold: _stamp(fold.earliest) + _run_of(fold.earliest),
    "T": lambda fold: joins.pack_time(fold.last_us),
    "H": lambda fold: _hours(fold.events),
    "h": lambda fold: _hours(fold.writing()),
    "W": _last_write,
}
"""By the source of a step (see `plan`): what stands in front of its payload, None where no event makes it."""

_CAUSES: dict[str, Callable[[_Fold], Sourced]] = {
    "S": lambda fold: fold.earliest,
    "O": lambda fold: fold.events[0],
    "L": lambda fold: fold.latest,
    "D": lambda fold: fold.latest,
    "E": lambda fold: fold.earliest,
    "W": lambda fold: max(fold.writing(), key=lambda each: each[0].time_us),
}
"""By the source of a step that has an item: the event that it names as its cause."""


# Runs


def _add_run(runs: dict[tuple[Node, str, int], _Run], sourced: Sourced, now_us: int) -> None:
    seen, place = sourced
    if seen.job is None or seen.run is None:
        return
    told = told_us(seen.time_us, place.received_us if place else None, now_us)
    key = seen.job, seen.run.run_id, epoch_of(told)
    run = runs.get(key)
    if run is None:
        run = runs[key] = _Run(*key)
    run.add(sourced, told)


class _Run:
    """The events of one segment of a run."""

    __slots__ = ("epoch", "events", "job", "run_id", "told_us")

    def __init__(self, job: Node, run_id: str, epoch: int) -> None:
        self.job = job
        self.run_id = run_id
        self.epoch = epoch
        self.events: list[Sourced] = []
        self.told_us = 0

    def add(self, sourced: Sourced, told_us: int) -> None:
        self.told_us = told_us if not self.events else max(self.told_us, told_us)
        self.events.append(sourced)

    def write(self, writer: _Writer, members: dict[int, frozenset[bytes]]) -> None:
        run = run_key(self.job, self.run_id)
        key = run_key_of(self.job.id, run, self.epoch, writer.buckets)
        writer.about({key: pack_identity(self.job)})
        of_all = frozenset[bytes]().union(*(members[id(seen)] for seen, _ in self.events))
        ops = {op.field: op for op in _run_ops(self.run_id, self.events)}
        writer.join(key, ops | {member: Op("O", member, b"") for member in sorted(of_all)})
        item = pack_cause(*max(self.events, key=_precedence)).join(_RUN_ITEM)
        recent = key_of("j", self.job.id, writer.buckets)
        writer.settle(Settle(key, recent, run, item, self.epoch, self.told_us, len(self.events)))


def _precedence(sourced: Sourced) -> Precedence:
    seen = sourced[0]
    return seen.run is not None and seen.run.state in TERMINAL, seen.time_us, seen.digest


def _run_ops(run_id: str, events: Sequence[Sourced]) -> Iterable[Op]:
    """The run's own fields, each from the events that have something to say of it."""
    times = [seen.time_us for seen, _ in events]
    yield Op("O", b"i", run_id.encode())
    yield Op("S", b"t", joins.pack_span(min(times), 0, max(times)))
    yield Op("X", b"u", joins.pack_time(max(times)))
    registers: dict[bytes, bytes] = {}
    for seen, _ in events:
        for name, payload in _registers(seen.run):
            value, join = joins.pack_stamped(seen.time_us, seen.digest, payload), joins.RUN_JOINS[name]
            there = registers.get(name)
            registers[name] = value if there is None else joins.JOINS[join](there, value)
    for name, value in registers.items():
        yield Op(joins.RUN_JOINS[name], name, value)


def _registers(fact: RunFact | None) -> Iterable[tuple[bytes, bytes]]:
    """What an event says of its run that is kept with a time."""
    if fact is None:
        return
    if fact.state is RunState.START:
        yield b"b", b""
    if fact.state in TERMINAL:
        yield b"e", fact.state.value.encode()
    elif fact.state is not RunState.OTHER:
        yield b"q", fact.state.value.encode()
    if fact.parent is not None:
        node, run_id = fact.parent
        yield b"p", msgspec.msgpack.encode([node.namespace, node.name, run_id])
    if fact.nominal_us is not None:
        yield b"n", msgspec.msgpack.encode(fact.nominal_us)
    if fact.error is not None:
        yield b"x", fact.error.encode()
