"""Losses of lineage that were told and that the kept runs no longer tell of: read what says whether they last."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from processor.detect import lasting_loss
from processor.detect.missing_lineage import SIDES
from processor.judging.scope import Scope, spared
from processor.model.alert import AlertKind, Finding, Member
from processor.model.change import Cause
from processor.model.history import JobHistory, RunMembers
from processor.model.identity import Kind
from processor.model.pages import pages


def is_forgotten(scope: Scope, finding: Finding) -> bool:
    """Whether a finding that no longer holds is forgotten, and not mended."""
    if finding.kind not in lasting_loss.KINDS or finding.subject.kind is not Kind.JOB:
        return False
    history = scope.view.jobs([finding.subject.id]).get(finding.subject.id)
    runs = _runs(scope, finding, history) if history else []
    learned_from = [each.run for each in runs]
    if not history or not lasting_loss.may_be_forgotten(finding, history, learned_from, scope.policy, scope.now_us):
        return False
    return lasting_loss.lacks_side(finding, runs[0].run) or _lacks_more(scope, finding, runs[0])


def of_storms(scope: Scope, storms: Iterable[Finding], held: Collection[str]) -> Iterator[Finding]:
    """What open storms tell of by name that no longer holds, but is forgotten and not mended. `held`: what holds."""
    for storm in storms:
        told = [member for member in storm.members if member.kind in lasting_loss.KINDS and member.alert_id not in held]
        for page in pages(told):
            scope.breathe()
            yield from spared(scope, page, lambda some: _lasting(scope, some), lambda member: member.subject)


def _lasting(scope: Scope, members: Sequence[Member]) -> Iterator[Finding]:
    histories = scope.view.jobs([member.subject.id for member in members if member.subject.kind is Kind.JOB])
    for member in members:
        history = histories.get(member.subject.id)
        finding = _as_told(member, history) if history else None
        if finding and is_forgotten(scope, finding):
            yield finding


def _as_told(member: Member, history: JobHistory) -> Finding:
    """The finding of a member; the run that it began with, where that is still kept."""
    first = next((run.run_id for run in history.completed() if run.ended_us == member.since_us), None)
    told = member.alert_id, member.kind, member.severity, member.subject, member.summary, member.since_us
    return Finding(*told, cause=Cause(job=history.job, run_id=first))


def _runs(scope: Scope, finding: Finding, history: JobHistory) -> list[RunMembers]:
    """The completed runs, newest first; where their details matter, those of which they are kept."""
    completed = history.completed()
    if finding.kind in SIDES:
        return [RunMembers(run, frozenset(), frozenset(), frozenset()) for run in completed]
    return scope.view.members(history.job, completed)


def _lacks_more(scope: Scope, finding: Finding, newest: RunMembers) -> bool:
    job = finding.subject
    if finding.kind is AlertKind.MISSING_COLUMN_LINEAGE:
        return lasting_loss.lacks_parents(finding, scope.view.mappings([job.id]).get(job.id, ()))
    if finding.kind is not AlertKind.BROKEN_LINEAGE or not finding.cause.run_id:
        return False
    first = scope.view.run(job, finding.cause.run_id)
    return first is not None and lasting_loss.lacks_edges(first, newest)
