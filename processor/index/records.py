"""What the stored hashes of a record say: from bytes to the values of `model.history`. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from processor.index import joins
from processor.index.expiry import EPOCH_DIGITS
from processor.index.facets import facet_reader
from processor.index.layout import LANE_BYTES, LINK_LETTERS, LINK_TYPES, MARKS, unpack_identity, unpack_observer
from processor.model.history import (
    HOUR_US,
    FinishedRun,
    JobHistory,
    KnownMapping,
    Lane,
    NodeRecord,
    OpenRun,
    RunMembers,
    RunRecord,
    SchemaVersion,
)
from processor.model.identity import ID_BYTES, Kind, Node
from processor.model.mapping import together
from processor.model.observation import EdgeType, Evidence, Lifecycle, Role, RunState
from processor.model.tables import Columns, decode_columns

Hash = dict[bytes, bytes]
_ONE_ID = 1 + ID_BYTES
_FLOWS = {LINK_LETTERS[type_][0]: type_ for type_ in (EdgeType.READS, EdgeType.WRITES)}
_DERIVED = LINK_LETTERS[EdgeType.DERIVES][0]
_TOUCH = ord("T")

_read_parent = msgspec.msgpack.Decoder(tuple[str, str, str]).decode
_read_nominal = msgspec.msgpack.Decoder(tuple[int, int | None]).decode
_FACETS = msgspec.msgpack.Decoder(dict[str, bytes | None])
ROLE_ORDER = {Role.WRITER: 0, Role.PRODUCER: 1, Role.READER: 2}
"""Whose word on a schema counts more."""


class Link(msgspec.Struct, frozen=True, gc=False):
    """One link of a node. `owner`: for `derives`, the job (or dataset) whose mapping states it.

    On an input dataset a `derives` link's `other` is the output; on an output dataset it is the owner.
    """

    type: EdgeType
    other: bytes
    owner: bytes | None
    evidence: Evidence
    first_us: int
    last_us: int


class Standing(msgspec.Struct, frozen=True, gc=False):
    """Who a node is, and whether it is dropped."""

    node: Node
    dropped: bool


class _JobType(msgspec.Struct):
    processingType: str | None = None  # noqa: N815 - the facet's own name
    integration: str | None = None
    jobType: str | None = None  # noqa: N815 - the facet's own name


_job_type = facet_reader(_JobType)


def links_in(record: str, there: Hash) -> list[Link]:
    """The links of a node's out or in record, by their names."""
    return [link_of(record, name, there[name]) for name in sorted(there) if name not in MARKS]


def flows_in(record: str, of: bytes, there: Hash) -> list[Link]:
    """Of a node's out or in record what data flows along: reads, writes, and what a dataset states of itself."""
    found = []
    for name in sorted(there) if len(there) > 1 else there:
        type_ = _FLOWS.get(name[0])
        if type_ is not None:
            found.append(Link(type_, name[1:_ONE_ID], None, *sighting(there[name])))
        elif name[0] == _DERIVED and is_own(record, of, name):
            found.append(link_of(record, name, there[name]))
    return found


def is_own(record: str, of: bytes, name: bytes) -> bool:
    """Whether a `derives` link is one that a dataset states of itself."""
    return name[1:_ONE_ID] == (name[_ONE_ID:] if record == "o" else of)


def link_of(record: str, name: bytes, value: bytes) -> Link:
    """One link of a node's out or in record."""
    type_ = LINK_TYPES[name[:1]]
    if type_ is EdgeType.DERIVES and record == "o":
        return Link(type_, name[_ONE_ID:], name[1:_ONE_ID], *sighting(value))
    return Link(type_, name[1:_ONE_ID], None, *sighting(value))


def sighting(value: bytes) -> tuple[Evidence, int, int]:
    """On what evidence a link stands, and when it was seen first and last, in microseconds since 1970."""
    first, hour, bits = joins.span_of(value)
    first_us, seen_us = int(first), hour * HOUR_US
    return joins.evidence_of(bits), first_us, seen_us if seen_us > first_us else first_us  # noqa: FURB136  a walk makes thousands


