"""What the statement of an event writes, worked out once for all events that make it.

A statement is what an event says of its job and datasets. Events that make the same one differ in their times and
their runs only: so a plan names each join with its key and field, and `source` says what of the events' times makes
its value.

    S span of the events, with evidence       H hours of the events        h hours of the events that write
    K hours of the events that start a run
    L stamp of the latest, with a payload     W time of the latest that writes
    D likewise, that the dataset is dropped, with the time once more
    E stamp of the earliest, likewise         e likewise, with its run's id
    T time of the latest, with what is touched    O the payload alone      k stamp of the latest, with its run's key

Nothing here knows a time, or the state of the index.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import msgspec

from processor.index import joins
from processor.index.items import edge_details, frame, item_around
from processor.index.keys import Key
from processor.index.layout import (
    CALLED,
    HAS_ALIASES,
    KIND_LETTERS,
    LINK_LETTERS,
    WAS_DROPPED,
    key_of,
    lane_id,
    last_word,
    pack_identity,
    pack_observer,
    word_id,
)
from processor.index.runs import JobPlace
from processor.index.wire import FIRST, LAST, NOTHING, WRITING, Item, Packed, Template, pack_templates
from processor.model.change import ItemKind
from processor.model.history import Observer
from processor.model.identity import Node, hash_parts
from processor.model.mapping import EMPTY
from processor.model.observation import DatasetFact, Edge, EdgeType, Evidence, Facets, Observation, Role
from processor.model.tables import fingerprint

REVIVED = b"REVIVED"
"""What is announced of a dropped dataset when a run writes it again."""

_JOIN_OF = {"D": "L", "h": "H", "k": "L", "e": "E"}
"""By source: the letter of the join, where it is another."""

_CAUSE_OF = {"L": LAST, "D": LAST, "W": WRITING}
"""By source: whose cause an item names, where it is not the first event's."""

_EVIDENCE = struct.Struct(">H")
_ONCE = 1
"""The place of the stem that is empty, in every plan."""

_DROP = "DROP"

_PLAN_BYTES = 1_500
_PART_BYTES = 400


