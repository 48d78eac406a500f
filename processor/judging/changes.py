"""What a proposed change breaks downstream: held against the index by the rules that judge a drift.

Rules kept here:
- breaking: a column goes, or is narrowed or retyped to what does not hold it, and somebody reads it for certain; or a
  dataset goes and somebody reads it. Possible: somebody may be met. Harmless: nobody is;
- of models of one manifest the readers are judged as they are proposed: one that no longer depends on the model, or
  whose query names none of the columns any more, is not broken by it; its own change stands by itself;
- what could not be compared is told as a note, and is no reason for a no.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from processor.detect.column_drifts import breaks, column_drifts
from processor.detect.drift_words import reach
from processor.detect.rename import Lineages
from processor.detect.schema_drift import Asking, weigh
from processor.detect.types.names import scheme_of
from processor.detect.versions import differences
from processor.detect.words import counted, node_words, shown
from processor.index.impact import impact, is_read
from processor.index.view import View
from processor.judging.dbt import Manifest, Model
from processor.judging.places import built_before, datasets_of, dbt_id, is_test, known_columns
from processor.judging.proposal import Proposal, fitted, mentioned
from processor.judging.verdicts import (
    FAILS,
    DatasetChange,
    FailOn,
    Grade,
    ImpactVerdict,
    ProposedColumn,
    impacted,
    ref,
)
from processor.judging.words import what_would_be
from processor.model.alert import Affected, ColumnDrift, Impact, Severity
from processor.model.identity import Kind, Node
from processor.model.tables import ColumnChange, ColumnChangeKind, Columns

_GRADES = list(Grade)
_MOST_NOTES = 50
_EMPTY = "the index knows no dataset at all, so nothing can be said of what this breaks: is it the right one?"


@dataclass(frozen=True, slots=True)
class Proposed:
    """What is to be compared with the index: proposals by dataset, and the manifest that they stand in, if any."""

    pairs: tuple[tuple[Node, Proposal], ...]
    manifest: Manifest | None = None
    notes: tuple[str, ...] = ()
    models: dict[Node, Model] = field(default_factory=dict)


def of_schema(dataset: Node, proposal: Proposal) -> Proposed:
    """A schema that is proposed for one dataset."""
    return Proposed(((dataset, proposal),))


def of_manifest(
    view: View, manifest: Manifest, *, base: Manifest | None = None, namespace: str | None = None, deleted: bool = True
) -> Proposed:
    """The models of a manifest with the datasets that they are. `base`: the manifest before the change."""
    places = datasets_of(view, manifest.models.values(), namespace)
    pairs = [(node, manifest.models[id_].proposal) for id_, nodes in places.items() for node in nodes]
    models = {node: manifest.models[id_] for id_, nodes in places.items() for node in nodes}
    gone = list(_gone(view, manifest, base, namespace)) if deleted else []
    pairs += [(node, Proposal(stated_by=id_, is_gone=True)) for id_, node in gone if node not in models]
    return Proposed(tuple(pairs), manifest, tuple(_of_places(places)), models)


def judge_change(view: View, proposed: Proposed, fail_on: FailOn) -> ImpactVerdict:
    """What would break, and whether that is too much."""
    known = known_columns(view, [node for node, _ in proposed.pairs], also_mapped=proposed.manifest is not None)
    judging = _Judging(view, proposed)
    found = [change for pair in proposed.pairs for change in judging.changes(*pair, known[pair[0]])]
    found.sort(key=lambda each: (_GRADES.index(each.grade), str(each.dataset.node)))
    is_empty = next(view.ids(Kind.DATASET), None) is None
    ok = not any(change.grade in FAILS[fail_on] for change in found) and (not is_empty or not FAILS[fail_on])
    notes = [*([_EMPTY] if is_empty else []), *proposed.notes, *judging.notes]
    more = [f"{len(notes) - _MOST_NOTES} more notes are left out"] if len(notes) > _MOST_NOTES else []
    return ImpactVerdict(ok, fail_on, len(proposed.pairs), found, [*notes[:_MOST_NOTES], *more])


def _gone(view: View, manifest: Manifest, base: Manifest | None, namespace: str | None) -> Iterator[tuple[str, Node]]:
    if base is None:
        yield from ((each.id, each.dataset) for each in built_before(view, manifest, namespace))
        return
    taken = {model.relation for model in manifest.models.values()}
    models = [m for id_, m in base.models.items() if id_ not in manifest.models and m.relation not in taken]
    for id_, nodes in datasets_of(view, models, namespace).items():
        yield from ((id_, node) for node in nodes)


def _of_places(places: dict[str, list[Node]]) -> Iterator[str]:
    unknown = [id_ for id_, nodes in places.items() if not nodes]
    if unknown:
        yield f"{counted(len(unknown), 'model')} not in the index, so nothing depends on them yet: {mentioned(unknown)}"
    for id_, nodes in places.items():
        if len({node.namespace for node in nodes}) > 1:
            yield f"{id_} is known in {len(nodes)} namespaces, and each is judged; choose one with --namespace"


@dataclass(slots=True)
class _Judging:
    view: View
    proposed: Proposed
    notes: list[str] = field(default_factory=list)

    def changes(self, dataset: Node, proposal: Proposal, known: Columns) -> Iterator[DatasetChange]:
        """The change of one dataset, if there is one."""
        self.view.breathe()
        if proposal.is_gone:
            yield self.gone(dataset, proposal, known)
            return
        fit = fitted(proposal, known, dataset.namespace)
        self.note_unsaid(dataset, proposal, known, fit.unsure)
        scheme = scheme_of(dataset.namespace)
        found = differences(known, fit.columns, scheme) if known and fit.columns else ()
        if found:
            drifts = column_drifts((known, fit.columns), found, scheme, Lineages())
            yield self.changed(dataset, proposal, (drifts, found), known)

    def note_unsaid(self, dataset: Node, proposal: Proposal, known: Columns, unsaid: Sequence[str]) -> None:
        name = node_words(dataset)
        if not known and proposal.fields:
            self.notes.append(f"no columns of {name} are known, so there is nothing to compare")
        elif proposal.is_whole and not proposal.fields:
            self.notes.append(f"{shown(proposal.stated_by)} lists no columns, so nothing is said of them")
        elif unsaid and not proposal.fields:
            self.notes.append(f"{shown(proposal.stated_by)} lists no columns: {_taken(unsaid)}")
        elif unsaid:
            count = counted(len(unsaid), "known column")
            self.notes.append(f"{shown(proposal.stated_by)} does not list {count}: {_taken(unsaid)}")

    def changed(
        self,
        dataset: Node,
        proposal: Proposal,
        found: tuple[Sequence[ColumnDrift], Sequence[ColumnChange]],
        known: Columns,
    ) -> DatasetChange:
        drifts, changes = found
        weight = weigh(drifts, changes, known, Asking(lambda columns: is_read(self.view, dataset, columns)))
        met = impact(self.view, dataset, weight.columns) if weight.columns else Impact()
        grade = _grade(weight.severity, met)
        lost = frozenset(drift.path for drift in drifts if breaks(drift))
        if grade is Grade.BREAKING and self.is_adapted(dataset, met, lost):
            grade = Grade.POSSIBLE
            self.notes.append(f"every model that reads the changed columns of {node_words(dataset)} is changed with it")
        told = f"{what_would_be(drifts, dataset)}{'' if grade is Grade.HARMLESS and not met.total else reach(met)}."
        return _change(dataset, proposal, (grade, told), drifts, met)

    def gone(self, dataset: Node, proposal: Proposal, known: Columns) -> DatasetChange:
        met = impact(self.view, dataset, None)
        readers = list(self.readers_left(dataset, met))
        drifts = [ColumnDrift(c.path, ColumnChangeKind.REMOVED, c.type) for c in known]
        grade = Grade.BREAKING if readers else Grade.HARMLESS
        left = f"{counted(len(readers), 'reader')} left ({mentioned([node_words(r) for r in readers])})"
        told = f"Dataset {node_words(dataset)} would no longer be built; {left if readers else 'nobody reads it'}."
        return _change(dataset, proposal, (grade, told), drifts, met if readers else Impact())

    def is_adapted(self, dataset: Node, met: Impact, lost: frozenset[str]) -> bool:
        """Whether whoever reads these columns next is a model that, as proposed, no longer does."""
        direct = {a.node.dataset for a in (*met.columns, *met.datasets) if a.depth == 1 and not a.possible}
        return bool(direct) and all(not self.still_reads(reader, dataset, lost) for reader in direct)

    def still_reads(self, reader: Node, dataset: Node, columns: frozenset[str] | None) -> bool:
        """Whether a dataset, as proposed, is still made from another one, and from columns of it."""
        model, source = self.proposed.models.get(reader), self.proposed.models.get(dataset)
        if model is None or self.proposed.manifest is None:
            return reader not in self.removed()
        ids = {source.id} if source else {p.stated_by for n, p in self.proposed.pairs if n == dataset}
        if ids.isdisjoint(model.depends_on):
            return False
        return columns is None or model.proposal.query is None or model.proposal.query.may_use(columns)

    def removed(self) -> set[Node]:
        return {node for node, proposal in self.proposed.pairs if proposal.is_gone}

    def readers_left(self, dataset: Node, met: Impact) -> Iterator[Node]:
        """Datasets that are made from this one, and jobs that read it and write nothing that is known."""
        yield from (a.node for a in _next(met.datasets) if self.still_reads(a.node, dataset, None))
        jobs = self.view.nodes(a.node.id for a in _next(met.jobs))
        writing = {i for i, links in self.view.out_links(sorted(jobs)).items() if links}
        for i, job in sorted(jobs.items()):
            if i not in writing and not is_test(job) and not dbt_id(job):
                yield job.node


def _next(affected: Iterable[Affected]) -> list[Affected]:
    return [each for each in affected if each.depth == 1]


def _grade(severity: Severity, met: Impact) -> Grade:
    if severity is Severity.CRITICAL:
        return Grade.BREAKING
    return Grade.POSSIBLE if severity is Severity.WARNING and met.total else Grade.HARMLESS


def _taken(unsaid: Sequence[str]) -> str:
    return f"{mentioned(unsaid)} {'is' if len(unsaid) == 1 else 'are'} taken to stay"


def _change(
    dataset: Node, proposal: Proposal, told: tuple[Grade, str], drifts: Collection[ColumnDrift], met: Impact
) -> DatasetChange:
    columns = list(map(_column, drifts))
    return DatasetChange(ref(dataset), told[0], told[1], proposal.stated_by, proposal.file, columns, impacted(met))


def _column(drift: ColumnDrift) -> ProposedColumn:
    types = drift.from_type, drift.to_type
    return ProposedColumn(drift.path, drift.change, *types, drift.retyping, drift.renamed_to, list(drift.evidence))