def sightings(values: Iterable[bytes]) -> list[tuple[Evidence, int, int]]:
    """`sighting` of many: to call it for each would cost half as much again."""
    return [
        (joins.evidence_of(bits), us := int(first), seen_us if (seen_us := hour * HOUR_US) > us else us)
        for first, hour, bits in map(joins.span_of, values)
    ]


def standing_of(there: Hash) -> Standing:
    """Who a node is, and whether it is dropped: what a walk asks of each that it meets."""
    return Standing(unpack_identity(there[b"i"]), b"d" in there and _is_dropped(there))


def _is_dropped(there: Hash) -> bool:
    change, last_write_us = _change(there), _last_write_us(there)
    is_over = change is not None and (last_write_us is None or last_write_us <= change.time_us)
    return is_over and _state(change) == "DROP"


def _change(there: Hash) -> joins.Stamped | None:
    return joins.unpack_stamped(there[b"d"]) if b"d" in there else None


def _state(change: joins.Stamped | None) -> str | None:
    return change.payload[1 : 1 + change.payload[0]].decode() if change else None


def _last_write_us(there: Hash) -> int | None:
    return joins.unpack_time(there[b"w"]) if b"w" in there else None


def node_record(there: Hash) -> NodeRecord:
    """A node's record."""
    span = joins.unpack_span(there[b"t"])
    change = _change(there)
    state = _state(change)
    return NodeRecord(
        node=unpack_identity(there[b"i"]),
        first_seen_us=span.first_us,
        last_seen_us=span.last_us,
        facets=_facets(there),
        last_write_us=_last_write_us(there),
        lifecycle=Lifecycle(state) if state else None,
        lifecycle_us=change.time_us if change else None,
        dropped=_is_dropped(there),
        written_hours=joins.unpack_hours(there[b"h"]).hours if b"h" in there else (),
        started_hours=joins.unpack_week(there[b"k"]) if b"k" in there else (),
    )


def facet_times(there: Hash) -> dict[str, int]:
    """When each facet of a node's record was stated last, in microseconds since 1970; taken back ones too."""
    return {name: joins.unpack_time(there[touch]) for touch in _touches(there) for name in _touched(there, touch)}


def _facets(there: Hash) -> dict[str, bytes]:
    newest: dict[str, bytes | None] = {}
    for touch in _touches(there):
        newest.update(_touched(there, touch))
    return {name: value for name, value in sorted(newest.items()) if value is not None}


def _touches(there: Hash) -> list[bytes]:
    """The oldest first."""
    touches = [name for name in there if name[0] == _TOUCH]
    if len(touches) < 2:  # noqa: PLR2004  as most nodes have, and a walk asks thousands
        return touches
    return sorted(touches, key=lambda name: (joins.unpack_time(there[name]), name))


def _touched(there: Hash, touch: bytes) -> dict[str, bytes | None]:
    return _FACETS.decode(there[b"B" + touch[1:]])


def current_of(known: Iterable[KnownMapping]) -> dict[bytes, KnownMapping]:
    """The mapping that holds for each output: what one run stated explicitly, in parts, is one."""
    found: dict[bytes, KnownMapping] = {}
    for one in known:
        if one.is_current:
            there = found.get(one.output.id)
            found[one.output.id] = (
                msgspec.structs.replace(one, mapping=together(there.mapping, one.mapping)) if there else one
            )
    return found


def lanes_in(dataset: Node, there: Hash) -> list[Lane]:
    """The lanes of a dataset's schema record, writers first."""
    content = {
        name[1:]: decode_columns(joins.unpack_stamped(v).payload) for name, v in there.items() if name[:1] == b"b"
    }
    versions: dict[bytes, list[SchemaVersion]] = {name[1:]: [] for name in there if name[:1] == b"l"}
    for name in there:
        if name[:1] == b"v":
            lane, mark = name[1 : 1 + LANE_BYTES], name[1 + LANE_BYTES :]
            versions[lane].append(_version(lane, mark, content[mark], there))
    lanes = [_lane(dataset, lane, found, there) for lane, found in versions.items()]
    return sorted(lanes, key=lambda lane: (ROLE_ORDER[lane.observer.role], lane.observer))


