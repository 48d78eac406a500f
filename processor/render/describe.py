"""What is told of one node, as a JSON document."""

from __future__ import annotations

from collections.abc import Iterable

from processor.index.aliases import aliases_of
from processor.index.columns import column_lineage
from processor.index.facets import facet_reader
from processor.index.resolve import UnknownNodeError
from processor.index.traverse import Direction
from processor.index.view import Link, View, current_columns
from processor.model.history import FinishedRun, NodeRecord, OpenRun
from processor.model.identity import Kind, Node
from processor.model.observation import DESCRIPTIONS, EdgeType, RunState
from processor.render.records import Record, edge, lane, node, node_record
from processor.render.text import label
from processor.render.times import rfc3339

_descriptions_of = facet_reader(dict[str, str])


def describe(view: View, of: Node) -> Record:
    """Everything about a dataset, a job or a column. Raises `UnknownNodeError`."""
    record = view.node(of.dataset)
    if record is None:
        raise UnknownNodeError(label(of))
    if of.kind is Kind.COLUMN:
        return _column(view, record, of)
    return _job(view, record) if of.kind is Kind.JOB else _dataset(view, record)


def _dataset(view: View, record: NodeRecord) -> Record:
    id_, lanes = record.node.id, view.lanes(record.node)
    into, out = view.in_links([id_])[id_], view.out_links([id_])[id_]
    named = _Names(view, [*into, *out])
    return {
        **node_record(record),
        "columns": [{"path": column.path, "type": column.type} for column in current_columns(lanes)],
        "written_by": named.of(into, EdgeType.WRITES),
        "read_by": named.of(out, EdgeType.READS),
        "aliases": _other_names(view, id_),
        "schemas": [lane(each) for each in lanes],
    }


def _other_names(view: View, dataset: bytes) -> list[Record]:
    """Every other name of a dataset that holds now: one that was taken back is none."""
    others = aliases_of(view, [dataset])[dataset] - {dataset}
    return [node(each) for each in sorted(standing.node for standing in view.standing(others).values())]


def _job(view: View, record: NodeRecord) -> Record:
    id_, history = record.node.id, view.jobs([record.node.id])[record.node.id]
    into, out = view.in_links([id_])[id_], view.out_links([id_])[id_]
    named = _Names(view, [*into, *out])
    return {
        **node_record(record),
        "inputs": named.of(into, EdgeType.READS),
        "outputs": named.of(out, EdgeType.WRITES),
        "parents": named.of(into, EdgeType.PARENT),
        "children": named.of(out, EdgeType.PARENT),
        "open_runs": [opened_run(run) for run in history.open],
        "runs": [finished_run(run) for run in history.finished],
    }


def _column(view: View, table: NodeRecord, of: Node) -> Record:
    columns, said = dict(view.columns(of.dataset)), _descriptions_of(table.facets.get(DESCRIPTIONS)).get(of.field or "")
    up = column_lineage(view, of, Direction.UP, depth=1).edges
    down = column_lineage(view, of, Direction.DOWN, depth=1).edges
    return {
        **node(of),
        "type": columns.get(of.field or ""),
        **({"description": said} if said else {}),
        "is_current": of.field in columns,
        "derives_from": [edge(each) for each in up],
        "derived_by": [edge(each) for each in down],
    }


def opened_run(run: OpenRun) -> Record:
    """A run that has not ended; as long as only OTHER tells of it, nobody knows of a start."""
    if run.has_started:
        return {"run_id": run.run_id, "state": RunState.RUNNING.value, "started": rfc3339(run.started_us)}
    return {"run_id": run.run_id, "state": RunState.OTHER.value, "started": None}


def finished_run(run: FinishedRun) -> Record:
    """A run that ended, with how many datasets it read and wrote."""
    return {
        "run_id": run.run_id,
        "state": run.state.value,
        "started": rfc3339(run.started_us) if run.started_us else None,
        "ended": rfc3339(run.ended_us),
        "inputs": run.inputs,
        "outputs": run.outputs,
    }


class _Names:
    """The nodes at the far ends of links."""

    def __init__(self, view: View, links: Iterable[Link]) -> None:
        self._records = view.nodes({link.other for link in links})

    def of(self, links: Iterable[Link], type_: EdgeType) -> list[Record]:
        """Those that links of one type lead to, sorted."""
        known = (self._records.get(link.other) for link in links if link.type is type_)
        return [node(each) for each in sorted({record.node for record in known if record is not None})]
