"""`/lineage` and `/column-lineage`: graphs as Marquez draws them.

Rules kept here:
- datasets and jobs are walked in both directions, for `depth` jobs from the start; what is dropped is walked around;
- edges follow the data; of columns, each edge begins at the node that lists it, as Marquez's UI expects it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter, itemgetter
from typing import Final, TypeVar

from processor.api.marquez import things
from processor.api.marquez.ids import field_id, node_id
from processor.index.columns import column_lineage
from processor.index.traverse import Direction
from processor.index.view import Link, View
from processor.model.history import KnownEdge, NodeRecord
from processor.model.identity import Kind, Node
from processor.model.observation import EdgeType
from processor.render.records import Record

__all__ = ["columns", "graph"]

LIMIT: Final = 2_000
_FLOWS: Final = (EdgeType.READS, EdgeType.WRITES)
_Ends = tuple[bytes, bytes]
_T = TypeVar("_T")
_K = TypeVar("_K")


def graph(view: View, start: Node, depth: int) -> Record:
    """Everything around a dataset or a job."""
    records, edges = _walked(view, start, depth)
    ids = {i: node_id(record.node) for i, record in records.items()}
    forms = _forms(view, list(records.values()))
    into, out = _grouped(sorted(edges), itemgetter(1)), _grouped(sorted(edges), itemgetter(0))
    nodes = [_graph_node(record, forms[i], ids, (into.get(i, ()), out.get(i, ()))) for i, record in records.items()]
    return {"graph": sorted(nodes, key=lambda node: str(node["id"]))}


def _walked(view: View, start: Node, depth: int) -> tuple[dict[bytes, NodeRecord], set[_Ends]]:
    """Breadth first, without a direction. A job and what lies beyond it are one step."""
    records, edges, frontier = view.nodes([start.id]), set[_Ends](), [start.id]
    steps = 2 * depth + (1 if start.kind is Kind.JOB else 2)
    for _ in range(steps):
        out, into = view.out_links(frontier), view.in_links(frontier)
        edges |= {(i, link.other) for i, links in out.items() for link in _flowing(links)}
        edges |= {(link.other, i) for i, links in into.items() for link in _flowing(links)}
        fresh = sorted({end for edge in edges for end in edge} - records.keys())[: max(0, LIMIT - len(records))]
        found = {i: r for i, r in view.nodes(fresh).items() if not r.dropped}
        records |= found
        frontier = list(found)
        if not frontier:
            break
    return records, {(src, dst) for src, dst in edges if src in records and dst in records}


def _flowing(links: Iterable[Link]) -> Iterable[Link]:
    return (link for link in links if link.type in _FLOWS)


def _forms(view: View, records: list[NodeRecord]) -> dict[bytes, Record]:
    tables = [record for record in records if record.node.kind is Kind.DATASET]
    others = [record for record in records if record.node.kind is Kind.JOB]
    forms = [*zip(tables, things.datasets(view, tables), strict=True)]
    forms += zip(others, things.jobs(view, others), strict=True)
    return {record.node.id: form for record, form in forms}


def _graph_node(
    record: NodeRecord, form: Record, ids: dict[bytes, str], edges: tuple[Sequence[_Ends], Sequence[_Ends]]
) -> Record:
    # The list of runs and the facets would make each node as large as its page.
    data = {name: value for name, value in form.items() if name not in ("facets", "latestRuns", "columnLineage")}
    return {
        "id": ids[record.node.id],
        "type": record.node.kind.value.upper(),
        "data": data,
        "inEdges": [{"origin": ids[s], "destination": ids[d]} for s, d in edges[0]],
        "outEdges": [{"origin": ids[s], "destination": ids[d]} for s, d in edges[1]],
    }


def _grouped(edges: Iterable[_T], end: Callable[[_T], _K]) -> dict[_K, list[_T]]:
    """Edges by one of their ends: a graph of thousands is gone over once, and not for each node."""
    found: dict[_K, list[_T]] = {}
    for edge in edges:
        found.setdefault(end(edge), []).append(edge)
    return found


def columns(view: View, start: Node, depth: int, *, with_downstream: bool) -> Record:
    """What a column, or each column of a dataset or of a job's outputs, derives from; and what derives from it."""
    ways = [Direction.UP, Direction.DOWN] if with_downstream else [Direction.UP]
    starts = _outputs(view, start) if start.kind is Kind.JOB else [start]
    graphs = [column_lineage(view, each, way, depth=depth, limit=LIMIT) for each in starts for way in ways]
    edges = {(edge.src, edge.dst): edge for graph in graphs for edge in graph.edges}
    nodes = {reached.node for graph in graphs for reached in graph.nodes}
    types = _types(view, nodes)
    into, out = _grouped(edges.values(), attrgetter("dst")), _grouped(edges.values(), attrgetter("src"))
    found = [_column_node(each, types.get(each), into.get(each, ()), out.get(each, ())) for each in nodes]
    return {"graph": sorted(found, key=lambda node: str(node["id"]))}


def _outputs(view: View, job: Node) -> list[Node]:
    links = view.out_links([job.id])[job.id]
    records = view.nodes([link.other for link in links if link.type is EdgeType.WRITES])
    return sorted(record.node for record in records.values())


def _types(view: View, nodes: Iterable[Node]) -> dict[Node, str | None]:
    tables = sorted({node.dataset for node in nodes})
    return {table.column(column.path): column.type for table in tables for column in view.columns(table)}


def _column_node(node: Node, type_: str | None, into: Sequence[KnownEdge], out: Sequence[KnownEdge]) -> Record:
    own = field_id(node)
    return {
        "id": own,
        "type": "DATASET_FIELD",
        "data": {
            "namespace": node.namespace,
            "dataset": node.name,
            "datasetVersion": None,
            "field": node.field,
            "fieldType": type_,
            "transformationDescription": None,
            "transformationType": None,
            "inputFields": [_input_field(edge.src) for edge in into],
        },
        "inEdges": [{"origin": own, "destination": field_id(edge.src)} for edge in into],
        "outEdges": [{"origin": own, "destination": field_id(edge.dst)} for edge in out],
    }


def _input_field(source: Node) -> Record:
    own = {**things.short_id(source), "dataset": source.name, "datasetVersion": None, "field": source.field}
    return {**own, "transformationDescription": None, "transformationType": None}
