"""Marquez's routes. Source: Marquez 0.51, its API and what its web UI calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter, QueryParameter

from processor.api.answers import AnyRequest
from processor.api.asker import Index
from processor.api.marquez import graph, things
from processor.api.marquez.ids import asked_node, node_id
from processor.api.marquez.known import known, not_found, records, run_form, runs_of
from processor.api.marquez.strict import answer
from processor.api.params import given_name
from processor.api.parts import TheApi
from processor.api.problems import bad_parameter
from processor.index.search import Query
from processor.model.history import NodeRecord
from processor.model.identity import Kind, Node, canonical_namespace, dataset, job
from processor.render.records import Record
from processor.render.times import rfc3339

__all__ = ["ROUTES"]

_Limit = Annotated[int, QueryParameter(ge=0, le=1000)]
_Offset = Annotated[int, QueryParameter(ge=0, le=10_000_000)]
_Depth = Annotated[int, QueryParameter(ge=0, le=100)]
_NodeId = Annotated[str, QueryParameter(name="nodeId", min_length=1, max_length=8192)]
_Part = Annotated[str, PathParameter()]
_SEARCHED: Final = {"DATASET": Kind.DATASET, "JOB": Kind.JOB}
_BASE: Final = "/api/v1"
_IN_NAMESPACE: Final = f"{_BASE}/namespaces/{{namespace:str}}"
_PAGE: Final = 500


def _get(path: str) -> Callable[[Any], HTTPRouteHandler]:
    """A question of Marquez's clients; the OpenAPI document is of our own."""
    return get(path, include_in_schema=False)


# Graphs


@_get(f"{_BASE}/lineage")
async def lineage(request: AnyRequest, api: TheApi, node: _NodeId, depth: _Depth = 20) -> Response[bytes]:
    """What is around a node."""
    wanted, _ = asked_node(node)

    def question(index: Index) -> Record:
        start = index.resolve(wanted, parameter="nodeId").dataset
        return graph.graph(index.view, start, depth)

    return answer(request, await api.asker.ask(question))


@_get(f"{_BASE}/column-lineage")
async def column_lineage(
    request: AnyRequest,
    api: TheApi,
    node: _NodeId,
    depth: _Depth = 20,
    downstream: Annotated[bool, QueryParameter(name="withDownstream")] = False,  # noqa: FBT002  as a query says it
) -> Response[bytes]:
    """What columns derive from."""
    wanted, is_version = asked_node(node)
    if is_version and downstream:
        raise bad_parameter("nodeId", "a version has no downstream")

    def question(index: Index) -> Record:
        of = index.resolve(wanted, parameter="nodeId")
        return graph.columns(index.view, of, max(1, depth), with_downstream=downstream)

    return answer(request, await api.asker.ask(question))


# Namespaces and sources


@_get(f"{_BASE}/namespaces")
async def namespaces(request: AnyRequest, api: TheApi, limit: _Limit = 100, offset: _Offset = 0) -> Response[bytes]:
    """All of them."""

    def question(index: Index) -> Record:
        since = index.catalog().namespaces(breathe=index.view.breathe)
        return {"namespaces": [things.namespace(name, since[name]) for name in list(since)[offset : offset + limit]]}

    return answer(request, await api.asker.ask(question))


@_get(_IN_NAMESPACE)
async def namespace(request: AnyRequest, api: TheApi, namespace: _Part) -> Response[bytes]:
    """One of them."""
    name = canonical_namespace(given_name(namespace))

    def question(index: Index) -> Record:
        since = index.catalog().namespaces(breathe=index.view.breathe)
        if name not in since:
            raise not_found("Namespace", name)
        return things.namespace(name, since[name])

    return answer(request, await api.asker.ask(question))


@_get(f"{_BASE}/sources")
async def sources(request: AnyRequest, api: TheApi, limit: _Limit = 100, offset: _Offset = 0) -> Response[bytes]:
    """Where datasets are: their namespaces."""

    def question(index: Index) -> Record:
        found = index.catalog().namespaces(Kind.DATASET, index.view.breathe)
        part = list(found)[offset : offset + limit]
        return {"sources": [things.source(name, found[name]) for name in part], "totalCount": len(found)}

    return answer(request, await api.asker.ask(question))


