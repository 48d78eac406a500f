"""`stuck_run`: a run started and has not ended within its job's own usual duration.

Rules kept here:
- usual is learned from the job's completed runs, the longest of them included (a full load at the end of the month);
- too few of them mean patience: then the time counts from when the job was heard of last, for a job that still speaks
  may be one without an end that does not say so; the summary says on how many runs the limit stands;
- a run is running once a START or RUNNING says so: one that was only created, or of which OTHER alone tells, is not;
- a job without an end (STREAMING, SERVICE) is never stuck; nor is one that tells no ends, as its runs have shown;
- after `give_up_days` a run that never ended counts as abandoned: its worker is long gone.
"""

from __future__ import annotations

from processor.detect.batch import is_endless
from processor.detect.knobs import StuckRun
from processor.detect.policy import Policy
from processor.detect.stats import DAY_US, hours_us, p95
from processor.detect.words import counted, lasting, node_words, shown
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.change import Cause
from processor.model.history import JobHistory, OpenRun
from processor.model.identity import Node, hash_parts
from processor.model.observation import RunState


def detect(history: JobHistory, policy: Policy, now_us: int) -> list[Finding]:
    """One finding for each open run of the job that is over its limit and not abandoned."""
    running = history.running()
    if is_endless(history) or not running or _tells_no_ends(history, running):
        return []
    knobs = policy.stuck_run
    durations = _durations(history)
    limit_us = _limit_us(durations, knobs)
    give_up_us = limit_us + int(knobs.give_up_days * DAY_US)
    newest = max(running, key=lambda run: run.started_us)
    speaks = newest if len(durations) < knobs.min_runs else None
    stuck = [run for run in running if limit_us < now_us - _heard_us(run, history, speaks) <= give_up_us]
    stands_on = _stands_on(durations, knobs)
    return [_finding(history.job, run, limit_us, stands_on) for run in stuck]


def _tells_no_ends(history: JobHistory, running: list[OpenRun]) -> bool:
    """Whether several runs of the job began and none ever ended: some integrations (notebooks) tell no ends."""
    return not history.finished and len(running) > 1


def _heard_us(run: OpenRun, history: JobHistory, speaks: OpenRun | None) -> int:
    """Since when nothing is known of the run: its start, or what was last heard of its job.

    `speaks`: whose word that is taken for, if it is anybody's: the newest run of a job that is hardly known.
    """
    return max(run.started_us, history.last_seen_us) if run is speaks else run.started_us


def _durations(history: JobHistory) -> list[int]:
    completed = (run for run in history.finished if run.state is RunState.COMPLETE)
    return [run.ended_us - run.started_us for run in completed if 0 < run.started_us <= run.ended_us]


def _limit_us(durations: list[int], knobs: StuckRun) -> int:
    if len(durations) < knobs.min_runs:
        return hours_us(knobs.default_hours)
    usual = max(knobs.factor * p95(durations), knobs.max_factor * max(durations))
    return max(hours_us(knobs.floor_hours), int(usual))


def _stands_on(durations: list[int], knobs: StuckRun) -> str:
    runs = counted(len(durations), "completed run")
    if len(durations) < knobs.min_runs:
        return f"only {runs} known, so the default limit"
    return f"the limit stands on {runs} that took up to {lasting(max(durations))}"


def _finding(job: Node, run: OpenRun, limit_us: int, stands_on: str) -> Finding:
    return Finding(
        alert_id=hash_parts(AlertKind.STUCK_RUN.value, job.namespace, job.name, run.run_id).hex(),
        kind=AlertKind.STUCK_RUN,
        severity=Severity.WARNING,
        subject=job,
        summary=(
            f"Run {shown(run.run_id)} of job {node_words(job)} has not ended within {lasting(limit_us)}"
            f" of its start ({stands_on})."
        ),
        since_us=run.started_us + limit_us,
        cause=Cause(job=job, run_id=run.run_id),
    )
