"""Reading the index: nodes, links, schema histories, mappings, runs.

Everything that asks the index asks through a `View`: command line, API, detectors, export. Reads come
in batches of keys, one round trip each; nothing is written. Only what never changes is cached
(contents by fingerprint).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from processor.index import joins
from processor.index.facets import read_facet
from processor.index.layout import LANE_BYTES, LINK_TYPES, key_of, run_key_of, unpack_identity, unpack_observer
from processor.index.progress import Clock, decode_progress, now_us
from processor.index.store import Key, Store
from processor.model.history import (
    FinishedRun,
    JobHistory,
    KnownMapping,
    Lane,
    NodeRecord,
    OpenRun,
    RunRecord,
    SchemaVersion,
)
from processor.model.identity import ID_BYTES, Kind, Node, run_key
from processor.model.mapping import EMPTY, Mapping, decode_mapping
from processor.model.observation import EdgeType, Evidence, Lifecycle, Role, RunState
from processor.model.tables import Column, Columns, decode_columns

Hash = dict[bytes, bytes]

_PAGE = 500
_MAPPINGS_KEPT = 4096
_FACETS = msgspec.msgpack.Decoder(dict[str, bytes | None])
_ROLE_ORDER = {Role.WRITER: 0, Role.PRODUCER: 1, Role.READER: 2}


class Link(NamedTuple):
    """One link of a node. `owner`: for `derives`, the job (or dataset) whose mapping states it.

    On an input dataset a `derives` link's `other` is the output; on an output dataset it is the owner.
    """

    type: EdgeType
    other: bytes
    owner: bytes | None
    evidence: Evidence
    first_us: int
    last_us: int


class _JobType(msgspec.Struct):
    processingType: str | None = None  # noqa: N815 - the facet's own name
    integration: str | None = None
    jobType: str | None = None  # noqa: N815 - the facet's own name


class View:
    """Reads over a store. Any method may raise DependencyError."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mappings: dict[bytes, Mapping] = {}

    # Nodes

    def node(self, node: Node) -> NodeRecord | None:
        """One node, or None when the index does not know it."""
        return self.nodes([node.id]).get(node.id)

    def nodes(self, ids: Iterable[bytes]) -> dict[bytes, NodeRecord]:
        """The known ones among these datasets and jobs, by id."""
        wanted = list(dict.fromkeys(ids))
        hashes = self._fetch("n", wanted)
        return {i: _node_record(there) for i, there in zip(wanted, hashes, strict=True) if there}

    def all_nodes(self, kind: Kind) -> Iterator[NodeRecord]:
        """Every dataset or every job, streamed in pages, in no order."""
        for ids in self._all_ids(kind):
            yield from self.nodes(ids).values()

    def count(self, kind: Kind) -> int:
        """How many datasets or jobs there are."""
        return sum(len(ids) for ids in self._all_ids(kind))

    # Links

    def out_links(self, ids: Sequence[bytes]) -> dict[bytes, list[Link]]:
        """Links that lead downstream, by node id."""
        return self._links("o", ids)

    def in_links(self, ids: Sequence[bytes]) -> dict[bytes, list[Link]]:
        """Links that come from upstream, by node id."""
        return self._links("i", ids)

    # Schemas

    def lanes(self, dataset: Node) -> list[Lane]:
        """Schema history of a dataset, one lane an observer; writers first."""
        return self.lanes_of([dataset])[dataset]

    def lanes_of(self, datasets: Sequence[Node]) -> dict[Node, list[Lane]]:
        """`lanes` of many datasets in few round trips."""
        hashes = self._fetch("s", [dataset.id for dataset in datasets])
        return {d: _lanes(d, there) for d, there in zip(datasets, hashes, strict=True)}

    def columns(self, dataset: Node) -> Columns:
        """The current schema: the newest statement of a writer, else a producer, else a reader."""
        return current_columns(self.lanes(dataset))

    # Mappings

    def mappings(self, owners: Sequence[bytes]) -> dict[bytes, list[KnownMapping]]:
        """Every mapping that these owners ever stated, by owner id."""
        hashes = self._fetch("m", owners)
        stated = {o: there for o, there in zip(owners, hashes, strict=True) if there}
        outputs = {name[1 : 1 + ID_BYTES] for there in stated.values() for name in there if name[:1] == b"v"}
        names = self.nodes([*stated, *outputs])
        return {owner: list(self._known(names, owner, there)) for owner, there in stated.items()}

    def current_mappings(self, owners: Sequence[bytes]) -> dict[bytes, dict[bytes, KnownMapping]]:
        """The mappings that hold now: by owner id, then by output id."""
        return {
            owner: {m.output.id: m for m in known if m.is_current} for owner, known in self.mappings(owners).items()
        }

    # Jobs and runs

    def jobs(self, ids: Sequence[bytes]) -> dict[bytes, JobHistory]:
        """The known ones among these jobs with their finished and open runs, by id."""
        records = {i: r for i, r in self.nodes(ids).items() if r.node.kind is Kind.JOB}
        recents = self._fetch("j", list(records))
        opened = self._open_runs_of(records)
        return {
            i: _job_history(record, recent, opened.get(i, ()))
            for (i, record), recent in zip(records.items(), recents, strict=True)
        }

    def all_jobs(self) -> Iterator[JobHistory]:
        """Every job, streamed in pages, in no order."""
        for ids in self._all_ids(Kind.JOB):
            yield from self.jobs(ids).values()

    def open_runs(self) -> Iterator[tuple[Node, OpenRun]]:
        """Every run that started and has not ended, with its job."""
        for _, page in self._store.scan("open"):
            names = self.nodes({name[:ID_BYTES] for name, _ in page})
            for name, value in page:
                if name[:ID_BYTES] in names:
                    yield names[name[:ID_BYTES]].node, _open_run(value)

    def run(self, job: Node, run_id: str) -> RunRecord | None:
        """One run of a job."""
        key = run_key_of(job.id, run_key(job, run_id), self._store.buckets)
        there = self._store.fetch([key])[0]
        return _run_record(job, there) if there else None

    # Time

    def now_us(self, wall_us: int, clock: Clock) -> int | None:
        """The time to judge by (`progress.now_us`); None while nothing has been read."""
        partitions = [decode_progress(value) for value in self._store.progress().values()]
        return now_us(partitions, wall_us, clock)

    def found_by(self, word: bytes) -> list[bytes]:
        """Ids of the datasets and jobs that a search word (`layout.word_id`) names."""
        return [name[1:] for name in self._store.fetch([self._key("w", word)])[0]]

    # Inside

    def _key(self, record: str, id_: bytes) -> Key:
        return key_of(record, id_, self._store.buckets)

    def _fetch(self, record: str, ids: Sequence[bytes]) -> list[Hash]:
        return self._store.fetch([self._key(record, i) for i in ids])

    def _all_ids(self, kind: Kind) -> Iterator[list[bytes]]:
        for _, page in self._store.scan(f"reg.{kind.value}"):
            ids = [name for name, _ in page]
            for start in range(0, len(ids), _PAGE):
                yield ids[start : start + _PAGE]

    def _links(self, record: str, ids: Sequence[bytes]) -> dict[bytes, list[Link]]:
        hashes = self._fetch(record, ids)
        return {
            i: [_link(record, name, value) for name, value in sorted(there.items())]
            for i, there in zip(ids, hashes, strict=True)
        }

    def _known(self, names: dict[bytes, NodeRecord], owner: bytes, there: Hash) -> Iterator[KnownMapping]:
        for name in sorted(there):
            if name[:1] != b"v":
                continue
            output, mark = name[1 : 1 + ID_BYTES], name[1 + ID_BYTES :]
            if owner not in names or output not in names:
                continue
            span = joins.unpack_span(there[name])
            yield KnownMapping(
                owner=names[owner].node,
                output=names[output].node,
                mapping=self._mapping(mark, there),
                evidence=span.evidence,
                first_seen_us=span.first_us,
                last_seen_us=span.last_us,
                is_current=joins.unpack_stamped(there[b"c" + output]).payload == mark,
            )

    def _mapping(self, mark: bytes, there: Hash) -> Mapping:
        if mark not in self._mappings:
            if len(self._mappings) >= _MAPPINGS_KEPT:
                self._mappings.pop(next(iter(self._mappings)))
            content = there.get(b"b" + mark)
            self._mappings[mark] = decode_mapping(content) if content else EMPTY
        return self._mappings[mark]

    def _open_runs_of(self, jobs: dict[bytes, NodeRecord]) -> dict[bytes, list[OpenRun]]:
        buckets = {self._key("n", i).bucket for i in jobs}
        opened: dict[bytes, list[OpenRun]] = {}
        for there in self._store.fetch([Key(bucket, "open") for bucket in sorted(buckets)]):
            for name, value in there.items():
                opened.setdefault(name[:ID_BYTES], []).append(_open_run(value))
        return opened