class Part(NamedTuple):
    """What a statement joins in one bucket.

    `whole`: all of it. `exact`: without what lasts, which is written again only to say that it was seen in another
    hour.
    """

    bucket: int
    whole: Packed
    exact: Packed


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a statement writes.

    `sources`: what its stems are made of, in their order. `nodes`: whom it names (see `introduction`). `members`:
    the fields of the run that stated it. `job`: where its runs are kept.
    """

    sources: tuple[str, ...]
    nodes: tuple[Node, ...]
    parts: tuple[Part, ...]
    members: frozenset[bytes]
    job: JobPlace | None

    @property
    def cost_bytes(self) -> int:
        """What it takes in memory, about."""
        return _PLAN_BYTES + sum(_PART_BYTES + len(part.whole.data) + len(part.exact.data) for part in self.parts)


def plan_of(seen: Observation, buckets: int) -> Plan:
    """What the statement of this event writes, less its run."""
    return _Planning(seen, buckets).plan()


def introduction(node: Node, buckets: int) -> dict[int, Packed]:
    """What says who a node is, and where it is found, by bucket: the same whichever statement names it."""
    key = key_of("n", node.id, buckets)
    registry = Key(key.bucket, f"reg.{node.kind.value}")
    word = key_of("w", word_id(last_word(node.name)), buckets)
    identity = pack_identity(node)
    who = Template("O", b"i", _ONCE, identity, FIRST, item_around(ItemKind.NODE_ADDED))
    found = Template("O", node.id, _ONCE)
    named = Template("O", KIND_LETTERS[node.kind] + node.id, _ONCE)
    called = [(key_of(way, node.id, buckets), (Template("O", CALLED, _ONCE, identity),)) for way in "oi"]
    return pack_templates([(key, (who,)), (registry, (found,)), (word, (named,)), *called], {key: identity})


class _Groups:
    """Templates by key, in the order in which they came; no field twice in one group of a key."""

    def __init__(self) -> None:
        self._groups: dict[Key, list[dict[bytes, Template]]] = {}
        self._lasting: set[tuple[Key, bytes]] = set()

    def at(self, key: Key, name: bytes) -> dict[bytes, Template] | None:
        """The group of a key that has a field."""
        return next((group for group in self._groups.get(key, ()) if name in group), None)

    def put(self, key: Key, template: Template) -> None:
        """Add one: to those of its key, unless its field is there."""
        groups = self._groups.setdefault(key, [{}])
        if template.field in groups[-1]:
            groups.append({})
        groups[-1][template.field] = template

    def put_lasting(self, key: Key, template: Template) -> None:
        """Add one that lasts."""
        self.put(key, template)
        self._lasting.add((key, template.field))

    def whole(self, subjects: Mapping[Key, bytes]) -> dict[int, Packed]:
        """All of them, by bucket."""
        return pack_templates([(key, list(group.values())) for key, group in self._each()], subjects)

    def exact(self, subjects: Mapping[Key, bytes]) -> dict[int, Packed]:
        """Those that do not last, by bucket."""
        lasting = self._lasting
        left = [
            (key, [each for name, each in group.items() if (key, name) not in lasting]) for key, group in self._each()
        ]
        return pack_templates([(key, group) for key, group in left if group], subjects)

    def _each(self) -> Iterator[tuple[Key, dict[bytes, Template]]]:
        return ((key, group) for key, groups in self._groups.items() for group in groups)


@dataclass(slots=True)
class _Planning:
    seen: Observation
    buckets: int
    nodes: dict[Node, None] = field(default_factory=dict)
    groups: _Groups = field(default_factory=_Groups)
    subjects: dict[Key, bytes] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=lambda: {"O": _ONCE})

    def plan(self) -> Plan:
        if self.seen.job is not None:
            key = self.node(self.seen.job, self.seen.job_facets)
            if self.seen.run is not None:
                self.groups.put_lasting(key, self.template("K", b"k"))
        for edge in self.seen.edges:
            self.edge(edge)
        for fact in self.seen.datasets:
            self.dataset(fact)
        members = frozenset(self.members(self.seen.job)) if self.seen.job else frozenset()
        job = JobPlace.of(self.seen.job, self.buckets) if self.seen.job else None
        return Plan(tuple(self.sources), tuple(self.nodes), self.parts(), members, job)

    def parts(self) -> tuple[Part, ...]:
        whole, exact = self.groups.whole(self.subjects), self.groups.exact(self.subjects)
        return tuple(Part(bucket, packed, exact.get(bucket, NOTHING)) for bucket, packed in whole.items())

    def template(self, source: str, name: bytes, payload: bytes = b"", item: Item = None) -> Template:
        """A join whose value is made of that of the events' times, and the payload."""
        stem = self.sources.setdefault(source, len(self.sources) + 1)
        cause = _CAUSE_OF.get(source, FIRST) if item else 0
        return Template(_JOIN_OF.get(source, source), name, stem, payload, cause, item)

    def span(self, key: Key, name: bytes, evidence: int = 0, item: Item = None) -> None:
        """Say when it was seen; stated twice by an event, it is on the evidence of both."""
        group = self.groups.at(key, name)
        if group is None:
            self.groups.put_lasting(key, self.template("S", name, _EVIDENCE.pack(evidence), item))
            return
        both = evidence | _EVIDENCE.unpack(group[name].payload)[0]
        item = item if both == evidence else group[name].item
        group[name] = self.template("S", name, _EVIDENCE.pack(both), item)

    def mark(self, key: Key, name: bytes) -> None:
        """Say something of a node beside its links."""
        if self.groups.at(key, name) is None:
            self.groups.put_lasting(key, self.template("O", name))

    def key(self, record: str, node: Node) -> Key:
        return key_of(record, node.id, self.buckets)

    # Nodes and their facets

    def node(self, node: Node, facets: Facets | None = None) -> Key:
        key = self.key("n", node)
        if node not in self.nodes:
            self.nodes[node] = None
            self.subjects[key] = pack_identity(node)
            self.span(key, b"t")
        if facets:
            self.facets(key, facets)
        return key

    def facets(self, key: Key, facets: Facets) -> None:
        content, touch = _fragment(facets)
        name = fingerprint(content)
        self.groups.put(key, self.template("T", b"T" + name, touch)._replace(touched=content))

    # Edges

    def edge(self, edge: Edge) -> None:
        """A link at each end, announced at one: reads and symlinks where they begin, others where they end."""
        self.node(edge.src)
        self.node(edge.dst)
        letter, details = LINK_LETTERS[edge.type], edge_details(edge)
        at_src = edge.type in {EdgeType.READS, EdgeType.SYMLINK}
        out, into = self.key("o", edge.src), self.key("i", edge.dst)
        self.subjects[out], self.subjects[into] = pack_identity(edge.src), pack_identity(edge.dst)
        item = item_around(ItemKind.EDGE_ADDED, details)
        self.span(out, letter + edge.dst.id, edge.evidence, item if at_src else None)
        self.span(into, letter + edge.src.id, edge.evidence, None if at_src else item)
        if edge.type is EdgeType.SYMLINK:
            self.mark(self.key("i", edge.src), HAS_ALIASES)
            self.mark(self.key("o", edge.dst), HAS_ALIASES)

    # Datasets

    def dataset(self, fact: DatasetFact) -> None:
        key = self.node(fact.node, fact.facets)
        if fact.role is Role.WRITER and self.seen.run is not None:
            self.groups.put(key, self.template("W", b"w", item=item_around(ItemKind.LIFECYCLE_CHANGED, REVIVED)))
            self.groups.put(key, self.template("h", b"h"))
        if fact.lifecycle is not None:
            self.lifecycle(key, fact.lifecycle.state)
            if fact.lifecycle.state == _DROP:
                self.mark(self.key("o", fact.node), WAS_DROPPED)
                self.mark(self.key("i", fact.node), WAS_DROPPED)
        if fact.columns is not None:
            self.schema(fact)
        if fact.mapping is not None:
            self.mapping(fact)

    def lifecycle(self, key: Key, state: str) -> None:
        """Each drop is news, whatever was before; of the other states only a change is."""
        item = item_around(ItemKind.LIFECYCLE_CHANGED, state.encode())
        source, payload = ("D", b"") if state == _DROP else ("L", bytes([len(state)]) + state.encode())
        self.groups.put(key, self.template(source, b"d", payload, item))

    def observer(self, fact: DatasetFact) -> Observer:
        if self.seen.job is None:
            return Observer(Role.PRODUCER, "", self.seen.producer)
        return Observer(fact.role, self.seen.job.namespace, self.seen.job.name)

    def schema(self, fact: DatasetFact) -> None:
        content, mark = fact.schema_content, fact.schema_mark
        observer = self.observer(fact)
        lane, label = lane_id(observer), pack_observer(observer)
        key, put = self.key("s", fact.node), self.groups.put
        self.subjects[key] = pack_identity(fact.node)
        put(key, self.template("O", b"l" + lane, label))
        item = item_around(ItemKind.SCHEMA_CHANGED, frame(mark) + frame(label))
        put(key, self.template("L", b"c" + lane, mark, item))
        if content:
            put(key, self.template("E", b"b" + mark, content))
            put(key, self.template("H", b"v" + lane + mark))
            put(key, self.template("e", b"e" + lane + mark))

    def mapping(self, fact: DatasetFact) -> None:
        owner, output = self.seen.job or fact.node, fact.node
        evidence = Evidence.EXPLICIT if fact.explicit else Evidence.COLUMN
        content = fact.mapping_content
        mark = fingerprint(content)
        key, put = self.key("m", owner), self.groups.put
        self.subjects[key] = pack_identity(owner)
        item = item_around(ItemKind.MAPPING_CHANGED, pack_identity(output))
        put(key, self.template("L", b"c" + output.id, mark, item))
        if not content:
            return
        put(key, self.template("O", b"b" + mark, content))
        put(key, self.template("S", b"v" + output.id + mark, _EVIDENCE.pack(evidence)))
        if fact.explicit and self.seen.run is not None:
            # Explicit statements of one run count together: which run was the last to make this one, and any.
            put(key, self.template("k", b"k" + output.id))
            put(key, self.template("k", b"q" + output.id + mark))
        self.derives(owner, fact, evidence)

    def derives(self, owner: Node, fact: DatasetFact, evidence: Evidence) -> None:
        self.span(self.key("i", fact.node), b"d" + owner.id, evidence)
        name = b"d" + owner.id + fact.node.id
        for source in fact.sources:
            self.node(source)
            self.span(self.key("o", source), name, evidence)

    # Runs

    def members(self, job: Node) -> set[bytes]:
        """What the run read, wrote and mapped; what its event says of other jobs is none of its own."""
        found = {
            (b"I" + edge.src.id) if edge.type is EdgeType.READS else (b"O" + edge.dst.id)
            for edge in self.seen.edges
            if (edge.type is EdgeType.READS and edge.dst == job) or (edge.type is EdgeType.WRITES and edge.src == job)
        }
        mapped = (fact for fact in self.seen.datasets if fact.mapping is not None and fact.mapping != EMPTY)
        return found | {b"M" + fact.node.id for fact in mapped}


def _fragment(facets: Facets) -> tuple[bytes, bytes]:
    """A set of facets as stored, and the hashes of their names."""
    ordered = dict(sorted(facets.items()))
    return msgspec.msgpack.encode(ordered), b"".join(_facet_name(name) for name in ordered)


@lru_cache(maxsize=4096)
def _facet_name(name: str) -> bytes:
    return hash_parts("facet", name)[: joins.NAME_BYTES]
