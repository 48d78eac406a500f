"""What the OpenAPI document says of bodies; answers are the records of `render`, as the command line prints them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar.openapi import ResponseSpec

from processor.api.intake import Dropped
from processor.index.causes import CauseKind
from processor.index.traverse import Direction
from processor.judging.verdicts import CoverageOf, Impacted, NodeRef
from processor.model.observation import EdgeType, RunState
from processor.model.tables import ColumnChangeKind

__all__ = ["Taken", "answers", "problems", "taken"]


class Problem(msgspec.Struct, kw_only=True):
    """What went wrong (RFC 9457). Which of the optional members there are follows from what it was."""

    type: str
    title: str
    status: int
    detail: str
    parameter: str | msgspec.UnsetType = msgspec.UNSET
    near: list[str] | msgspec.UnsetType = msgspec.UNSET
    candidates: list[str] | msgspec.UnsetType = msgspec.UNSET
    event: int | msgspec.UnsetType = msgspec.UNSET
    reason: str | msgspec.UnsetType = msgspec.UNSET
    pointer: str | msgspec.UnsetType = msgspec.UNSET


class Taken(msgspec.Struct):
    """Events that were taken. `dropped`: facets that broke their own record, and were left out of them."""

    accepted: int
    dropped: list[Dropped]


class ReachedNode(NodeRef, kw_only=True):
    """A node of a graph, and how many jobs lie between it and the start."""

    depth: int


class GraphEdge(msgspec.Struct, kw_only=True, rename={"source": "from", "target": "to"}):
    """An edge, along the data. `job` carries it, where that is known; `direct`: the value itself flows."""

    type: EdgeType
    source: NodeRef
    target: NodeRef
    job: NodeRef | msgspec.UnsetType = msgspec.UNSET
    direct: bool | msgspec.UnsetType = msgspec.UNSET
    evidence: list[str]
    first_seen: str
    last_seen: str


class LineageGraph(msgspec.Struct, kw_only=True):
    """What is upstream or downstream, nearest first.

    `truncated`: there is more than the limit. Up to `complete_to_depth` everything has been told; `next`: the `cursor`
    of the part that follows, if one does, and `go_on` says so in words.
    """

    start: NodeRef
    direction: Direction
    nodes: list[ReachedNode]
    edges: list[GraphEdge]
    truncated: bool
    next: str | None
    complete_to_depth: int | msgspec.UnsetType = msgspec.UNSET
    go_on: str | msgspec.UnsetType = msgspec.UNSET


class ImpactAnswer(Impacted):
    """The same. `go_on`: how to ask for what was left out."""

    go_on: str | msgspec.UnsetType = msgspec.UNSET


class CarriedColumn(msgspec.Struct, kw_only=True, rename={"source": "from", "target": "to"}):
    """A column that a job on a way carries on."""

    job: NodeRef
    source: NodeRef
    target: NodeRef
    direct: bool


class Ways(msgspec.Struct, kw_only=True, rename={"source": "from", "target": "to"}):
    """All shortest ways between two nodes, as one graph; empty when there is none."""

    source: NodeRef
    target: NodeRef
    nodes: list[ReachedNode]
    edges: list[GraphEdge]
    columns: list[CarriedColumn]
    truncated: bool
    go_on: str | msgspec.UnsetType = msgspec.UNSET


class Column(msgspec.Struct):
    """A column by its path within the schema."""

    path: str
    type: str | None


class ChangedColumn(msgspec.Struct, kw_only=True, rename={"source": "from", "target": "to"}):
    """What became of a column, and its types before and after."""

    path: str
    change: ColumnChangeKind
    source: str | None
    target: str | None


class Version(msgspec.Struct):
    """A schema that was stated, when, by which run first, and what became of the columns of the one before it."""

    fingerprint: str
    first_seen: str
    last_seen: str
    run_id: str | None
    columns: list[Column]
    changes: list[ChangedColumn]


class SchemaLane(msgspec.Struct):
    """The schemas that one observer stated. `current` is the fingerprint of the one that holds."""

    role: str
    namespace: str
    name: str
    current: str | None
    versions: list[Version]


class History(msgspec.Struct):
    """The schema of a dataset now, and its history by who stated it; writers first."""

    dataset: NodeRef
    columns: list[Column]
    schemas: list[SchemaLane]


class OpenedRun(msgspec.Struct):
    """A run that has not ended: RUNNING, or OTHER while it is not known to have started."""

    run_id: str
    state: RunState
    started: str | None


class EndedRun(msgspec.Struct):
    """A run that ended, and how many datasets it read and wrote."""

    run_id: str
    state: RunState
    started: str | None
    ended: str
    inputs: int
    outputs: int


class Runs(msgspec.Struct):
    """The newest runs of a job; those that ended by their end, the newest first."""

    job: NodeRef
    open_runs: list[OpenedRun]
    runs: list[EndedRun]


class Described(NodeRef, kw_only=True):
    """All that is known of a node; which members there are follows from its kind."""

    first_seen: str | msgspec.UnsetType = msgspec.UNSET
    last_seen: str | msgspec.UnsetType = msgspec.UNSET
    last_write: str | msgspec.UnsetType = msgspec.UNSET
    lifecycle: str | msgspec.UnsetType = msgspec.UNSET
    dropped: bool | msgspec.UnsetType = msgspec.UNSET
    facets: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    columns: list[Column] | msgspec.UnsetType = msgspec.UNSET
    written_by: list[NodeRef] | msgspec.UnsetType = msgspec.UNSET
    read_by: list[NodeRef] | msgspec.UnsetType = msgspec.UNSET
    aliases: list[NodeRef] | msgspec.UnsetType = msgspec.UNSET
    schemas: list[SchemaLane] | msgspec.UnsetType = msgspec.UNSET
    inputs: list[NodeRef] | msgspec.UnsetType = msgspec.UNSET
    outputs: list[NodeRef] | msgspec.UnsetType = msgspec.UNSET
    parents: list[NodeRef] | msgspec.UnsetType = msgspec.UNSET
    children: list[NodeRef] | msgspec.UnsetType = msgspec.UNSET
    open_runs: list[OpenedRun] | msgspec.UnsetType = msgspec.UNSET
    runs: list[EndedRun] | msgspec.UnsetType = msgspec.UNSET
    type: str | msgspec.UnsetType | None = msgspec.UNSET
    description: str | msgspec.UnsetType = msgspec.UNSET
    is_current: bool | msgspec.UnsetType = msgspec.UNSET
    derives_from: list[GraphEdge] | msgspec.UnsetType = msgspec.UNSET
    derived_by: list[GraphEdge] | msgspec.UnsetType = msgspec.UNSET


class PossibleCause(msgspec.Struct, kw_only=True):
    """Something that may be the cause. `path` leads from it to the subject; `distance` counts the jobs on that.

    `over`: it no longer holds. `follows`: it may itself follow from something earlier and farther upstream.
    """

    kind: CauseKind
    node: NodeRef
    at: str
    distance: int
    score: float
    summary: str
    over: bool
    follows: bool
    path: list[NodeRef]
    job: NodeRef | msgspec.UnsetType = msgspec.UNSET
    run_id: str | msgspec.UnsetType = msgspec.UNSET
    changes: list[ChangedColumn] | msgspec.UnsetType = msgspec.UNSET
    alert_id: str | msgspec.UnsetType = msgspec.UNSET


class Caused(msgspec.Struct):
    """What happened upstream between two times, the likeliest cause first; `total` counts what was left out, too."""

    subject: NodeRef
    since: str
    until: str
    causes: list[PossibleCause]
    total: int
    truncated: bool
    go_on: str | msgspec.UnsetType = msgspec.UNSET


class SeenNode(NodeRef, kw_only=True):
    """A node, and when it was first seen."""

    first_seen: str


class Observing(msgspec.Struct):
    """Who states a schema: a job in a role, or a producer."""

    role: str
    namespace: str
    name: str


class RestatedColumn(msgspec.Struct):
    """What became of a column, and its types before and after."""

    path: str
    change: ColumnChangeKind
    from_type: str | None
    to_type: str | None


class RestatedSchema(msgspec.Struct):
    """What an observer states otherwise of a dataset. `since`: when it first stated what it states at the end."""

    dataset: NodeRef
    observer: Observing
    changes: list[RestatedColumn]
    since: str
    run_id: str | None


class DifferenceAnswer(msgspec.Struct, kw_only=True, rename={"since": "from", "until": "to"}):
    """What became different between two times, `total` things in all.

    `truncated`: there is more than the limit; `next`: the `cursor` of the part that follows.
    """

    since: str
    until: str
    nodes_came: list[SeenNode]
    nodes_went: list[SeenNode]
    edges_came: list[GraphEdge]
    edges_ended: list[GraphEdge]
    schemas_changed: list[RestatedSchema]
    total: int
    truncated: bool
    next: str | None


class CoverageAnswer(msgspec.Struct):
    """How complete the lineage was when it was measured; `namespaces` are the worst of `total`."""

    measured_at: str
    coverage: CoverageOf
    namespaces: list[CoverageOf]
    total: int


class NodePage(msgspec.Struct):
    """Nodes, `total` in all. `next`: the `cursor` of the page that follows, if one does."""

    nodes: list[NodeRef]
    total: int
    next: str | None


class SearchPage(msgspec.Struct):
    """What was found, `total` in all. `next`: the `offset` of the page that follows; `near`: alike, if none fits."""

    nodes: list[NodeRef]
    total: int
    next: str | None
    near: list[str]


class AlertPage(msgspec.Struct):
    """Alerts as `schemas/lineage_alert.avsc` says, `total` in all; `next` as with nodes."""

    alerts: list[dict[str, Any]]
    total: int
    next: str | None


class Namespace(msgspec.Struct):
    """A namespace, and how many datasets and jobs it has."""

    name: str
    datasets: int
    jobs: int


class NamespaceList(msgspec.Struct):
    """Every namespace, by name."""

    namespaces: list[Namespace]


_ALWAYS: Final = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


def problems(*statuses: HTTPStatus) -> dict[int, ResponseSpec]:
    """The problems that a route may answer with, beside those that each may."""
    media_type = "application/problem+json"
    return {
        int(status): ResponseSpec(Problem, media_type=media_type, description=status.phrase, generate_examples=False)
        for status in (*statuses, *_ALWAYS)
    }


def answers(form: Any, *statuses: HTTPStatus) -> dict[int, ResponseSpec]:  # noqa: ANN401  any type of msgspec
    """The answer, that it has not changed, and the problems that there may be instead."""
    good = {200: ResponseSpec(form, description="OK", generate_examples=False)}
    same = {304: ResponseSpec(None, description="Not Modified", generate_examples=False)}
    return {**good, **same, **problems(HTTPStatus.BAD_REQUEST, HTTPStatus.GATEWAY_TIMEOUT, *statuses)}


def judged(form: Any) -> dict[int, ResponseSpec]:  # noqa: ANN401  as above
    """The answer to a question that comes as a body."""
    of_body = HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    return answers(form, HTTPStatus.NOT_FOUND, *of_body)


def taken() -> dict[int, ResponseSpec]:
    """How events are answered."""
    refused = problems(
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    )
    return {201: ResponseSpec(Taken, description="Kafka has confirmed them", generate_examples=False), **refused}
