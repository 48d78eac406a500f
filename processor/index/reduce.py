"""From observations to joins: what each event writes, many events in one batch.

`reduce` is where the index's content is decided. Joins of one field are joined here already, so a
batch writes each field once. Nothing here knows the state of the index.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from processor.index import joins
from processor.index.expiry import DAY_US, epoch_of
from processor.index.items import edge_details, frame, pack_cause, pack_item
from processor.index.layout import (
    KIND_LETTERS,
    LINK_LETTERS,
    bucket_of,
    key_of,
    lane_id,
    last_word,
    pack_identity,
    pack_observer,
    run_key_of,
    word_id,
)
from processor.index.store import Batch, BucketBatch, Key, Op, Settle
from processor.model.change import ItemKind
from processor.model.history import Observer
from processor.model.identity import Node, hash_parts, run_key
from processor.model.mapping import EMPTY
from processor.model.observation import (
    TERMINAL,
    DatasetFact,
    Edge,
    EdgeType,
    Evidence,
    Facets,
    Observation,
    Place,
    Role,
    RunFact,
    RunState,
)
from processor.model.tables import fingerprint

Sourced = tuple[Observation, Place | None]
"""An observation and where it was read, if it came over Kafka."""


REVIVED = b"REVIVED"
"""What is announced of a dropped dataset when a run writes it again."""
NEVER_US = 1 << 53
"""Later than any event: for a reader that trusts what it reads."""

_IN_VAIN = frozenset({RunState.FAIL, RunState.ABORT})
Precedence = tuple[bool, int, bytes]
"""Which event of a batch speaks for a run: one that ends it before others, then the latest."""


def reduce(observations: Iterable[Sourced], buckets: int, now_us: int = NEVER_US) -> Batch:
    """The joins that these observations stand for, by bucket. `now_us` is the wall clock: see `told_us`."""
    writer = _Writer(buckets)
    for observation, place in observations:
        cause, received_us = pack_cause(observation, place), place.received_us if place else None
        _Event(writer, observation, cause, told_us(observation.time_us, received_us, now_us)).write()
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
        self._settles: dict[Key, tuple[Precedence, Settle]] = {}
        self._introduced: set[Node] = set()

    def put(self, key: Key, op: Op) -> None:
        """Join `op` into the batch."""
        fields = self._ops.setdefault(key, {})
        there = fields.get(op.field)
        fields[op.field] = op if there is None else _merged(there, op)

    def is_new(self, node: Node) -> bool:
        """Whether the batch has not met this node before."""
        if node in self._introduced:
            return False
        self._introduced.add(node)
        return True

    def about(self, key: Key, node: Node) -> None:
        """Name the node that this key's changes are about."""
        self._subjects[key] = pack_identity(node)

    def settle(self, precedence: Precedence, settle: Settle) -> None:
        """Derive this run's place after the joins; the event of highest precedence names the cause."""
        there = self._settles.get(settle.run)
        if there is not None:
            newest_us, events = max(there[1].newest_us, settle.newest_us), there[1].events + settle.events
            precedence, settle = max(there, (precedence, settle), key=lambda each: each[0])
            settle = settle._replace(newest_us=newest_us, events=events)
        self._settles[settle.run] = (precedence, settle)

    def key(self, record: str, id_: bytes) -> Key:
        """The key of a node's record."""
        return key_of(record, id_, self.buckets)

    def batch(self) -> Batch:
        """Everything collected, by bucket."""
        batch: Batch = {}
        for key, fields in self._ops.items():
            part = batch.setdefault(key.bucket, BucketBatch())
            part.ops[key] = list(fields.values())
            if key in self._subjects:
                part.subjects[key] = self._subjects[key]
        for _, settle in sorted(self._settles.values(), key=lambda each: each[1].epoch):
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


