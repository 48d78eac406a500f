"""`/api/v2/nodes/…`: what is known of a node, and what is up and down of it."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Final, Literal, NamedTuple

from litestar import Response, get
from litestar.params import QueryParameter

from processor.api.answers import AnyRequest, asked
from processor.api.asker import Index
from processor.api.forms import Described, History, ImpactAnswer, LineageGraph, Runs, Ways, answers
from processor.api.params import AtTime, Cursor, Depth, GraphLimit, NodeInPath, given_node, given_time, node_in_path
from processor.api.parts import TheApi
from processor.api.problems import ProblemError, bad_parameter
from processor.api.walks import next_part
from processor.index.columns import column_lineage
from processor.index.impact import impact
from processor.index.paths import paths
from processor.index.resolve import fields_of, identities
from processor.index.traverse import Direction, Only, lineage, look_around
from processor.index.view import current_columns
from processor.judging.proposal import mentioned
from processor.model.alert import Impact
from processor.model.fields import impact_fields
from processor.model.identity import Kind, Node, canonical_namespace
from processor.model.text import visible
from processor.model.wording import nearest
from processor.render.describe import describe, finished_run, opened_run
from processor.render.records import Record, evidence_named, lane, node
from processor.render.walked import graph_document, paths_document

__all__ = ["ROUTES"]

_MOST_LISTED: Final = 10_000
_Columns = Annotated[bool, QueryParameter(description="Walk the dataset's columns instead of the dataset")]
_Namespaces = Annotated[list[str] | None, QueryParameter(description="Only datasets of these namespaces")]
_Jobs = Annotated[list[str] | None, QueryParameter(description="Only what these jobs, each a NODE, carry")]
_Evidence = Annotated[
    list[Literal["explicit", "column", "inputs_outputs", "declared"]] | None,
    QueryParameter(description="Only edges that are known so"),
]
_Direct = Annotated[bool, QueryParameter(description="Of columns, only where the value itself flows")]


class _Filters(NamedTuple):
    """What a walk keeps to, as it was asked for."""

    namespaces: Sequence[str] | None
    jobs: Sequence[str] | None
    evidence: Sequence[str] | None
    direct: bool

    def resolved(self, index: Index) -> Only:
        """The same, its jobs found."""
        return Only(
            frozenset(map(canonical_namespace, self.namespaces or ())),
            frozenset(index.resolve(job, parameter="job").id for job in self.jobs or ()),
            evidence_named(self.evidence or ()),
            self.direct,
        )


def _filters(
    namespaces: Sequence[str] | None, jobs: Sequence[str] | None, evidence: Sequence[str] | None, *, direct: bool
) -> _Filters:
    for job in jobs or ():
        given_node(job, "job")
    return _Filters(namespaces, jobs, evidence, direct)


_TAGS: Final = ["nodes"]
_NODE: Final = "/api/v2/nodes/{name:str}"


@get(_NODE, responses=answers(Described, HTTPStatus.NOT_FOUND), tags=_TAGS)
async def get_node(request: AnyRequest, api: TheApi, name: NodeInPath, at: AtTime = None) -> Response[bytes]:
    """Tell what is known of a dataset, a job or a column."""
    wanted, at_us = node_in_path(name), given_time(at)

    def question(index: Index) -> Record:
        view = index.at(at_us)
        return describe(view, index.resolve(wanted, view))

    return await asked(request, api.asker, question)


@get(f"{_NODE}/upstream", responses=answers(LineageGraph, HTTPStatus.NOT_FOUND), tags=_TAGS)
async def get_upstream(  # noqa: PLR0913, PLR0917  a question has as many parameters
    request: AnyRequest,
    api: TheApi,
    name: NodeInPath,
    depth: Depth = 20,
    limit: GraphLimit = 1000,
    cursor: Cursor = None,
    columns: _Columns = False,  # noqa: FBT002  as a query says it
    namespace: _Namespaces = None,
    job: _Jobs = None,
    evidence: _Evidence = None,
    direct: _Direct = False,  # noqa: FBT002  as above
    at: AtTime = None,
) -> Response[bytes]:
    """Tell where something comes from."""
    wanted, at_us = node_in_path(name), given_time(at)
    filters = _filters(namespace, job, evidence, direct=direct)
    walk = _Asked(wanted, Direction.UP, depth, filters, by_column=columns, at=at, at_us=at_us)
    return await asked(request, api.asker, lambda i: _walked(i, walk, limit, cursor))


@get(f"{_NODE}/downstream", responses=answers(LineageGraph, HTTPStatus.NOT_FOUND), tags=_TAGS)
async def get_downstream(  # noqa: PLR0913, PLR0917  as above
    request: AnyRequest,
    api: TheApi,
    name: NodeInPath,
    depth: Depth = 20,
    limit: GraphLimit = 1000,
    cursor: Cursor = None,
    columns: _Columns = False,  # noqa: FBT002  as above
    namespace: _Namespaces = None,
    job: _Jobs = None,
    evidence: _Evidence = None,
    direct: _Direct = False,  # noqa: FBT002  as above
    at: AtTime = None,
) -> Response[bytes]:
    """Tell what depends on something."""
    wanted, at_us = node_in_path(name), given_time(at)
    filters = _filters(namespace, job, evidence, direct=direct)
    walk = _Asked(wanted, Direction.DOWN, depth, filters, by_column=columns, at=at, at_us=at_us)
    return await asked(request, api.asker, lambda i: _walked(i, walk, limit, cursor))


@get(f"{_NODE}/impact", responses=answers(ImpactAnswer, HTTPStatus.NOT_FOUND), tags=_TAGS)
async def get_impact(
    request: AnyRequest,
    api: TheApi,
    name: NodeInPath,
    columns: Annotated[list[str] | None, QueryParameter(description="Those that change; all without it")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=_MOST_LISTED, description="Most nodes of each kind")] = 1000,
) -> Response[bytes]:
    """Tell what a change of a dataset's columns breaks downstream, and who owns that."""
    wanted = node_in_path(name)

    def question(index: Index) -> Record:
        of = index.resolve(wanted)
        if of.kind is Kind.JOB:
            raise bad_parameter("node", "a job has no columns; name a dataset or a column")
        named = [of.field] if of.field is not None else columns
        _check_columns(index, of.dataset, columns or ())
        met = impact(index.view, of.dataset, named, limit=limit)
        return {**impact_fields(met), **({"go_on": _all_of_it(met)} if met.truncated else {})}

    return await asked(request, api.asker, question)


