"""What must have been announced of an index, whatever way it came about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from processor.index.view import View
from processor.model.change import Change, ItemKind
from tests.support.oracle.answers import Oracle, node

News = tuple[object, ...]
"""What kind of news, about whom, and what."""


def unannounced(oracle: Oracle, view: View, changes: Iterable[Change]) -> list[News]:
    """What is so and was never announced."""
    told = {news for change in changes for news in _told(change)}
    return sorted((news for news in _due(oracle, view) if news not in told), key=str)


def _due(oracle: Oracle, view: View) -> Iterator[News]:
    for known in map(node, oracle.nodes()):
        yield ItemKind.NODE_ADDED, known
        for lane in view.lanes(known):
            yield ItemKind.SCHEMA_CHANGED, known, tuple(lane.observer), lane.current.hex() if lane.current else None
    for type_, src, dst in oracle.links():
        yield ItemKind.EDGE_ADDED, type_, node(src), node(dst)
    for owner, output in oracle.mappings():
        yield ItemKind.MAPPING_CHANGED, node(owner), node(output)
    for name in oracle.nodes():
        change = oracle.lifecycle(name)
        if change is not None:
            yield ItemKind.LIFECYCLE_CHANGED, node(name), change[1]
    for run in (run for job in {job for job, _ in oracle.runs()} for run in oracle.finished(job)):
        if run.state != "COMPLETE":
            yield ItemKind.RUN_FAILED, node(run.job), run.run_id, run.state
    yield from (("a run", node(job)) for job in oracle.unsteady_jobs())


def _told(change: Change) -> Iterator[News]:
    for item in change.items:
        if item.edge is not None:
            yield item.kind, item.edge.type, item.edge.src, item.edge.dst
        elif item.schema is not None:
            yield item.kind, change.node, tuple(item.schema.observer), item.schema.to_fingerprint
        elif item.output is not None:
            yield item.kind, change.node, item.output
        elif item.run is not None:
            yield item.kind, change.node, item.run.run_id, item.run.state
            yield "a run", change.node
        elif item.detail is not None:
            yield item.kind, change.node, item.detail
        else:
            yield item.kind, change.node