def current_columns(lanes: Iterable[Lane]) -> Columns:
    """The schema that stands: writers before producers before readers, then the newest statement."""
    held = [lane for lane in lanes if lane.version(lane.current)]
    if not held:
        return ()
    best = min(held, key=lambda lane: (_ROLE_ORDER[lane.observer.role], -lane.current_us, lane.observer))
    version = best.version(best.current)
    return version.columns if version else tuple[Column, ...]()


def _link(record: str, name: bytes, value: bytes) -> Link:
    span, type_ = joins.unpack_span(value), LINK_TYPES[name[:1]]
    first, second = name[1 : 1 + ID_BYTES], name[1 + ID_BYTES :]
    if record == "o" and type_ is EdgeType.DERIVES:
        return Link(type_, second, first, span.evidence, span.first_us, span.last_us)
    return Link(type_, first, None, span.evidence, span.first_us, span.last_us)


def _node_record(there: Hash) -> NodeRecord:
    span = joins.unpack_span(there[b"t"])
    last_write = joins.unpack_time(there[b"w"]) if b"w" in there else None
    change = joins.unpack_stamped(there[b"d"]) if b"d" in there else None
    dropped = change is not None and change.payload == b"DROP" and (last_write or 0) <= change.time_us
    return NodeRecord(
        node=unpack_identity(there[b"i"]),
        first_seen_us=span.first_us,
        last_seen_us=span.last_us,
        facets=_facets(there),
        last_write_us=last_write,
        lifecycle=Lifecycle(change.payload.decode()) if change else None,
        dropped=dropped,
    )


