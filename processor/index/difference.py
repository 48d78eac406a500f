"""What became different between two times: nodes and edges that came and went, schemas that changed.

Rules kept here:
- a node came when it was first seen in between; it went when it was dropped in between;
- an edge came when it was first seen in between; it ended when the first run that its job completed without stating it
  did so in between. That is known of the newest runs, which a job keeps: where none of them ended before, an edge that
  was stated last before is taken to have ended by then. Edges of no job (aliases) do not end;
- a schema changed when what an observer states at the end is not what it stated at the start; who, and since when, is
  told with it. A lane's first schema is no change of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from processor.index.edges import all_edges, edges_around
from processor.index.past import PastView
from processor.index.store import Store
from processor.model.history import HOUR_US, JobHistory, KnownEdge, Lane, NodeRecord, Observer
from processor.model.identity import Kind, Node
from processor.model.pages import pages
from processor.model.tables import ColumnChange, diff_columns


class SchemaDifference(NamedTuple):
    """What an observer states otherwise of a dataset. `since_us`: when it first stated what it states at the end."""

    dataset: Node
    observer: Observer
    changes: tuple[ColumnChange, ...]
    since_us: int
    run_id: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """All of it, in the order of the index."""

    came: tuple[NodeRecord, ...] = ()
    went: tuple[NodeRecord, ...] = ()
    edges_came: tuple[KnownEdge, ...] = ()
    edges_ended: tuple[KnownEdge, ...] = ()
    schemas: tuple[SchemaDifference, ...] = ()


def difference(store: Store, since_us: int, until_us: int, node: Node | None = None) -> Difference:
    """What became different after `since_us`, up to `until_us`: of the whole index, or of what touches one node."""
    before, after = PastView(store, since_us), PastView(store, until_us)
    records = list(_nodes(after, node))
    edges = list(_edges(after, node))
    return Difference(
        came=tuple(r for r in records if r.first_seen_us > since_us and not r.dropped),
        went=tuple(_went(before, records)),
        edges_came=tuple(e for e in edges if e.first_seen_us > since_us),
        edges_ended=tuple(_ended(after, edges, since_us)),
        schemas=tuple(_schemas(before, after, records)),
    )


def _nodes(view: PastView, node: Node | None) -> Iterator[NodeRecord]:
    if node is not None:
        yield from view.nodes([node.dataset.id]).values()
        return
    for kind in (Kind.DATASET, Kind.JOB):
        yield from view.all_nodes(kind)


def _edges(view: PastView, node: Node | None) -> Iterator[KnownEdge]:
    return all_edges(view) if node is None else edges_around(view, node.dataset)


def _went(before: PastView, records: Iterable[NodeRecord]) -> Iterator[NodeRecord]:
    gone = [record for record in records if record.dropped]
    then = before.nodes(record.node.id for record in gone)
    return (r for r in gone if r.node.id not in then or not then[r.node.id].dropped)


def _ended(view: PastView, edges: Iterable[KnownEdge], since_us: int) -> Iterator[KnownEdge]:
    """The edges that their job stated until then, and has not stated in a run that it completed since."""
    waiting = [(edge, job) for edge in edges if (job := _job_of(edge))]
    for page in pages(waiting):
        histories = view.jobs(sorted({job.id for _, job in page}))
        yield from (edge for edge, job in page if _has_ended(edge, histories.get(job.id), since_us))


def _job_of(edge: KnownEdge) -> Node | None:
    return next((end for end in (edge.src, edge.dst, edge.job) if end and end.kind is Kind.JOB), None)


def _has_ended(edge: KnownEdge, history: JobHistory | None, since_us: int) -> bool:
    runs = history.completed() if history else []
    after_us = edge.last_seen_us + HOUR_US
    without = [run.ended_us for run in runs if run.started_us >= after_us]
    is_known_then = edge.last_seen_us >= since_us or any(run.ended_us <= since_us for run in runs)
    return bool(without) and min(without) > since_us and is_known_then


def _schemas(before: PastView, after: PastView, records: Iterable[NodeRecord]) -> Iterator[SchemaDifference]:
    datasets = (record.node for record in records if record.node.kind is Kind.DATASET)
    for page in pages(datasets):
        then = before.lanes_of(page)
        for dataset, lanes in after.lanes_of(page).items():
            former = {lane.observer: lane for lane in then[dataset]}
            for lane in lanes:
                yield from _changed(former.get(lane.observer), lane)


def _changed(former: Lane | None, lane: Lane) -> Iterator[SchemaDifference]:
    old, new = former.version(former.current) if former else None, lane.version(lane.current)
    changes = diff_columns(old.columns, new.columns) if old and new else ()
    if new and changes:
        yield SchemaDifference(lane.dataset, lane.observer, changes, new.first_seen_us, new.run_id)