@_get(f"{_BASE}/sources/{{namespace:str}}")
async def source(request: AnyRequest, api: TheApi, namespace: _Part) -> Response[bytes]:
    """One of them."""
    name = canonical_namespace(given_name(namespace))

    def question(index: Index) -> Record:
        found = index.catalog().namespaces(Kind.DATASET, index.view.breathe)
        if name not in found:
            raise not_found("Source", name)
        return things.source(name, found[name])

    return answer(request, await api.asker.ask(question))


# Datasets


@_get(f"{_IN_NAMESPACE}/datasets")
async def datasets(
    request: AnyRequest, api: TheApi, namespace: _Part, limit: _Limit = 100, offset: _Offset = 0
) -> Response[bytes]:
    """Those of a namespace."""
    within = canonical_namespace(given_name(namespace))

    def question(index: Index) -> Record:
        found = index.catalog().of(Kind.DATASET, within)
        part = records(index, found[offset : offset + limit])
        return {"datasets": things.datasets(index.view, part), "totalCount": len(found)}

    return answer(request, await api.asker.ask(question))


@_get(f"{_IN_NAMESPACE}/datasets/{{name:str}}")
async def one_dataset(request: AnyRequest, api: TheApi, namespace: _Part, name: _Part) -> Response[bytes]:
    """One dataset."""
    wanted = dataset(given_name(namespace), given_name(name))
    return answer(request, await api.asker.ask(lambda i: things.datasets(i.view, [known(i, wanted)])[0]))


@_get(f"{_IN_NAMESPACE}/datasets/{{name:str}}/versions")
async def dataset_versions(
    request: AnyRequest, api: TheApi, namespace: _Part, name: _Part, limit: _Limit = 100, offset: _Offset = 0
) -> Response[bytes]:
    """The schemas that a dataset had."""
    wanted = dataset(given_name(namespace), given_name(name))

    def question(index: Index) -> Record:
        found = _versions(index, wanted)
        return {"versions": found[offset : offset + limit], "totalCount": len(found)}

    return answer(request, await api.asker.ask(question))


@_get(f"{_IN_NAMESPACE}/datasets/{{name:str}}/versions/{{version:str}}")
async def dataset_version(
    request: AnyRequest, api: TheApi, namespace: _Part, name: _Part, version: _Part
) -> Response[bytes]:
    """One of them."""
    wanted, number = dataset(given_name(namespace), given_name(name)), given_name(version)

    def question(index: Index) -> Record:
        there = next((each for each in _versions(index, wanted) if each["version"] == number), None)
        if there is None:
            raise not_found("Dataset version", number)
        return there

    return answer(request, await api.asker.ask(question))


# Jobs and runs


@_get(f"{_BASE}/jobs")
async def all_jobs(
    request: AnyRequest,
    api: TheApi,
    limit: _Limit = 100,
    offset: _Offset = 0,
    states: Annotated[list[str] | None, QueryParameter(name="lastRunStates")] = None,
) -> Response[bytes]:
    """All jobs."""
    return answer(request, await api.asker.ask(lambda i: _jobs(i, None, states, limit, offset)))


@_get(f"{_IN_NAMESPACE}/jobs")
async def jobs(
    request: AnyRequest,
    api: TheApi,
    namespace: _Part,
    limit: _Limit = 100,
    offset: _Offset = 0,
    states: Annotated[list[str] | None, QueryParameter(name="lastRunStates")] = None,
) -> Response[bytes]:
    """Those of a namespace."""
    within = canonical_namespace(given_name(namespace))
    return answer(request, await api.asker.ask(lambda i: _jobs(i, within, states, limit, offset)))


@_get(f"{_IN_NAMESPACE}/jobs/{{name:str}}")
async def one_job(request: AnyRequest, api: TheApi, namespace: _Part, name: _Part) -> Response[bytes]:
    """One job."""
    wanted = job(given_name(namespace), given_name(name))
    return answer(request, await api.asker.ask(lambda i: things.jobs(i.view, [known(i, wanted)])[0]))


@_get(f"{_IN_NAMESPACE}/jobs/{{name:str}}/runs")
async def job_runs(
    request: AnyRequest, api: TheApi, namespace: _Part, name: _Part, limit: _Limit = 100, offset: _Offset = 0
) -> Response[bytes]:
    """The newest runs of a job."""
    wanted = job(given_name(namespace), given_name(name))

    def question(index: Index) -> Record:
        history = index.view.jobs([known(index, wanted).node.id])[wanted.id]
        found = runs_of(history)
        return {"runs": found[offset : offset + limit], "totalCount": len(found)}

    return answer(request, await api.asker.ask(question))