@dataclass(slots=True)
class _Event:
    """One observation on its way into the batch."""

    writer: _Writer
    seen: Observation
    cause: bytes
    told_us: int
    met: set[Node] = field(default_factory=set)

    def write(self) -> None:
        if self.seen.job is not None:
            self.node(self.seen.job, self.seen.job_facets)
        for edge in self.seen.edges:
            self.edge(edge)
        for fact in self.seen.datasets:
            self.dataset(fact)
        if self.seen.job is not None and self.seen.run is not None:
            self.run(self.seen.job, self.seen.run)

    def item(self, kind: ItemKind, details: bytes = b"") -> bytes:
        return pack_item(kind, self.cause, details)

    def stamped(self, payload: bytes = b"") -> bytes:
        return joins.pack_stamped(self.seen.time_us, self.seen.digest, payload)

    def span(self, evidence: int = 0) -> bytes:
        return joins.pack_span(self.seen.time_us, evidence)

    def hours(self) -> bytes:
        return joins.pack_hours(self.seen.time_us)

    # Nodes and their facets

    def node(self, node: Node, facets: Facets | None = None) -> Key:
        key = self.writer.key("n", node.id)
        if node not in self.met:
            self.met.add(node)
            self.writer.put(key, Op("S", b"t", self.span()))
            if self.writer.is_new(node):
                self.introduce(key, node)
        if facets:
            self.facets(key, facets)
        return key

    def introduce(self, key: Key, node: Node) -> None:
        """Who the node is, and where it is found: the same whichever event of the batch says it."""
        self.writer.about(key, node)
        self.writer.put(key, Op("O", b"i", pack_identity(node), self.item(ItemKind.NODE_ADDED)))
        registry = Key(bucket_of(node.id, self.writer.buckets), f"reg.{node.kind.value}")
        self.writer.put(registry, Op("O", node.id, b""))
        word = self.writer.key("w", word_id(last_word(node.name)))
        self.writer.put(word, Op("O", KIND_LETTERS[node.kind] + node.id, b""))

    def facets(self, key: Key, facets: Facets) -> None:
        content, touch = _fragment(facets)
        name = fingerprint(content)
        self.writer.put(key, Op("O", b"B" + name, content))
        self.writer.put(key, Op("T", b"T" + name, joins.pack_time(self.seen.time_us, touch)))

    # Edges

    def edge(self, edge: Edge) -> None:
        """A link at each end, announced at one: reads and symlinks where they begin, others where they end."""
        self.node(edge.src)
        self.node(edge.dst)
        letter, value = LINK_LETTERS[edge.type], self.span(edge.evidence)
        item = self.item(ItemKind.EDGE_ADDED, edge_details(edge))
        at_src = edge.type in {EdgeType.READS, EdgeType.SYMLINK}
        out, into = self.writer.key("o", edge.src.id), self.writer.key("i", edge.dst.id)
        self.writer.about(out, edge.src)
        self.writer.about(into, edge.dst)
        self.writer.put(out, Op("S", letter + edge.dst.id, value, item if at_src else None))
        self.writer.put(into, Op("S", letter + edge.src.id, value, None if at_src else item))

    # Datasets

    def dataset(self, fact: DatasetFact) -> None:
        key = self.node(fact.node, fact.facets)
        if self.is_written(fact):
            item = self.item(ItemKind.LIFECYCLE_CHANGED, REVIVED)
            self.writer.put(key, Op("W", b"w", joins.pack_time(self.seen.time_us), item))
            self.writer.put(key, Op("H", b"h", self.hours()))
        if fact.lifecycle is not None:
            self.lifecycle(key, fact.lifecycle.state)
        if fact.columns is not None:
            self.schema(fact)
        if fact.mapping is not None:
            self.mapping(fact)

    def is_written(self, fact: DatasetFact) -> bool:
        """A run that has not failed writes its outputs."""
        run = self.seen.run
        return fact.role is Role.WRITER and run is not None and run.state not in _IN_VAIN

    def lifecycle(self, key: Key, state: str) -> None:
        """Each drop is news, whatever was before; of the other states only a change is."""
        item = self.item(ItemKind.LIFECYCLE_CHANGED, state.encode())
        mark = joins.pack_time(self.seen.time_us) if state == "DROP" else b""
        payload = bytes([len(state)]) + state.encode() + mark
        self.writer.put(key, Op("L", b"d", self.stamped(payload), item))

    def observer(self, fact: DatasetFact) -> Observer:
        if self.seen.job is None:
            return Observer(Role.PRODUCER, "", self.seen.producer)
        return Observer(fact.role, self.seen.job.namespace, self.seen.job.name)

    def schema(self, fact: DatasetFact) -> None:
        content, mark = fact.schema_content, fact.schema_mark
        observer = self.observer(fact)
        lane, label = lane_id(observer), pack_observer(observer)
        key = self.writer.key("s", fact.node.id)
        self.writer.about(key, fact.node)
        self.writer.put(key, Op("O", b"l" + lane, label))
        item = self.item(ItemKind.SCHEMA_CHANGED, frame(mark) + frame(label))
        self.writer.put(key, Op("L", b"c" + lane, self.stamped(mark), item))
        if not content:
            return
        run_id = self.seen.run.run_id.encode() if self.seen.run else b""
        self.writer.put(key, Op("E", b"b" + mark, self.stamped(content)))
        self.writer.put(key, Op("H", b"v" + lane + mark, self.hours()))
        self.writer.put(key, Op("E", b"e" + lane + mark, self.stamped(run_id)))

    def mapping(self, fact: DatasetFact) -> None:
        owner = self.seen.job or fact.node
        evidence = Evidence.EXPLICIT if fact.explicit else Evidence.COLUMN
        content = fact.mapping_content
        mark, output = fingerprint(content), fact.node
        key = self.writer.key("m", owner.id)
        self.writer.about(key, owner)
        item = self.item(ItemKind.MAPPING_CHANGED, pack_identity(output))
        self.writer.put(key, Op("L", b"c" + output.id, self.stamped(mark), item))
        if not content:
            return
        self.writer.put(key, Op("O", b"b" + mark, content))
        self.writer.put(key, Op("S", b"v" + output.id + mark, self.span(evidence)))
        if fact.explicit and self.seen.run is not None:
            self.of_run(key, output.id, mark, run_key(owner, self.seen.run.run_id))
        self.derives(owner, fact, evidence)

    def of_run(self, key: Key, output: bytes, mark: bytes, run: bytes) -> None:
        """Explicit statements of one run count together: which run was the last to make this one, and any."""
        self.writer.put(key, Op("L", b"k" + output, self.stamped(run)))
        self.writer.put(key, Op("L", b"q" + output + mark, self.stamped(run)))

    def derives(self, owner: Node, fact: DatasetFact, evidence: Evidence) -> None:
        value, output = self.span(evidence), fact.node
        self.writer.put(self.writer.key("i", output.id), Op("S", b"d" + owner.id, value))
        name = b"d" + owner.id + output.id
        for source in fact.sources:
            self.node(source)
            self.writer.put(self.writer.key("o", source.id), Op("S", name, value))

    # Runs

    def run(self, job: Node, fact: RunFact) -> None:
        run, epoch = run_key(job, fact.run_id), epoch_of(self.told_us)
        key = run_key_of(job.id, run, epoch, self.writer.buckets)
        self.writer.about(key, job)
        for op in self.run_ops(fact):
            self.writer.put(key, op)
        for member in self.run_members(job):
            self.writer.put(key, Op("O", member, b""))
        item = self.item(ItemKind.RUN_DIFFERED)
        recent = self.writer.key("j", job.id)
        place = Settle(key, recent, run, item, epoch, self.told_us)
        self.writer.settle((fact.state in TERMINAL, self.seen.time_us, self.seen.digest), place)

    def run_ops(self, fact: RunFact) -> Iterable[Op]:
        yield Op("O", b"i", fact.run_id.encode())
        yield Op("S", b"t", self.span())
        yield Op("X", b"u", joins.pack_time(self.seen.time_us))
        if fact.state is RunState.START:
            yield Op("E", b"b", self.stamped())
        if fact.state in TERMINAL:
            yield Op("L", b"e", self.stamped(fact.state.value.encode()))
        elif fact.state is not RunState.OTHER:
            yield Op("L", b"q", self.stamped(fact.state.value.encode()))
        if fact.parent is not None:
            node, run_id = fact.parent
            payload = msgspec.msgpack.encode([node.namespace, node.name, run_id])
            yield Op("L", b"p", self.stamped(payload))
        if fact.nominal_us is not None:
            yield Op("L", b"n", self.stamped(msgspec.msgpack.encode(fact.nominal_us)))
        if fact.error is not None:
            yield Op("L", b"x", self.stamped(fact.error.encode()))

    def run_members(self, job: Node) -> Iterable[bytes]:
        """What the run read, wrote and mapped; what its event says of other jobs is none of its own."""
        for edge in self.seen.edges:
            if edge.type is EdgeType.READS and edge.dst == job:
                yield b"I" + edge.src.id
            elif edge.type is EdgeType.WRITES and edge.src == job:
                yield b"O" + edge.dst.id
        for fact in self.seen.datasets:
            if fact.mapping is not None and fact.mapping != EMPTY:
                yield b"M" + fact.node.id


def _fragment(facets: Facets) -> tuple[bytes, bytes]:
    """A set of facets as stored, and the hashes of their names."""
    ordered = dict(sorted(facets.items()))
    return msgspec.msgpack.encode(ordered), b"".join(_facet_name(name) for name in ordered)


@lru_cache(maxsize=4096)
def _facet_name(name: str) -> bytes:
    return hash_parts("facet", name)[: joins.NAME_BYTES]
