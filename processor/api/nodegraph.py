"""`/api/graph`: lineage as Grafana's Node Graph panel draws it.

Routes and forms are those of the data source hamedkarbasi93-nodegraphapi-datasource: `fields` says what there is of
nodes and edges, `data` gives them, `health` is what "Save & test" asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from litestar import Response, get
from litestar.params import QueryParameter

from processor.api.answers import AnyRequest, answer, asked
from processor.api.asker import Index
from processor.api.forms import answers
from processor.api.params import AtTime, Depth, given_node, given_time
from processor.api.parts import TheApi
from processor.index.columns import column_lineage
from processor.index.graph import Graph, Reached
from processor.index.traverse import Direction, lineage
from processor.model.alert import Severity
from processor.model.history import KnownEdge
from processor.model.identity import Kind, Node

__all__ = ["ROUTES", "Drawing", "Fields"]

_TAGS: Final = ["grafana"]
_COLORS: Final = {"critical": "red", "warning": "orange", "info": "blue", "calm": "green"}


class Way(StrEnum):
    """Which way to go from the node."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


class Field(msgspec.Struct, omit_defaults=True):
    """A field of nodes or edges. `color`: of the part of a node's circle that it is."""

    field_name: str
    type: str
    displayName: str = ""  # noqa: N815  the data source's name for it
    color: str = ""


class Fields(msgspec.Struct):
    """What there is of nodes and edges."""

    nodes_fields: list[Field]
    edges_fields: list[Field]


class DrawnNode(msgspec.Struct):
    """A node. Exactly one of the parts of its circle is 1: that of the gravest alert that fires about it."""

    id: str
    title: str
    subTitle: str  # noqa: N815  as above
    mainStat: str  # noqa: N815  as above
    secondaryStat: str  # noqa: N815  as above
    arc__critical: float
    arc__warning: float
    arc__info: float
    arc__calm: float
    detail__node: str


class DrawnEdge(msgspec.Struct, frozen=True):
    """An edge, along the data."""

    id: str
    source: str
    target: str
    mainStat: str  # noqa: N815  as above
    secondaryStat: str  # noqa: N815  as above


class Drawing(msgspec.Struct):
    """A graph. `truncated`: there is more than the limit."""

    nodes: list[DrawnNode]
    edges: list[DrawnEdge]
    truncated: bool = False


class Lives(msgspec.Struct):
    """That the API answers."""

    status: str


_FIELDS: Final = Fields(
    nodes_fields=[
        Field("id", "string"),
        Field("title", "string", "Name"),
        Field("subTitle", "string", "Namespace"),
        Field("mainStat", "string", "Kind"),
        Field("secondaryStat", "string", "Alerts"),
        *(Field(f"arc__{name}", "number", name.capitalize(), color) for name, color in _COLORS.items()),
        Field("detail__node", "string", "Node"),
    ],
    edges_fields=[
        Field("id", "string"),
        Field("source", "string"),
        Field("target", "string"),
        Field("mainStat", "string", "Type"),
        Field("secondaryStat", "string", "Job"),
    ],
)


@get("/api/health", responses=answers(Lives), tags=_TAGS)
async def get_health(request: AnyRequest) -> Response[bytes]:
    """Tell that the API answers; it asks neither Redis nor Kafka."""
    return answer(request, Lives("ok"))


@get("/api/graph/fields", responses=answers(Fields), tags=_TAGS)
async def get_fields(request: AnyRequest) -> Response[bytes]:
    """Tell what there is of the nodes and edges of a drawing."""
    return answer(request, _FIELDS)


@get("/api/graph/data", responses=answers(Drawing, HTTPStatus.NOT_FOUND), tags=_TAGS)
async def get_data(  # noqa: PLR0913, PLR0917  a question has as many parameters
    request: AnyRequest,
    api: TheApi,
    name: Annotated[str, QueryParameter(name="node", description="A NODE; an empty drawing without it")] = "",
    direction: Annotated[Way, QueryParameter(description="`up`, `down` or `both`")] = Way.BOTH,
    depth: Depth = 3,
    limit: Annotated[int, QueryParameter(ge=1, le=2_000, description="Most nodes each way")] = 300,
    at: AtTime = None,
) -> Response[bytes]:
    """Draw what is up and down of a dataset, a job or a column."""
    at_us = given_time(at)
    if not name:
        return answer(request, Drawing([], []))
    wanted = given_node(name)
    ways = [Direction(direction.value)] if direction is not Way.BOTH else list(Direction)

    def question(index: Index) -> Drawing:
        view = index.at(at_us)
        start = index.resolve(wanted, view)
        walk = column_lineage if start.kind is Kind.COLUMN else lineage
        return _drawing([walk(view, start, way, depth=depth, limit=limit) for way in ways], _firing(index))

    return await asked(request, api.asker, question)


def _firing(index: Index) -> Mapping[Node, list[Severity]]:
    """How grave what fires about each dataset or job is."""
    found: dict[Node, list[Severity]] = {}
    for alert in index.alerts.firing().values():
        found.setdefault(alert.finding.subject.dataset, []).append(alert.finding.severity)
    return found


def _drawing(graphs: list[Graph], firing: Mapping[Node, list[Severity]]) -> Drawing:
    nodes = {each.node: each for graph in graphs for each in graph.nodes}
    edges = dict.fromkeys((_drawn_edge(e), e.src, e.dst) for g in graphs for e in g.edges)
    return Drawing(
        [_drawn_node(each, firing.get(each.node.dataset, [])) for each in nodes.values()],
        [edge for edge, src, dst in edges if src in nodes and dst in nodes],
        any(graph.truncated for graph in graphs),
    )


def _drawn_node(reached: Reached, firing: list[Severity]) -> DrawnNode:
    node = reached.node
    gravest = min(firing, key=list(Severity).index).value if firing else "calm"
    arcs = {f"arc__{name}": float(name == gravest) for name in _COLORS}
    return DrawnNode(
        id=node.id.hex(),
        title=node.name if node.field is None else f"{node.name}.{node.field}",
        subTitle=node.namespace,
        mainStat=node.kind.value,
        secondaryStat=f"{len(firing)} firing" if firing else "",
        detail__node=str(node),
        **arcs,
    )


def _drawn_edge(edge: KnownEdge) -> DrawnEdge:
    job = edge.job.name if edge.job is not None else ""
    ends = edge.src.id.hex(), edge.dst.id.hex()
    return DrawnEdge("-".join((*ends, edge.type.value, job)), *ends, edge.type.value, job)


ROUTES: Final = (get_health, get_fields, get_data)
