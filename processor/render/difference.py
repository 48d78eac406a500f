"""What became different between two times, for people and programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Final, NamedTuple

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

Place = tuple[str | int, ...]
"""Where a thing stands among all that became different; no two stand at one."""


class Thing(NamedTuple):
    """A node, an edge or a schema. `difference`: what became of it."""

    place: Place
    difference: str
    it: Any

    def record(self) -> Record:
        """The thing as a JSON object."""
        return _SORTS[self.difference].record(self.it)


def things(told: Difference) -> list[Thing]:
    """All of it, sorted by its place."""
    found = (
        Thing((number, *sort.place(each)), name, each)
        for number, (name, sort) in enumerate(_SORTS.items())
        for each in sort.of(told)
    )
    return sorted(found, key=lambda thing: thing.place)


def document(told: Iterable[Thing], since_us: int, until_us: int) -> Record:
    """All of it as one JSON object."""
    lists: dict[str, list[Record]] = {name: [] for name in _SORTS}
    for thing in told:
        lists[thing.difference].append(thing.record())
    return {"from": rfc3339(since_us), "to": rfc3339(until_us), **lists}


def records(told: Iterable[Thing]) -> Iterator[Record]:
    """One JSON object for each thing, `difference` says what became of it."""
    return ({"difference": thing.difference, **thing.record()} for thing in told)


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
    return sorted(nodes, key=_node_place)


def _by_time(schemas: Iterable[SchemaDifference]) -> list[SchemaDifference]:
    return sorted(schemas, key=_schema_place)


def _node_place(record: NodeRecord) -> Place:
    return node_order(record.node)


def _edge_place(each: KnownEdge) -> Place:
    kind, *ends = edge_order(each)
    return (kind, *chain.from_iterable(ends))


def _schema_place(each: SchemaDifference) -> Place:
    return (each.since_us, *node_order(each.dataset), *each.observer)


class _Sort(NamedTuple):
    """Things of one sort: which they are, where each stands among them, and what is told of it."""

    of: Callable[[Difference], Iterable[Any]]
    place: Callable[[Any], Place]
    record: Callable[[Any], Record]


_SORTS: Final = {
    "nodes_came": _Sort(lambda told: told.came, _node_place, _node),
    "nodes_went": _Sort(lambda told: told.went, _node_place, _node),
    "edges_came": _Sort(lambda told: told.edges_came, _edge_place, edge),
    "edges_ended": _Sort(lambda told: told.edges_ended, _edge_place, edge),
    "schemas_changed": _Sort(lambda told: told.schemas, _schema_place, _schema),
}
