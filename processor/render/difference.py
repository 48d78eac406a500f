"""What became different between two times, for people and programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.table import Table
from rich.text import Text

from processor.index.difference import Difference, SchemaDifference
from processor.model.history import KnownEdge, NodeRecord
from processor.model.tables import ColumnChange, ColumnChangeKind
from processor.render.graph import edge_order, node_order
from processor.render.records import Record, edge, node, role_name
from processor.render.tables import folding_table
from processor.render.text import label, plain, short
from processor.render.times import minute, rfc3339

_MARKS = {ColumnChangeKind.ADDED: "+", ColumnChangeKind.REMOVED: "-", ColumnChangeKind.RETYPED: "~"}
_STYLES = {"+": "green", "-": "red", "~": "yellow"}


def document(told: Difference, since_us: int, until_us: int) -> Record:
    """All of it as one JSON object."""
    return {
        "from": rfc3339(since_us),
        "to": rfc3339(until_us),
        "nodes_came": [_node(each) for each in _in_order(told.came)],
        "nodes_went": [_node(each) for each in _in_order(told.went)],
        "edges_came": [edge(each) for each in sorted(told.edges_came, key=edge_order)],
        "edges_ended": [edge(each) for each in sorted(told.edges_ended, key=edge_order)],
        "schemas_changed": [_schema(each) for each in _by_time(told.schemas)],
    }


def records(told: Difference) -> Iterator[Record]:
    """One JSON object for each thing, `difference` says what became of it."""
    whole = document(told, 0, 0)
    for name, each in whole.items():
        if isinstance(each, list):
            yield from ({"difference": name, **record} for record in each)


def tables(told: Difference) -> Iterator[Table]:
    """A table for each kind of thing that there is any of."""
    nodes = [*(("+", n) for n in _in_order(told.came)), *(("-", n) for n in _in_order(told.went))]
    edges = [*(("+", e) for e in told.edges_came), *(("-", e) for e in told.edges_ended)]
    if nodes:
        yield _node_table(nodes)
    if edges:
        yield _edge_table(sorted(edges, key=lambda each: edge_order(each[1])))
    if told.schemas:
        yield _schema_table(_by_time(told.schemas))


def _node_table(nodes: Iterable[tuple[str, NodeRecord]]) -> Table:
    table = folding_table("", "node", "first seen (UTC)")
    for mark, record in nodes:
        table.add_row(_mark(mark), plain(label(record.node)), minute(record.first_seen_us))
    return table


def _edge_table(edges: Iterable[tuple[str, KnownEdge]]) -> Table:
    table = folding_table("", "edge", "from", "to", "since (UTC)")
    for mark, each in edges:
        when = each.first_seen_us if mark == "+" else each.last_seen_us
        table.add_row(_mark(mark), each.type.value, plain(short(each.src)), plain(short(each.dst)), minute(when))
    return table


def _schema_table(schemas: Iterable[SchemaDifference]) -> Table:
    table = folding_table("", "column", "type", "stated by", "since (UTC)")
    for each in schemas:
        for change in each.changes:
            what = (_mark(_MARKS[change.change]), plain(short(each.dataset.column(change.path))), plain(_type(change)))
            table.add_row(*what, plain(each.observer.name), minute(each.since_us))
    return table


def _type(change: ColumnChange) -> str:
    if change.change is ColumnChangeKind.RETYPED:
        return f"{change.from_type} → {change.to_type}"
    return change.to_type or change.from_type or ""


def _mark(mark: str) -> Text:
    return Text(mark, style=_STYLES[mark])


def _node(record: NodeRecord) -> Record:
    return {**node(record.node), "first_seen": rfc3339(record.first_seen_us)}


def _schema(each: SchemaDifference) -> Record:
    return {
        "dataset": node(each.dataset),
        "observer": {
            "role": role_name(each.observer.role),
            "namespace": each.observer.namespace,
            "name": each.observer.name,
        },
        "changes": [
            {"path": c.path, "change": c.change.value, "from_type": c.from_type, "to_type": c.to_type}
            for c in each.changes
        ],
        "since": rfc3339(each.since_us),
        "run_id": each.run_id,
    }


def _in_order(nodes: Iterable[NodeRecord]) -> list[NodeRecord]:
    return sorted(nodes, key=lambda record: node_order(record.node))


def _by_time(schemas: Iterable[SchemaDifference]) -> list[SchemaDifference]:
    return sorted(schemas, key=lambda each: (each.since_us, node_order(each.dataset), each.observer))
