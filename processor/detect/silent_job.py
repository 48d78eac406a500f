"""`silent_job`: a job has not started for longer than its own cadence allows.

Rules kept here:
- cadence is the gaps between the starts of the kept runs, failed ones included: a failure is no silence;
- nights and pauses are learned as gaps; weekends do not count for a job that never runs at them;
- few or irregular runs, and a job known for less than `known_hours`, mean patience;
- a job whose newest run is open is not silent (`stuck_run` watches it) until that run counts as abandoned; one
  without an end never is;
- a job silent for very long is retired, and the alert ends.
"""

from __future__ import annotations

from typing import NamedTuple

from processor.detect.batch import is_endless
from processor.detect.knobs import SilentJob, StuckRun
from processor.detect.policy import Policy
from processor.detect.stats import DAY_US, gaps, hours_us, p95, typical
from processor.detect.weekend import runs_at_weekends, working_us
from processor.detect.words import counted, lasting, node_words
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.change import Cause
from processor.model.history import FinishedRun, JobHistory
from processor.model.identity import hash_parts


class Cadence(NamedTuple):
    """What was learned. Gaps are in the time that counts for the job, with weekends or without."""

    gaps_us: tuple[int, ...]
    weekends: bool

    def silence_us(self, since_us: int, now_us: int) -> int:
        """How much of that time has passed."""
        if self.weekends:
            return now_us - since_us
        return working_us(now_us) - working_us(since_us)


def detect(history: JobHistory, policy: Policy, now_us: int) -> list[Finding]:
    """The finding of one job, if it is silent."""
    newest = _newest(history, policy.stuck_run, now_us)
    if newest is None:
        return []
    cadence = learn(history, policy.silent_job)
    if cadence is None or _is_retired(cadence, policy.silent_job, now_us - newest.started_us):
        return []
    limit_us = _limit_us(cadence, policy.silent_job)
    if cadence.silence_us(newest.started_us, now_us) <= limit_us:
        return []
    return [_finding(history, newest, cadence, limit_us)]


def learn(history: JobHistory, knobs: SilentJob) -> Cadence | None:
    """The job's cadence; None while too little is known."""
    starts = sorted({run.started_us for run in history.finished if run.started_us > 0})
    if len(starts) < knobs.min_runs or _known_us(history, starts) < hours_us(knobs.known_hours):
        return None
    weekends = runs_at_weekends(starts)
    times = starts if weekends else [working_us(start) for start in starts]
    cadence = Cadence(tuple(gaps(times)), weekends)
    return cadence if _is_regular(cadence, knobs) else None


def _newest(history: JobHistory, stuck: StuckRun, now_us: int) -> FinishedRun | None:
    """The newest run by start, if it ended: an open one is not silence, until it counts as abandoned."""
    if is_endless(history) or not history.finished:
        return None
    newest = max(history.finished, key=lambda run: run.started_us)
    abandoned_us = now_us - hours_us(stuck.default_hours) - int(stuck.give_up_days * DAY_US)
    is_running = any(run.started_us >= max(newest.started_us, abandoned_us) for run in history.open)
    return None if is_running else newest


def _known_us(history: JobHistory, starts: list[int]) -> int:
    first = min(history.first_seen_us, starts[0]) if history.first_seen_us else starts[0]
    return starts[-1] - first


def _is_regular(cadence: Cadence, knobs: SilentJob) -> bool:
    if len(cadence.gaps_us) + 1 >= knobs.irregular_runs:
        return True
    return max(cadence.gaps_us) <= knobs.irregular * typical(cadence.gaps_us)


def _limit_us(cadence: Cadence, knobs: SilentJob) -> int:
    usual = max(knobs.factor * p95(cadence.gaps_us), knobs.max_factor * max(cadence.gaps_us))
    return max(hours_us(knobs.floor_hours), int(usual))


def _is_retired(cadence: Cadence, knobs: SilentJob, silent_us: int) -> bool:
    longest_us = max(knobs.retire_factor * p95(cadence.gaps_us), knobs.retire_days * DAY_US)
    return silent_us > longest_us


def _finding(history: JobHistory, newest: FinishedRun, cadence: Cadence, limit_us: int) -> Finding:
    job = history.job
    week = "" if cadence.weekends else ", weekends left out"
    return Finding(
        alert_id=hash_parts(AlertKind.SILENT_JOB.value, job.namespace, job.name).hex(),
        kind=AlertKind.SILENT_JOB,
        severity=Severity.WARNING,
        subject=job,
        summary=(
            f"Job {node_words(job)} has not started for more than {lasting(limit_us)}{week}; its last"
            f" {counted(len(cadence.gaps_us) + 1, 'run')} came about every {lasting(typical(cadence.gaps_us))}."
        ),
        since_us=newest.started_us + limit_us,
        cause=Cause(job=job, run_id=newest.run_id),
    )