@_get(f"{_BASE}/jobs/runs/{{run_id:str}}")
async def one_run(request: AnyRequest, api: TheApi, run_id: _Part) -> Response[bytes]:
    """A run by its id alone: every job is asked for it."""
    wanted = given_name(run_id)
    return answer(request, await api.asker.ask(lambda i: run_form(i, wanted)))


@_get(f"{_BASE}/jobs/runs/{{run_id:str}}/facets")
async def run_facets(request: AnyRequest, api: TheApi, run_id: _Part) -> Response[bytes]:
    """What is kept of a run's facets."""
    wanted = given_name(run_id)

    def question(index: Index) -> Record:
        return {"runId": wanted, "facets": run_form(index, wanted)["facets"]}

    return answer(request, await api.asker.ask(question))


# Search, and what the index does not keep


@_get(f"{_BASE}/search")
async def search(
    request: AnyRequest,
    api: TheApi,
    q: Annotated[str, QueryParameter(min_length=1, max_length=500)],
    only: Annotated[Literal["DATASET", "JOB"] | None, QueryParameter(name="filter")] = None,
    namespace: Annotated[str | None, QueryParameter()] = None,
    limit: _Limit = 10,
) -> Response[bytes]:
    """Datasets and jobs by any part of their name."""

    def question(index: Index) -> Record:
        wanted = Query(q, None if only is None else _SEARCHED[only], namespace)
        found = index.catalog().search(wanted, limit, 0, index.view.breathe)
        return {"totalCount": found.total, "results": [_result(r) for r in records(index, found.nodes)]}

    return answer(request, await api.asker.ask(question))


@_get(f"{_BASE}/tags")
async def tags(request: AnyRequest, api: TheApi, limit: _Limit = 1000, offset: _Offset = 0) -> Response[bytes]:
    """Those that stand on something."""

    def question(index: Index) -> Record:
        found = index.catalog().tags(index.view.breathe)
        return {"tags": [things.tag(name) for name in found[offset : offset + limit]]}

    return answer(request, await api.asker.ask(question))


@get([f"{_BASE}/events/lineage", f"{_BASE}/events", f"{_BASE}/events/{{namespace:str}}"], include_in_schema=False)
async def events(request: AnyRequest) -> Response[bytes]:
    """Raw events are on their topic; the index does not keep them."""
    return answer(request, {"events": [], "totalCount": 0})


def _jobs(index: Index, namespace: str | None, states: list[str] | None, limit: int, offset: int) -> Record:
    found = index.catalog().of(Kind.JOB, namespace)
    if states:
        found = [node for node in found if node.id in _in_state(index, found, frozenset(states))]
    forms = things.jobs(index.view, records(index, found[offset : offset + limit]))
    return {"jobs": forms, "totalCount": len(found)}


def _in_state(index: Index, nodes: Sequence[Node], states: frozenset[str]) -> set[bytes]:
    """Those of the jobs whose newest run is in one of these states."""
    wanted = set[bytes]()
    for start in range(0, len(nodes), _PAGE):
        histories = index.view.jobs([node.id for node in nodes[start : start + _PAGE]])
        wanted |= {i for i, history in histories.items() if any(r["state"] in states for r in runs_of(history)[:1])}
    return wanted


def _versions(index: Index, wanted: Node) -> list[Record]:
    record = known(index, wanted)
    form = things.datasets(index.view, [record])[0]
    return things.versions(record, form, index.view.lanes(wanted))


def _result(record: NodeRecord) -> Record:
    node, kind = record.node, record.node.kind.value.upper()
    own = {**things.short_id(node), "nodeId": node_id(node), "type": kind}
    return {**own, "updatedAt": rfc3339(record.last_seen_us)}


ROUTES: Final = (
    *(lineage, column_lineage, namespaces, namespace, sources, source),
    *(datasets, one_dataset, dataset_versions, dataset_version),
    *(all_jobs, jobs, one_job, job_runs, one_run, run_facets),
    *(search, tags, events),
)
