"""What an event that was just sent says, in Marquez's form. Pure, but for what is read of the index before."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from processor.api.marquez import things
from processor.api.marquez.translate import OfRun, RunMeta
from processor.index.memory import MemoryStore
from processor.index.reduce import reduce
from processor.index.view import View
from processor.model.history import NodeRecord, RunRecord
from processor.model.identity import Kind, Node
from processor.model.observation import TERMINAL, Observation, RunState
from processor.render.records import Record

__all__ = ["dataset", "job", "marked", "new_run", "with_change"]


def dataset(node: Node, seen: Observation) -> Record:
    """A dataset, as this event alone tells of it."""
    view = _view(seen)
    return things.datasets(view, list(view.nodes([node.id]).values()))[0]


def job(node: Node, seen: Observation) -> Record:
    """A job, likewise."""
    view = _view(seen)
    return things.jobs(view, list(view.nodes([node.id]).values()))[0]


def new_run(run: OfRun, meta: RunMeta, seen: Observation) -> Record:
    """A run that has not started."""
    nominal_us = seen.run.nominal_us if seen.run else None
    times = seen.time_us, seen.time_us, None, None
    form = things.run_detail(RunRecord(run.job, run.run_id, RunState.OTHER, *times, nominal_us=nominal_us))
    return {**form, "args": meta.args or {}}


def with_change(view: View, record: NodeRecord, seen: Observation) -> Record:
    """A known dataset or job with what the event says of it."""
    if record.node.kind is Kind.JOB:
        return things.jobs(view, [_with_facets(record, seen.job_facets or {})])[0]
    [fact] = seen.datasets
    after = _with_facets(record, fact.facets)
    if fact.lifecycle is not None:
        after = structs.replace(
            after, lifecycle=fact.lifecycle, lifecycle_us=seen.time_us, dropped=fact.lifecycle.state == "DROP"
        )
    return things.datasets(view, [after])[0]


def marked(before: RunRecord | None, run: OfRun, state: RunState, at_us: int) -> RunRecord:
    """A run that started or ended then; one that had ended stays ended, and of two ends the later one counts."""
    there = before or RunRecord(run.job, run.run_id, RunState.OTHER, at_us, at_us, None, None)
    there = replace(there, last_event_us=max(there.last_event_us, at_us))
    if state in TERMINAL:
        is_last = there.ended_us is None or there.ended_us <= at_us
        return replace(there, state=state, ended_us=at_us) if is_last else there
    started_us = at_us if there.started_us is None else min(there.started_us, at_us)
    return replace(there, state=there.state if there.state in TERMINAL else state, started_us=started_us)


def _with_facets(record: NodeRecord, facets: dict[str, bytes | None]) -> NodeRecord:
    stated = {name: facet for name, facet in facets.items() if facet is not None}
    return structs.replace(record, facets={**record.facets, **stated})


def _view(seen: Observation) -> View:
    """An index that holds this event alone."""
    store = MemoryStore()
    store.apply(reduce([(seen, None)], store.buckets))
    return View(store)