@get(f"{_NODE}/schemas", responses=answers(History, HTTPStatus.NOT_FOUND), tags=_TAGS)
async def get_schemas(request: AnyRequest, api: TheApi, name: NodeInPath) -> Response[bytes]:
    """Tell the schema history of a dataset: who stated which, and when."""
    wanted = node_in_path(name)

    def question(index: Index) -> Record:
        of = _of_kind(index, wanted, Kind.DATASET)
        lanes = index.view.lanes(of)
        columns = [{"path": column.path, "type": column.type} for column in current_columns(lanes)]
        return {"dataset": node(of), "columns": columns, "schemas": [lane(each) for each in lanes]}

    return await asked(request, api.asker, question)


@get(f"{_NODE}/runs", responses=answers(Runs, HTTPStatus.NOT_FOUND), tags=_TAGS)
async def get_runs(request: AnyRequest, api: TheApi, name: NodeInPath) -> Response[bytes]:
    """Tell the newest runs of a job."""
    wanted = node_in_path(name)

    def question(index: Index) -> Record:
        of = _of_kind(index, wanted, Kind.JOB)
        history = index.view.jobs([of.id])[of.id]
        opened = [opened_run(run) for run in history.open]
        return {"job": node(of), "open_runs": opened, "runs": [finished_run(run) for run in history.finished]}

    return await asked(request, api.asker, question)


