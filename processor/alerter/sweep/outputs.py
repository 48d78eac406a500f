"""What is known of the columns of outputs: those that may have lost their parents, and those that must have some."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from processor.detect import kinds, missing_column_lineage
from processor.detect.missing_column_lineage import MappedDataset, Output
from processor.index.records import current_of
from processor.index.view import View, current_columns
from processor.judging.scope import Scope, spared
from processor.model.alert import Finding
from processor.model.history import JobHistory, KnownMapping, NodeRecord, RunMembers
from processor.model.identity import Node
from processor.model.observation import EdgeType


def outputs_in_doubt(
    scope: Scope, history: JobHistory, runs: Sequence[RunMembers], remapped: Sequence[KnownMapping]
) -> list[Output]:
    """Outputs of a job that may have lost column lineage, with their columns; dropped ones left out."""
    knobs = scope.policy.for_(history.job).missing_column_lineage
    bare = missing_column_lineage.unmapped(runs, knobs)
    known = scope.view.mappings([history.job.id]).get(history.job.id, []) if bare else remapped
    doubted = [
        output
        for output in _outputs(known)
        if output.dataset.id in bare or missing_column_lineage.lost_fields(output, history, knobs)
    ]
    return list(_with_columns(scope.view, doubted)) if doubted else []


def of_required(scope: Scope, live: Sequence[NodeRecord]) -> Iterable[Finding]:
    """What datasets lack of the column lineage that the policy demands."""
    required = [r for r in live if missing_column_lineage.is_required(r.node, scope.policy.for_(r.node))]
    return spared(scope, required, lambda some: _of_required(scope, some), lambda record: record.node)


def _outputs(known: Sequence[KnownMapping]) -> Iterator[Output]:
    current = current_of(known)
    for dataset in dict.fromkeys(one.output for one in known):
        stated = tuple(one for one in known if one.output == dataset)
        yield Output(dataset, frozenset(), current.get(dataset.id), stated)


def _with_columns(view: View, outputs: Sequence[Output]) -> Iterator[Output]:
    records = view.nodes(output.dataset.id for output in outputs)
    live = [o for o in outputs if o.dataset.id in records and not records[o.dataset.id].dropped]
    columns = _columns(view, [output.dataset for output in live])
    return (output._replace(columns=columns[output.dataset]) for output in live)


def _columns(view: View, datasets: Sequence[Node]) -> dict[Node, frozenset[str]]:
    lanes_of = view.lanes_of(datasets)
    return {d: frozenset(column.path for column in current_columns(lanes)) for d, lanes in lanes_of.items()}


def _of_required(scope: Scope, records: Sequence[NodeRecord]) -> Iterator[Finding]:
    into = scope.view.in_links([record.node.id for record in records])
    columns = _columns(scope.view, [record.node for record in records])
    owners = {link.other for links in into.values() for link in links if link.type is EdgeType.DERIVES}
    current = scope.view.current_mappings(sorted(owners))
    for record in records:
        links = into[record.node.id]
        if any(link.type is EdgeType.WRITES for link in links):
            stated = (current.get(link.other, {}).get(record.node.id) for link in links)
            mappings = tuple(known.mapping for known in stated if known)
            dataset = MappedDataset(record.node, columns[record.node], mappings, record.first_seen_us)
            yield from kinds.of_required(dataset, scope.policy)
