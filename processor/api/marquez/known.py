"""What is asked about, looked up; what is not there is said as Marquez says it."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from processor.api.asker import Index
from processor.api.marquez import things
from processor.api.problems import ProblemError
from processor.model.history import JobHistory, NodeRecord
from processor.model.identity import Node
from processor.render.records import Record

__all__ = ["job_with", "known", "not_found", "records", "run_form", "runs_of"]


def records(index: Index, nodes: Sequence[Node]) -> list[NodeRecord]:
    """Those of them that the index has."""
    there = index.view.nodes([node.id for node in nodes])
    return [there[node.id] for node in nodes if node.id in there]


def known(index: Index, node: Node) -> NodeRecord:
    """A node. Raises `ProblemError` where the index does not have it."""
    record = index.view.node(node)
    if record is None:
        raise not_found(node.kind.value.capitalize(), node.name)
    return record


def runs_of(history: JobHistory) -> list[Record]:
    """The runs of a job, the newest first."""
    return [*(things.open_run(each) for each in reversed(history.open)), *map(things.run, history.finished)]


def job_with(index: Index, run_id: str) -> Node:
    """The job that has a run, by the run's id alone. Raises `ProblemError` where none has it."""
    found = index.view.job_with(run_id, ended=False) or index.view.job_with(run_id, ended=True)
    if found is None:
        raise not_found("Run", run_id)
    return found


def run_form(index: Index, run_id: str) -> Record:
    """A run by its id alone, in whichever case, with all that is kept of it. Raises `ProblemError`."""
    run_id = run_id.lower()
    job = job_with(index, run_id)
    there = index.view.run(job, run_id)
    if there is not None:
        return things.run_detail(there)
    return next(each for each in runs_of(index.view.jobs([job.id])[job.id]) if each["id"] == run_id)


def not_found(what: str, name: str) -> ProblemError:
    """Marquez's own words."""
    return ProblemError(HTTPStatus.NOT_FOUND, f"{what} '{name}' not found.")
