"""The whole index as records, in an order that does not depend on how it came about."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from processor.index.edges import all_edges
from processor.index.view import View, current_columns
from processor.model.history import KnownEdge, NodeRecord
from processor.model.identity import Kind, Node
from processor.render.describe import finished_run, opened_run
from processor.render.graph import edge_order, node_order
from processor.render.records import Record, edge, evidence, lane, node, node_record
from processor.render.tables import folding_table
from processor.render.text import label, plain
from processor.render.times import minute

_KINDS = (Kind.DATASET, Kind.JOB)
_PAGE = 500


def node_records(view: View) -> Iterator[Record]:
    """Every dataset and job, sorted by kind, namespace and name; a dataset with its current columns."""
    for kind in _KINDS:
        for page in _pages(view, kind):
            yield from _datasets(view, page) if kind is Kind.DATASET else map(node_record, page)


def schema_records(view: View) -> Iterator[Record]:
    """Every schema that was ever stated, by dataset, by who stated it, and by when that was first."""
    for page in _pages(view, Kind.DATASET):
        lanes = view.lanes_of([record.node for record in page])
        for dataset in (record.node for record in page):
            for told in map(lane, lanes[dataset]):
                yield from _versions(dataset, told)


def _versions(dataset: Node, told: Record) -> Iterator[Record]:
    observer = {name: told[name] for name in ("role", "namespace", "name")}
    for version in told["versions"]:
        is_current = version["fingerprint"] == told["current"]
        yield {"dataset": node(dataset), "observer": observer, "current": is_current, **version}


def run_records(view: View) -> Iterator[Record]:
    """Every run that a job keeps, by job: open ones, then those that ended, the newest first."""
    for page in _pages(view, Kind.JOB):
        histories = view.jobs([record.node.id for record in page])
        for history in (histories[record.node.id] for record in page if record.node.id in histories):
            job = node(history.job)
            yield from ({"job": job, **opened_run(run)} for run in history.open)
            yield from ({"job": job, **finished_run(run)} for run in history.finished)


def edge_records(view: View) -> Iterator[Record]:
    """Every edge, sorted by type, source, target and job."""
    return map(edge, _sorted_edges(view))


def node_table(view: View) -> Table:
    """Every dataset and job for people."""
    table = folding_table("kind", "namespace", "name", "first seen", "last seen")
    for kind in _KINDS:
        for record in (record for page in _pages(view, kind) for record in page):
            name = (plain(record.node.namespace), plain(record.node.name))
            table.add_row(kind.value, *name, minute(record.first_seen_us), minute(record.last_seen_us))
    return table


def schema_table(view: View) -> Table:
    """Every schema for people."""
    table = folding_table("dataset", "by", "columns", "first seen", "last seen", "")
    for record in schema_records(view):
        names = (plain(record["dataset"]["name"]), plain(f"{record['observer']['role']} {record['observer']['name']}"))
        seen = (record["first_seen"][:16].replace("T", " "), record["last_seen"][:16].replace("T", " "))
        table.add_row(*names, str(len(record["columns"])), *seen, "current" if record["current"] else "")
    return table


def run_table(view: View) -> Table:
    """Every run for people."""
    table = folding_table("job", "state", "started", "ended", "run")
    for record in run_records(view):
        times = ((record.get(name) or "")[:16].replace("T", " ") for name in ("started", "ended"))
        table.add_row(plain(record["job"]["name"]), record["state"], *times, plain(record["run_id"]))
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


def _pages(view: View, kind: Kind) -> Iterator[list[NodeRecord]]:
    """All nodes of a kind in their order, some at a time: of all of them only who they are is kept."""
    nodes = sorted((record.node for record in view.all_nodes(kind)), key=node_order)
    for start in range(0, len(nodes), _PAGE):
        ids = [node.id for node in nodes[start : start + _PAGE]]
        there = view.nodes(ids)
        yield [there[i] for i in ids if i in there]


def _datasets(view: View, page: list[NodeRecord]) -> Iterator[Record]:
    lanes = view.lanes_of([record.node for record in page])
    for record in page:
        columns = current_columns(lanes[record.node])
        yield {**node_record(record), "columns": [{"path": c.path, "type": c.type} for c in columns]}
