"""`missing_inputs`, `missing_outputs`: a run lacks a side of its lineage that its job's runs have.

Rules kept here:
- only completed runs count: a failed run may well have stopped before it read or wrote;
- what is normal is learned from the completed runs before the newest streak of runs that lack the side,
  so that the alert stays until a later run has it; a streak that fills all that a job keeps is the new
  normal;
- a job without an end (STREAMING, SERVICE) is never judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile

from processor.detect.batch import is_endless
from processor.detect.knobs import MissingSide
from processor.detect.policy import Policy
from processor.detect.words import counted, node_words, shown
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.change import Cause
from processor.model.history import FinishedRun, JobHistory
from processor.model.identity import Node, hash_parts
from processor.model.observation import RunState

_Count = Callable[[FinishedRun], int]


def detect_inputs(history: JobHistory, policy: Policy, now_us: int) -> list[Finding]:
    """The finding of one job, if its newest completed run lacks inputs. The time does not matter."""
    _ = now_us
    return _detect(history, policy.missing_inputs, AlertKind.MISSING_INPUTS, lambda run: run.inputs)


def detect_outputs(history: JobHistory, policy: Policy, now_us: int) -> list[Finding]:
    """The finding of one job, if its newest completed run lacks outputs. The time does not matter."""
    _ = now_us
    return _detect(history, policy.missing_outputs, AlertKind.MISSING_OUTPUTS, lambda run: run.outputs)


def _detect(history: JobHistory, knobs: MissingSide, kind: AlertKind, count: _Count) -> list[Finding]:
    if is_endless(history):
        return []
    completed = [run for run in history.finished if run.state is RunState.COMPLETE]
    streak = list(takewhile(lambda run: not count(run), completed))
    usual = completed[len(streak) :]
    having = sum(1 for run in usual if count(run))
    if not streak or len(usual) < knobs.min_runs or having < knobs.share * len(usual):
        return []
    return [_finding(history.job, kind, streak, (having, len(usual)))]


def _finding(job: Node, kind: AlertKind, streak: Sequence[FinishedRun], stands_on: tuple[int, int]) -> Finding:
    having, usual = stands_on
    side = kind.value.removeprefix("missing_")
    first, newest = streak[-1], streak[0]
    more = f", as did {counted(len(streak) - 1, 'run')} before it" if len(streak) > 1 else ""
    return Finding(
        alert_id=hash_parts(kind.value, job.namespace, job.name).hex(),
        kind=kind,
        severity=Severity.WARNING,
        subject=job,
        summary=(
            f"Run {shown(newest.run_id)} of job {node_words(job)} completed without {side}{more};"
            f" {having} of {counted(usual, 'earlier completed run')} had some."
        ),
        since_us=first.ended_us,
        cause=Cause(job=job, run_id=first.run_id),
    )
