"""`missing_inputs`, `missing_outputs`: a run lacks a side of its lineage that such runs have.

Rules kept here:
- only completed runs count: a failed run may well have stopped before it read or wrote;
- what is normal is learned from the completed runs before the newest streak of runs that lack the side,
  so that the alert stays until a later run has it; a streak that fills all that a job keeps is the new
  normal, and one no longer than those that were made up for before is a habit;
- of a job with too few runs of its own it is learned from its peers, the jobs of the same integration and
  jobType (`peers`): that is a guess, so it is only for the record, and a few runs of its own end it;
- what the policy requires, every run must have;
- a job without an end (STREAMING, SERVICE) is never judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from processor.detect import habit
from processor.detect.batch import is_endless
from processor.detect.knobs import MissingSide
from processor.detect.policy import Policy, matches
from processor.detect.words import counted, node_words, shown
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.change import Cause
from processor.model.history import FinishedRun, JobHistory
from processor.model.identity import Node, hash_parts

Count = Callable[[FinishedRun], int]

SIDES: dict[AlertKind, Count] = {
    AlertKind.MISSING_INPUTS: lambda run: run.inputs,
    AlertKind.MISSING_OUTPUTS: lambda run: run.outputs,
}
"""How many datasets of the side in question a run has."""
_WITHOUT = "completed without"
_REQUIRED = "the policy requires some"


class Peers(NamedTuple):
    """How many jobs of one sort have been learned, and how many of them normally have a side."""

    sort: str
    jobs: int
    having: int


def detect_inputs(history: JobHistory, policy: Policy, now_us: int) -> list[Finding]:
    """The finding of one job, if its newest completed run lacks inputs. The time does not matter."""
    _ = now_us
    return _detect(history, policy, AlertKind.MISSING_INPUTS)


def detect_outputs(history: JobHistory, policy: Policy, now_us: int) -> list[Finding]:
    """The finding of one job, if its newest completed run lacks outputs. The time does not matter."""
    _ = now_us
    return _detect(history, policy, AlertKind.MISSING_OUTPUTS)


def knobs_of(policy: Policy, kind: AlertKind) -> MissingSide:
    """The section of one of the two kinds."""
    return policy.missing_inputs if kind is AlertKind.MISSING_INPUTS else policy.missing_outputs


def normally_has(history: JobHistory, kind: AlertKind, knobs: MissingSide) -> bool | None:
    """Whether the job's own runs have the side as a rule; None while there are too few of them."""
    runs = history.completed()
    if len(runs) < knobs.min_runs:
        return None
    return sum(1 for run in runs if SIDES[kind](run)) >= knobs.share * len(runs)


def awaits_peers(history: JobHistory, kind: AlertKind, knobs: MissingSide) -> bool:
    """Whether only its peers can tell if the job lacks the side."""
    runs = history.completed()
    is_young = 0 < len(runs) < knobs.min_runs and not is_endless(history)
    return is_young and not any(map(SIDES[kind], runs)) and not matches(knobs.require, history.job)


def detect_by_peers(history: JobHistory, kind: AlertKind, peers: Peers, policy: Policy) -> list[Finding]:
    """The finding of a job that lacks what its peers have."""
    knobs = knobs_of(policy, kind)
    is_normal = peers.jobs >= knobs.min_peers and peers.having >= knobs.peer_share * peers.jobs
    if not is_normal or not awaits_peers(history, kind, knobs):
        return []
    basis = f"{peers.having} of {peers.jobs} other {shown(peers.sort)} jobs normally have some"
    alert_id = peers_id(kind, history.job)
    return [_finding(history.job, kind, history.completed(), basis, Severity.INFO, alert_id)]


def peers_id(kind: AlertKind, job: Node) -> str:
    """The alert of a job that lacks what its peers have: another one than if it lacks what it had itself."""
    return hash_parts(kind.value, job.namespace, job.name, "peers").hex()


def is_required(finding: Finding) -> bool:
    """Whether it holds because the policy says so, and not by what was learned."""
    said = finding.summary.rpartition(_WITHOUT)[2]  # what follows names nobody
    return finding.kind in SIDES and f"; {_REQUIRED}" in said


def _detect(history: JobHistory, policy: Policy, kind: AlertKind) -> list[Finding]:
    knobs = knobs_of(policy, kind)
    runs = history.completed()
    had = [SIDES[kind](run) > 0 for run in runs]
    lacking = runs[: habit.streak(had)]
    basis = _basis(history.job, had, knobs)
    if is_endless(history) or not lacking or basis is None:
        return []
    alert_id = hash_parts(kind.value, history.job.namespace, history.job.name).hex()
    return [_finding(history.job, kind, lacking, basis, Severity.WARNING, alert_id)]


def _basis(job: Node, had: Sequence[bool], knobs: MissingSide) -> str | None:
    """Why the newest runs should have it."""
    usual = had[habit.streak(had) :]
    is_learned = len(usual) >= knobs.min_runs and sum(usual) >= knobs.share * len(usual)
    if is_learned and habit.is_unusual(had):
        return f"{sum(usual)} of {counted(len(usual), 'earlier completed run')} had some"
    return _REQUIRED if matches(knobs.require, job) else None


def _finding(
    job: Node, kind: AlertKind, lacking: Sequence[FinishedRun], basis: str, severity: Severity, alert_id: str
) -> Finding:
    side = kind.value.removeprefix("missing_")
    first, newest = lacking[-1], lacking[0]
    more = f", as did {counted(len(lacking) - 1, 'run')} before it" if len(lacking) > 1 else ""
    return Finding(
        alert_id=alert_id,
        kind=kind,
        severity=severity,
        subject=job,
        summary=f"Run {shown(newest.run_id)} of job {node_words(job)} {_WITHOUT} {side}{more}; {basis}.",
        since_us=first.ended_us,
        cause=Cause(job=job, run_id=first.run_id),
    )