@get("/api/v2/paths", responses=answers(Ways, HTTPStatus.NOT_FOUND), tags=_TAGS)
async def get_paths(
    request: AnyRequest,
    api: TheApi,
    start: Annotated[str, QueryParameter(name="from", description="A NODE: where the data comes from")],
    goal: Annotated[str, QueryParameter(name="to", description="A NODE: where it arrives")],
    depth: Depth = 20,
    at: AtTime = None,
) -> Response[bytes]:
    """Tell the shortest ways from one node to another, and the columns that carry the data."""
    at_us, wanted = given_time(at), (given_node(start, "from"), given_node(goal, "to"))

    def question(index: Index) -> Record:
        view = index.at(at_us)
        ends = index.resolve(wanted[0], view, parameter="from"), index.resolve(wanted[1], view, parameter="to")
        ways = paths(view, *ends, depth=depth)
        more = {"go_on": f"there may be more ways: ask with a depth below {depth}"} if ways.graph.truncated else {}
        return {**paths_document(*ends, ways), **more}

    return await asked(request, api.asker, question)


class _Asked(NamedTuple):
    """A walk that is asked for."""

    node: str
    way: Direction
    depth: int
    filters: _Filters
    by_column: bool
    at: str | None
    at_us: int | None

    def document(self) -> list[object]:
        """What tells it from other walks; an age is the same though time goes by."""
        return [self.way, self.depth, self.filters, self.by_column, self.at]


def _walked(index: Index, question: _Asked, limit: int, cursor: str | None) -> Record:
    view = index.at(question.at_us).walking()
    if not question.by_column and not any(question.filters):
        meant = [each for each in identities(question.node) if each.kind is not Kind.COLUMN]
        look_around(view, meant, question.way, depth=question.depth, limit=limit)
    start = index.resolve(question.node, view)
    if question.by_column and start.kind is Kind.JOB:
        raise bad_parameter("columns", "a job has none; ask for a dataset or a column")
    walk = column_lineage if question.by_column or start.kind is Kind.COLUMN else lineage
    only = question.filters.resolved(index)
    part = next_part(
        lambda most: walk(view, start, question.way, depth=question.depth, limit=most, only=only),
        limit,
        cursor,
        [start, *question.document()],
    )
    document = {**graph_document(start, part.graph, question.way), "next": part.next}
    if part.complete_to_depth is not None:
        document["complete_to_depth"] = part.complete_to_depth
        document["go_on"] = _go_on(part.next, part.complete_to_depth)
    return document


def _all_of_it(met: Impact) -> str:
    if met.total <= _MOST_LISTED:
        return f"{met.total} are met: ask again with limit={met.total}"
    return f"{met.total} are met: name fewer columns, or ask for the impact of those that are met first"


def _go_on(cursor: str | None, depth: int) -> str:
    if cursor is not None:
        return "there is more: ask the same with `next` as the `cursor`"
    return f"there is more than one question tells: ask for the nodes of depth {depth + 1} by themselves, or filter"


def _check_columns(index: Index, of: Node, columns: Sequence[str]) -> None:
    known = fields_of(index.view, of) if columns else frozenset()
    unknown = next((name for name in columns if name not in known), None)
    if unknown is not None:
        near = [str(of.column(name)) for name in nearest(unknown, sorted(known))]
        told = f"{visible(of.name)} has no column {visible(unknown)}"
        there = f"; it has {mentioned(sorted(known))}" if known else "; none of it is known"
        also = {"parameter": "columns", "near": near}
        raise ProblemError(HTTPStatus.NOT_FOUND, f"columns: {told}{'' if near else there}", also)


def _of_kind(index: Index, wanted: str, kind: Kind) -> Node:
    found = index.resolve(wanted)
    if found.dataset.kind is not kind:
        raise bad_parameter("node", f"it is a {found.kind.value}; name a {kind.value}")
    return found.dataset


ROUTES: Final = (get_node, get_upstream, get_downstream, get_impact, get_schemas, get_runs, get_paths)
