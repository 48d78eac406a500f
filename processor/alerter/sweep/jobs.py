"""What is wrong with jobs.

Memory is bounded by the sorts of jobs there are, and by the jobs with too few runs to be judged by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from processor.alerter.sweep.outputs import outputs_in_doubt
from processor.detect import broken_lineage, kinds, silent_job, untrusted_source
from processor.detect.peers import PeerTally
from processor.index.aliases import aliases_of
from processor.index.view import Link, View
from processor.index.writers import written
from processor.judging.scope import Scope, spared
from processor.model.alert import AlertKind, Finding
from processor.model.history import JobHistory, KnownMapping, RunMembers
from processor.model.identity import Node
from processor.model.observation import EdgeType
from processor.model.pages import pages

_PAGE = 50
Told = dict[Node, set[AlertKind]]
"""What is told of jobs."""


def of_jobs(scope: Scope, histories: Iterable[JobHistory]) -> Iterator[Finding]:
    """What is wrong with these jobs, as far as each can be judged by itself."""
    for page in pages(histories, _PAGE):
        scope.breathe()
        yield from spared(scope, page, lambda some: _of_jobs(scope, some), lambda history: history.job)


def of_all_jobs(scope: Scope, histories: Iterable[JobHistory], told: Told) -> Iterator[Finding]:
    """What is wrong with all jobs, which these are: first each by itself, then by its peers where it has too few runs.

    Adds to `told` what explains why a job does not write.
    """
    tally, waiting = PeerTally(scope.policy), list[bytes]()
    for page in pages(histories):
        for finding in of_jobs(scope, page):
            if finding.kind in kinds.KEEPS_FROM_WRITING:
                told.setdefault(finding.subject, set()).add(finding.kind)
            yield finding
        for history in page:
            tally.add(history)
        waiting += [history.job.id for history in page if kinds.awaits_peers(history, scope.policy)]
    for ids in pages(waiting):
        scope.breathe()
        yield from _of_peers(scope, list(scope.view.jobs(ids).values()), tally)


def _of_peers(scope: Scope, histories: Sequence[JobHistory], tally: PeerTally) -> Iterable[Finding]:
    def judge(some: Sequence[JobHistory]) -> Iterable[Finding]:
        return (finding for history in some for finding in kinds.of_peers(history, tally, scope.policy))

    return spared(scope, histories, judge, lambda history: history.job)


def _of_jobs(scope: Scope, histories: Sequence[JobHistory]) -> Iterator[Finding]:
    remapped = scope.view.remapped([history.job.id for history in histories])
    for history in histories:
        findings = kinds.of_job(history, scope.policy, scope.now_us)
        yield from (f for f in findings if f.kind is not AlertKind.SILENT_JOB or not _is_excused(scope, history))
        yield from _of_runs(scope, history, remapped.get(history.job.id, ()))


def _is_excused(scope: Scope, history: JobHistory) -> bool:
    """Whether a silent job is not missed: it has been replaced, or its parent failed."""
    into = scope.view.in_links([history.job.id])[history.job.id]
    parents = scope.view.jobs([link.other for link in into if link.type is EdgeType.PARENT]).values()
    own = scope.policy.for_(history.job)
    return silent_job.is_forgiven(history, parents, own, scope.now_us) or _is_replaced(scope.view, history)


def _is_replaced(view: View, history: JobHistory) -> bool:
    """Whether each output of a job was dropped, or is written since by one that did not write it before."""
    last_us = max(run.started_us for run in history.finished)
    outputs = [link.other for link in view.out_links([history.job.id])[history.job.id] if link.type is EdgeType.WRITES]
    records, into = view.nodes(outputs), view.in_links(outputs)
    left = (id_ for id_ in outputs if id_ in records and not records[id_].dropped)
    is_taken_over = (any(_is_newcomer(link, last_us) for link in into[id_]) for id_ in left)
    return bool(outputs) and all(is_taken_over)


def _is_newcomer(link: Link, last_us: int) -> bool:
    return link.type is EdgeType.WRITES and link.first_us > last_us


def _of_runs(scope: Scope, history: JobHistory, remapped: Sequence[KnownMapping]) -> Iterator[Finding]:
    """What a job's runs lost. What they read and wrote is asked only where the newest differs from others."""
    differs = broken_lineage.is_worth_a_look(history)
    runs = scope.view.members(history.job, history.completed()) if differs else []
    if runs:
        yield from kinds.of_edges(history, runs, _named(scope, history.job, runs), scope.policy)
    outputs = outputs_in_doubt(scope, history, runs, remapped)
    yield from kinds.of_mappings(history, runs, outputs, scope.policy)


def _named(scope: Scope, job: Node, runs: Sequence[RunMembers]) -> dict[bytes, Node]:
    """What the runs lost and gained, of that what is neither dropped nor still used under another name."""
    found = broken_lineage.losses(runs, scope.policy.for_(job).broken_lineage)
    lost = {id_ for one in found for id_ in one.streaks}
    records = scope.view.nodes(sorted(lost.union(*(one.gained for one in found))))
    left_out = _used_otherwise(scope.view, lost, runs) | _refused(scope, job, lost, runs)
    return {i: record.node for i, record in records.items() if not record.dropped and i not in left_out}


def _refused(scope: Scope, job: Node, lost: set[bytes], runs: Sequence[RunMembers]) -> set[bytes]:
    """Sources that the job, or what it writes, was not to draw on: that it no longer does is as it should be."""
    if not lost or not scope.policy.guarded:
        return set()
    records = scope.view.nodes([*lost, *runs[0].outputs])
    subjects = (job, *(records[i].node for i in sorted(runs[0].outputs) if i in records))
    guards = [guard for subject in subjects for guard in untrusted_source.guards_of(subject, scope.policy)]
    refused = {i for i in lost if i in records and untrusted_source.is_outside(records[i].node, guards)}
    return refused - written(scope.view, scope.view.in_links(sorted(refused)))


def _used_otherwise(view: View, lost: set[bytes], runs: Sequence[RunMembers]) -> set[bytes]:
    if not lost:
        return set()
    used = runs[0].inputs | runs[0].outputs
    return {i for i, names in aliases_of(view, lost).items() if names & used}
