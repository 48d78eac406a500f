"""`silent_job`: a job has not started for longer than its own cadence allows.

Rules kept here:
- cadence is learned (`cadence`) from the starts of the kept runs, failed ones included: a failure is no silence;
- the kept runs of a frequent job tell nothing of its week: if they lie within less than one, the hours of the last
  days in which it started do, nights and weekends included. Of one that never rests the starts say how often;
- where less than a week is known of a job so frequent that all its kept runs lie within a day, nothing is known of
  nights: a day is the least. If they lie within a few hours they may as well be a backfill's, and nothing is said;
- a job whose newest run has started and is open is not silent (`stuck_run` watches it) until that run counts as
  abandoned; one without an end never is;
- a job whose every output was dropped or is written by a newcomer has been replaced (renamed), and is not missed: the
  sweep asks for that (`alerter.sweep.jobs`);
- a job whose parent is under way waits for its turn (`stuck_run` watches the parent): so a DAG that comes back after
  days brings no alerts of its tasks. One whose parent began since and failed lost a turn: that is forgiven once, for
  who starts the parent tells its failure;
- a job silent for very long is retired, and the alert ends.
"""

from __future__ import annotations

from collections.abc import Iterable

from processor.detect.batch import is_endless
from processor.detect.cadence import Cadence, gaps_that_count, learn
from processor.detect.knobs import SilentJob, StuckRun
from processor.detect.policy import Policy
from processor.detect.stats import DAY_US, HOUR_US, hours_us, typical
from processor.detect.words import counted, lasting, node_words
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.change import Cause
from processor.model.history import RECENT_RUNS, FinishedRun, JobHistory
from processor.model.identity import hash_parts
from processor.model.observation import RunState

_BACKFILL_HOURS = 6.0
"""As long as a backfill of all the runs that a job keeps may take."""
_WEEK_KNOWN_US = 6 * DAY_US
"""From the first to the last of so many days there is the middle of a weekend, whenever that began."""


def detect(history: JobHistory, policy: Policy, now_us: int) -> list[Finding]:
    """The finding of one job, if it is silent."""
    newest = _newest(history, policy.stuck_run, now_us)
    cadence = cadence_of(history, policy.silent_job)
    if newest is None or cadence is None or not cadence.is_silent(newest.started_us, now_us):
        return []
    return [_finding(history, newest, cadence)]


def cadence_of(history: JobHistory, knobs: SilentJob) -> Cadence | None:
    """The job's cadence; None while too little is known."""
    starts = _starts(history)
    weekly = _weekly(history, starts, knobs)
    if weekly is not None:
        return weekly
    is_known = bool(starts) and starts[-1] - history.first_seen_us >= hours_us(knobs.known_hours)
    if not is_known or len(history.finished) < RECENT_RUNS or starts[-1] - starts[0] < hours_us(_BACKFILL_HOURS):
        return learn(starts, knobs)
    known = learn(starts, knobs, known_us=0)
    is_frequent = starts[-1] - starts[0] < hours_us(knobs.known_hours)
    least_us = hours_us(knobs.known_hours) if is_frequent else 0
    return known and known._replace(limit_us=max(known.limit_us, least_us))


def _starts(history: JobHistory) -> list[int]:
    """When its kept runs started, oldest first."""
    return sorted({run.started_us for run in history.finished if run.started_us > 0})


def _weekly(history: JobHistory, starts: list[int], knobs: SilentJob) -> Cadence | None:
    """The cadence of a frequent job, of which the hours of a week are known; None for another."""
    hours_known = [hour * HOUR_US for hour in history.started_hours]
    if len(history.finished) < RECENT_RUNS or not hours_known or not starts:
        return None
    if starts[-1] - starts[0] >= 7 * DAY_US or hours_known[0] - hours_known[-1] < _WEEK_KNOWN_US:
        return None
    hourly = learn(hours_known, knobs)
    if hourly is None:
        return None
    own = learn(starts, knobs, known_us=0, weekends=hourly.weekends) if max(hourly.gaps_us) <= HOUR_US else None
    # An hour is known to the hour.
    return own or hourly._replace(limit_us=hourly.limit_us + HOUR_US)


def is_forgiven(history: JobHistory, parents: Iterable[JobHistory], policy: Policy, now_us: int) -> bool:
    """Whether a silent job waits for its turn in a parent that is under way, or lost one turn to one that failed."""
    newest, cadence = _newest(history, policy.stuck_run, now_us), cadence_of(history, policy.silent_job)
    if newest is None or cadence is None:
        return False
    some = [parent for parent in parents if parent.finished]
    if any(_is_under_way(parent, newest.started_us, policy.stuck_run, now_us) for parent in some):
        return True
    has_failed = any(_has_failed_since(parent, newest.started_us) for parent in some)
    return has_failed and not cadence.forgiving().is_silent(newest.started_us, now_us)


def _has_failed_since(parent: JobHistory, since_us: int) -> bool:
    return any(run.started_us > since_us and run.state is not RunState.COMPLETE for run in parent.finished)


def _is_under_way(job: JobHistory, since_us: int, stuck: StuckRun, now_us: int) -> bool:
    """Whether the job has a run since then that has not ended, and does not count as abandoned."""
    abandoned_us = now_us - hours_us(stuck.default_hours) - int(stuck.give_up_days * DAY_US)
    return any(run.started_us >= max(since_us, abandoned_us) for run in job.running())


def is_retired(history: JobHistory, policy: Policy, now_us: int) -> bool:
    """Whether the job has been silent for so long that nobody expects it to run again."""
    newest = _newest(history, policy.stuck_run, now_us)
    cadence = cadence_of(history, policy.silent_job)
    return newest is not None and cadence is not None and cadence.is_retired(newest.started_us, now_us)


def _newest(history: JobHistory, stuck: StuckRun, now_us: int) -> FinishedRun | None:
    """The newest run by start, if it ended: an open one is not silence, until it counts as abandoned."""
    if is_endless(history) or not history.finished:
        return None
    newest = max(history.finished, key=lambda run: run.started_us)
    return None if _is_under_way(history, newest.started_us, stuck, now_us) else newest


def _finding(history: JobHistory, newest: FinishedRun, cadence: Cadence) -> Finding:
    job, starts = history.job, _starts(history)
    every = typical(gaps_that_count(starts, weekends=cadence.weekends))
    week = "" if cadence.weekends else ", weekends left out"
    return Finding(
        alert_id=hash_parts(AlertKind.SILENT_JOB.value, job.namespace, job.name).hex(),
        kind=AlertKind.SILENT_JOB,
        severity=Severity.WARNING,
        subject=job,
        summary=(
            f"Job {node_words(job)} has not started for more than {lasting(cadence.limit_us)}{week}; its last"
            f" {counted(len(starts), 'run')} came about every {lasting(every)}."
        ),
        since_us=newest.started_us + cadence.limit_us,
        cause=Cause(job=job, run_id=newest.run_id),
    )
