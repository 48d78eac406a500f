"""The whole index as records, in an order that does not depend on how it came about."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from processor.index.edges import all_edges
from processor.index.view import View, current_columns
from processor.model.history import KnownEdge, NodeRecord
from processor.model.identity import Kind
from processor.render.graph import edge_order, node_order
from processor.render.records import Record, edge, evidence, node_record
from processor.render.tables import folding_table
from processor.render.text import label, plain
from processor.render.times import minute

_KINDS = (Kind.DATASET, Kind.JOB)
_PAGE = 500


def node_records(view: View) -> Iterator[Record]:
    """Every dataset and job, sorted by kind, namespace and name; a dataset with its current columns."""
    for kind in _KINDS:
        nodes = sorted(view.all_nodes(kind), key=lambda record: node_order(record.node))
        for start in range(0, len(nodes), _PAGE):
            page = nodes[start : start + _PAGE]
            yield from _datasets(view, page) if kind is Kind.DATASET else map(node_record, page)


def edge_records(view: View) -> Iterator[Record]:
    """Every edge, sorted by type, source, target and job."""
    return map(edge, _sorted_edges(view))


def node_table(view: View) -> Table:
    """Every dataset and job for people."""
    table = folding_table("kind", "namespace", "name", "first seen", "last seen")
    for kind in _KINDS:
        for record in sorted(view.all_nodes(kind), key=lambda record: node_order(record.node)):
            name = (plain(record.node.namespace), plain(record.node.name))
            table.add_row(kind.value, *name, minute(record.first_seen_us), minute(record.last_seen_us))
    return table


def edge_table(view: View) -> Table:
    """Every edge for people."""
    table = folding_table("type", "from", "to", "evidence", "first seen")
    for each in _sorted_edges(view):
        nodes = (plain(label(each.src)), plain(label(each.dst)))
        table.add_row(each.type.value, *nodes, ", ".join(evidence(each.evidence)), minute(each.first_seen_us))
    return table


def _sorted_edges(view: View) -> list[KnownEdge]:
    return sorted(all_edges(view), key=edge_order)


def _datasets(view: View, page: list[NodeRecord]) -> Iterator[Record]:
    lanes = view.lanes_of([record.node for record in page])
    for record in page:
        columns = current_columns(lanes[record.node])
        yield {**node_record(record), "columns": [{"path": c.path, "type": c.type} for c in columns]}
