"""`silent_dataset`: a dataset has not been written for longer than its own cadence allows.

Rules kept here:
- cadence is learned (`cadence`) from the newest hours in which a run that has not failed wrote the dataset, whoever
  wrote it: many jobs, or one after another that never come twice. A backfill within an hour is one of them;
- hours are known to the hour, so an hour is added; where all hours that are kept lie within less than a day, nothing is
  known of nights, and a day is the least;
- one cause, one alert: nothing is said while a writer is told of itself (`silent_job`, `stuck_run`, `broken_lineage`,
  `missing_outputs`), while a batch writer's run is under way, nor when every writer is silent, or retired, itself. Of a
  dataset with one writer, which has not started since, nothing is said at all: more is known of how often that starts;
- of a dataset that is never written at weekends one turn more is forgiven, if a writer failed since: a holiday beside a
  day on which nothing helped is two turns, and nobody's death;
- a dataset whose turn is over (`rotation`), or that is written under another of its names, is not silent; nor is one
  that was dropped;
- what is silent for very long is retired.
"""

from __future__ import annotations

from processor.detect import silent_job
from processor.detect.batch import is_endless
from processor.detect.cadence import Cadence, learn
from processor.detect.knobs import SilentDataset
from processor.detect.policy import Policy
from processor.detect.profile import WrittenDataset
from processor.detect.silent_job import is_retired
from processor.detect.stats import DAY_US, HOUR_US, hours_us, typical
from processor.detect.words import counted, lasting, listed, node_words
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.change import Cause
from processor.model.history import RECENT_HOURS, JobHistory, NodeRecord
from processor.model.identity import hash_parts
from processor.model.observation import RunState


def is_late(record: NodeRecord, policy: Policy, now_us: int) -> bool:
    """Whether the dataset should have been written again, before anybody is asked why it was not."""
    cadence = cadence_of(record, policy.silent_dataset)
    return cadence is not None and cadence.is_silent(written_us(record), now_us)


def detect(dataset: WrittenDataset, policy: Policy, now_us: int) -> list[Finding]:
    """The finding of one dataset, if it is silent and nobody else is to blame."""
    record = dataset.record
    cadence = cadence_of(record, policy.silent_dataset)
    if cadence is None:
        return []
    if not cadence.weekends and _has_failed_since(dataset):
        cadence = cadence.forgiving()
    if not cadence.is_silent(written_us(record), now_us):
        return []
    if dataset.told or dataset.has_moved_on or _is_accounted_for(dataset, policy, now_us):
        return []
    return [_finding(dataset, cadence)]


def cadence_of(record: NodeRecord, knobs: SilentDataset) -> Cadence | None:
    """The dataset's cadence; None while too little is known."""
    times = [hour * HOUR_US for hour in record.written_hours]
    if len(times) < RECENT_HOURS or max(times) - min(times) >= hours_us(knobs.known_hours):
        known, least_us = learn(times, knobs), 0
    else:
        known, least_us = learn(times, knobs, known_us=0), hours_us(knobs.known_hours)
    return known and known._replace(limit_us=max(known.limit_us, least_us) + HOUR_US)


def written_us(record: NodeRecord) -> int:
    """When the dataset was written last."""
    return record.last_write_us or record.written_hours[0] * HOUR_US


def _has_failed_since(dataset: WrittenDataset) -> bool:
    since_us = written_us(dataset.record)
    runs = (run for writer in dataset.writers for run in writer.history.finished if run.started_us > since_us)
    return any(run.state is not RunState.COMPLETE for run in runs)


def _is_accounted_for(dataset: WrittenDataset, policy: Policy, now_us: int) -> bool:
    histories = [writer.history for writer in dataset.writers]
    since_us = max(written_us(dataset.record), now_us - int(policy.stuck_run.give_up_days * DAY_US))
    if any(_is_running(history, since_us) for history in histories) or _awaits_its_writer(dataset, policy):
        return True
    return bool(histories) and all(
        is_retired(history, policy, now_us) or silent_job.detect(history, policy, now_us) for history in histories
    )


def _awaits_its_writer(dataset: WrittenDataset, policy: Policy) -> bool:
    """Whether its one writer, of which enough is known, has not started since it wrote it."""
    history = dataset.writers[0].history if dataset.writer_count == len(dataset.writers) == 1 else None
    if history is None or is_endless(history) or not history.finished:
        return False
    starts = [run.started_us for run in history.finished]
    is_known = max(starts) - min(starts) >= hours_us(policy.silent_job.known_hours)
    return is_known and max(starts) <= written_us(dataset.record)


def _is_running(history: JobHistory, since_us: int) -> bool:
    return not is_endless(history) and any(run.started_us > since_us for run in history.running())


def _finding(dataset: WrittenDataset, cadence: Cadence) -> Finding:
    node, writers = dataset.record.node, [writer.history.job for writer in dataset.writers]
    week = "" if cadence.weekends else ", weekends left out"
    who = f" by {listed([node_words(job) for job in writers], dataset.writer_count)}" if writers else ""
    return Finding(
        alert_id=hash_parts(AlertKind.SILENT_DATASET.value, node.namespace, node.name).hex(),
        kind=AlertKind.SILENT_DATASET,
        severity=Severity.WARNING,
        subject=node,
        summary=(
            f"Dataset {node_words(node)} has not been written{who} for more than {lasting(cadence.limit_us)}{week}; its"
            f" last {counted(len(cadence.gaps_us) + 1, 'hour')} with a write came about every"
            f" {lasting(typical(cadence.gaps_us))}."
        ),
        since_us=written_us(dataset.record) + cadence.limit_us,
        cause=Cause(job=writers[0] if len(writers) == 1 else None),
    )