def _facets(there: Hash) -> dict[str, bytes]:
    touches = [name for name in there if name[:1] == b"T"]
    oldest_first = sorted(touches, key=lambda name: (joins.unpack_time(there[name]), name))
    newest: dict[str, bytes | None] = {}
    for touch in oldest_first:
        newest.update(_FACETS.decode(there[b"B" + touch[1:]]))
    return {name: value for name, value in sorted(newest.items()) if value is not None}


def _lanes(dataset: Node, there: Hash) -> list[Lane]:
    lanes = [_lane(dataset, name[1:], there) for name in there if name[:1] == b"l"]
    return sorted(lanes, key=lambda lane: (_ROLE_ORDER[lane.observer.role], lane.observer))


def _lane(dataset: Node, lane: bytes, there: Hash) -> Lane:
    marks = [n[1 + LANE_BYTES :] for n in there if n[:1] == b"v" and n[1 : 1 + LANE_BYTES] == lane]
    versions = (_version(lane, mark, there) for mark in marks)
    current = joins.unpack_stamped(there[b"c" + lane])
    return Lane(
        dataset=dataset,
        observer=unpack_observer(there[b"l" + lane]),
        versions=tuple(sorted(versions, key=lambda v: (v.first_seen_us, v.fingerprint))),
        current=current.payload or None,
        current_us=current.time_us,
    )


def _version(lane: bytes, mark: bytes, there: Hash) -> SchemaVersion:
    span = joins.unpack_span(there[b"v" + lane + mark])
    run_id = joins.unpack_stamped(there[b"e" + lane + mark]).payload.decode() or None
    columns = decode_columns(there[b"b" + mark])
    return SchemaVersion(mark, columns, span.first_us, span.last_us, run_id)


def _job_history(record: NodeRecord, recent: Hash, opened: Iterable[OpenRun]) -> JobHistory:
    runs = sorted((joins.unpack_recent(value) for value in recent.values()), reverse=True)
    job_type = _job_type(record.facets.get("jobType"))
    return JobHistory(
        job=record.node,
        finished=tuple(_finished(run) for run in runs),
        open=tuple(sorted(opened, key=lambda run: (run.started_us, run.run_id))),
        processing_type=job_type.processingType,
        integration=job_type.integration,
        job_type=job_type.jobType,
        first_seen_us=record.first_seen_us,
        last_seen_us=record.last_seen_us,
    )


def _job_type(facet: bytes | None) -> _JobType:
    return read_facet(facet, _JobType, _JobType())


def _finished(run: joins.Recent) -> FinishedRun:
    counts = (run.inputs, run.outputs, run.mapped)
    return FinishedRun(run.run_id, run.started_us, run.ended_us, run.state, *counts, run.signature)


def _open_run(value: bytes) -> OpenRun:
    return OpenRun(value[8:].decode(), joins.unpack_time(value))


def _run_record(job: Node, there: Hash) -> RunRecord:
    span = joins.unpack_span(there[b"t"])
    end = joins.unpack_stamped(there[b"e"]) if b"e" in there else None
    return RunRecord(
        job=job,
        run_id=there[b"i"].decode(),
        state=_run_state(there),
        first_seen_us=span.first_us,
        last_event_us=joins.unpack_time(there[b"u"]),
        started_us=joins.unpack_stamped(there[b"b"]).time_us if b"b" in there else None,
        ended_us=end.time_us if end else None,
        inputs=tuple(sorted(name[1:] for name in there if name[:1] == b"I")),
        outputs=tuple(sorted(name[1:] for name in there if name[:1] == b"O")),
        parent=_parent(there.get(b"p")),
        nominal_us=_nominal(there.get(b"n")),
        error=joins.unpack_stamped(there[b"x"]).payload.decode() if b"x" in there else None,
    )


def _run_state(there: Hash) -> RunState:
    register = there.get(b"e") or there.get(b"q")
    return RunState(joins.unpack_stamped(register).payload.decode()) if register else RunState.OTHER


def _parent(register: bytes | None) -> tuple[Node, str] | None:
    if register is None:
        return None
    payload = joins.unpack_stamped(register).payload
    namespace, name, run_id = msgspec.msgpack.decode(payload, type=tuple[str, str, str])
    return Node(Kind.JOB, namespace, name), run_id


def _nominal(register: bytes | None) -> tuple[int, int | None] | None:
    if register is None:
        return None
    payload = joins.unpack_stamped(register).payload
    return msgspec.msgpack.decode(payload, type=tuple[int, int | None])