def _lane(dataset: Node, lane: bytes, versions: list[SchemaVersion], there: Hash) -> Lane:
    current = joins.unpack_stamped(there[b"c" + lane])
    return Lane(
        dataset=dataset,
        observer=unpack_observer(there[b"l" + lane]),
        versions=tuple(sorted(versions, key=lambda v: (v.first_seen_us, v.fingerprint))),
        current=current.payload or None,
        current_us=current.time_us,
    )


def _version(lane: bytes, mark: bytes, columns: Columns, there: Hash) -> SchemaVersion:
    first_us, hours = joins.unpack_hours(there[b"v" + lane + mark])
    run_id = joins.unpack_stamped(there[b"e" + lane + mark]).payload.decode() or None
    return SchemaVersion(mark, columns, first_us, hours, run_id)


def several_versions(there: Hash) -> Hash:
    """A mapping record without the versions of outputs that have one only; empty if all have."""
    versions = Counter(name[1 : 1 + ID_BYTES] for name in there if name[:1] == b"v")
    alone = {output for output, count in versions.items() if count == 1}
    if len(alone) == len(versions):
        return {}
    return {name: value for name, value in there.items() if name[:1] != b"v" or name[1 : 1 + ID_BYTES] not in alone}


def current_marks(output: bytes, there: Hash) -> frozenset[bytes]:
    """The newest statement for an output and, if it is explicit, the others that its run made."""
    newest = joins.unpack_stamped(there[b"c" + output])
    explicit = joins.unpack_stamped(there[b"k" + output]) if b"k" + output in there else None
    if explicit is None or explicit[:2] != newest[:2]:
        return frozenset({newest.payload})
    prefix = b"q" + output
    of_run = (n for n, v in there.items() if n.startswith(prefix) and joins.unpack_stamped(v)[2] == explicit.payload)
    return frozenset({newest.payload, *(name[len(prefix) :] for name in of_run)})


def job_history(record: NodeRecord, recent: Hash, opened: Iterable[OpenRun]) -> JobHistory:
    """A job's newest runs, and what its jobType says."""
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
        started_hours=record.started_hours,
    )


def _finished(run: joins.Recent) -> FinishedRun:
    counts = (run.inputs, run.outputs, run.mapped)
    return FinishedRun(run.run_id, run.started_us, run.ended_us, run.state, *counts, run.signature)


def open_segment(job: bytes, run: bytes, value: bytes) -> bytes:
    """Where an entry of the open runs says that its run's segment is: the id in the segment's key."""
    return job + run + joins.unpack_open(value).epoch.to_bytes(EPOCH_DIGITS // 2, "big")


def open_run(value: bytes, segment: Hash) -> OpenRun:
    """An entry of the open runs, with what is kept of the run; of one that is gone since it counts as started."""
    opened = joins.unpack_open(value)
    return OpenRun(opened.run_id, opened.started_us, b"b" in segment or b"q" in segment or not segment)


def open_run_id(value: bytes) -> str:
    """Whose entry of the open runs this is."""
    return joins.unpack_open(value).run_id


def ended_run_id(value: bytes) -> str:
    """Whose entry of a job's recent runs this is."""
    return joins.unpack_recent(value).run_id


def run_record(job: Node, there: Hash) -> RunRecord:
    """A run's record."""
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


def run_members(run: FinishedRun, there: Hash) -> RunMembers:
    """Which datasets a run's record names."""
    return RunMembers(run, *(frozenset(name[1:] for name in there if name[:1] == side) for side in (b"I", b"O", b"M")))


def _run_state(there: Hash) -> RunState:
    register = there.get(b"e") or there.get(b"q")
    return RunState(joins.unpack_stamped(register).payload.decode()) if register else RunState.OTHER


def _parent(register: bytes | None) -> tuple[Node, str] | None:
    if register is None:
        return None
    payload = joins.unpack_stamped(register).payload
    namespace, name, run_id = _read_parent(payload)
    return Node(Kind.JOB, namespace, name), run_id


def _nominal(register: bytes | None) -> tuple[int, int | None] | None:
    if register is None:
        return None
    payload = joins.unpack_stamped(register).payload
    return _read_nominal(payload)
