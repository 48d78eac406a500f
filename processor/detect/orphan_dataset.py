"""`orphan_dataset`: a dataset is read, and nobody is known to write it, where somebody should be.

Rules kept here:
- a root of the graph is no orphan by being a root: either the policy declares what the sources are and
  it is none of them, or nearly all its siblings have a writer. What stands beside it says nothing until lineage has
  been coming in for `known_hours`: who writes once a night or a weekend has not been heard of before. What was read by
  then already is as it always was, and its writer may come once a month: it is given `start_days`;
- one that had writers is an orphan once it has lost them: it is read still, long after its last write (or later than
  that, when by its own cadence it should have been written again), and each of its newest writers is retired or has
  completed `lost_runs` runs without it. Told only of what was written time and again,
  and only where nothing else tells it: no writer is told to write nothing at all, and there is no next name in turn.
  That a writer is silent or stuck by now does not explain what it left long before. It is told instead of
  `silent_dataset`. That a writer writes something else (`broken_lineage`) is told of the job and at once; that somebody
  goes on reading what it left is told of the dataset as well;
- nothing is said of a dropped dataset, of one in memory, or of one first seen within `grace_hours`.
"""

from __future__ import annotations

from collections.abc import Sequence

from processor.detect import silent_dataset
from processor.detect.knobs import OrphanDataset
from processor.detect.policy import Policy
from processor.detect.profile import DatasetProfile, Writer, WrittenDataset
from processor.detect.silent_job import is_retired
from processor.detect.stats import DAY_US, HOUR_US, hours_us
from processor.detect.words import counted, lasting, listed, node_words
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.change import Cause
from processor.model.history import NodeRecord
from processor.model.identity import Node, hash_parts

_IN_MEMORY = "inmemory:"
_HABIT = 3
"""Hours with a write that make a dataset one which is written time and again."""


def detect(profile: DatasetProfile, policy: Policy, now_us: int) -> list[Finding]:
    """The finding of one dataset, if it is an orphan."""
    if is_excused(profile, policy) or _is_young(profile, policy, now_us):
        return []
    reason = _reason(profile, policy, now_us)
    return [_finding(profile, reason)] if reason else []


def may_be_deserted(record: NodeRecord, policy: Policy, now_us: int) -> bool:
    """Whether it is worth a look if the dataset has lost its writers: it was written time and again, and not lately."""
    if len(record.written_hours) < _HABIT or policy.is_source(record.node):
        return False
    return now_us - record.written_hours[0] * HOUR_US >= hours_us(policy.orphan_dataset.lost_hours)


def detect_lost(dataset: WrittenDataset, policy: Policy, now_us: int) -> list[Finding]:
    """The finding of a dataset that had writers, if it has lost them and nothing else tells it."""
    if AlertKind.MISSING_OUTPUTS in dataset.told or dataset.has_moved_on or not dataset.writers:
        return []
    if not _is_read_on(dataset, policy, now_us):
        return []
    runs = [_runs_since(writer) for writer in dataset.writers]
    in_doubt = (w for n, w in zip(runs, dataset.writers, strict=True) if n < policy.orphan_dataset.lost_runs)
    is_lost = all(is_retired(writer.history, policy, now_us) for writer in in_doubt)
    return [_lost(dataset, runs)] if is_lost else []


def _is_read_on(dataset: WrittenDataset, policy: Policy, now_us: int) -> bool:
    """Whether it was read when it should have been written again."""
    lag_us = dataset.read_us - _written_us(dataset)
    is_long = lag_us >= hours_us(policy.orphan_dataset.lost_hours)
    return is_long or (lag_us > 0 and silent_dataset.is_late(dataset.record, policy, now_us))


def lost_id(dataset: Node) -> str:
    """The alert of a dataset that lost its writers: another one than if it never had any."""
    return hash_parts(AlertKind.ORPHAN_DATASET.value, dataset.namespace, dataset.name, "lost").hex()


def _runs_since(writer: Writer) -> int:
    """How many runs the job has completed since the hour in which it wrote the dataset last."""
    return sum(1 for run in writer.history.completed() if run.ended_us >= writer.last_us + HOUR_US)


def _lost(dataset: WrittenDataset, runs: Sequence[int]) -> Finding:
    node, writers = dataset.record.node, [writer.history.job for writer in dataset.writers]
    named = listed([node_words(job) for job in writers], dataset.writer_count)
    since = f"it has completed {counted(runs[0], 'run')} since" if len(runs) == 1 else "they write it no longer"
    return Finding(
        alert_id=lost_id(node),
        kind=AlertKind.ORPHAN_DATASET,
        severity=Severity.WARNING,
        subject=node,
        summary=(
            f"Dataset {node_words(node)} is still read by {_who(dataset.readers, dataset.reader_count)}, but was last"
            f" written by {named} {lasting(dataset.read_us - _written_us(dataset))} before; {since}."
        ),
        since_us=_written_us(dataset),
        cause=Cause(job=writers[0]),
    )


def _written_us(dataset: WrittenDataset) -> int:
    return max(writer.last_us for writer in dataset.writers)


def is_excused(profile: DatasetProfile, policy: Policy) -> bool:
    """Whether the dataset is no orphan, whatever its siblings are."""
    if profile.dropped or not profile.reader_count:
        return True
    return profile.dataset.namespace.startswith(_IN_MEMORY) or policy.is_source(profile.dataset)


def _is_young(profile: DatasetProfile, policy: Policy, now_us: int) -> bool:
    return now_us - profile.first_seen_us < hours_us(policy.orphan_dataset.grace_hours)


def _reason(profile: DatasetProfile, policy: Policy, now_us: int) -> str | None:
    knobs = policy.orphan_dataset
    is_known = now_us - profile.lineage_since_us >= _patience_us(profile, knobs)
    with_writer = profile.siblings_with_writer
    if is_known and profile.siblings >= knobs.min_siblings and with_writer >= knobs.sibling_share * profile.siblings:
        return f"{with_writer} of the {profile.siblings} other datasets beside it have a writer"
    if policy.sources:
        return "it is none of the declared sources"
    return None


def _patience_us(profile: DatasetProfile, knobs: OrphanDataset) -> int:
    """How long lineage must have been coming in, before a dataset without a writer has none."""
    known_us = hours_us(knobs.known_hours)
    was_there = profile.first_seen_us - profile.lineage_since_us < known_us
    return max(known_us, int(knobs.start_days * DAY_US)) if was_there else known_us


def _finding(profile: DatasetProfile, reason: str) -> Finding:
    dataset = profile.dataset
    who = _who(profile.readers, profile.reader_count)
    return Finding(
        alert_id=hash_parts(AlertKind.ORPHAN_DATASET.value, dataset.namespace, dataset.name).hex(),
        kind=AlertKind.ORPHAN_DATASET,
        severity=Severity.WARNING,
        subject=dataset,
        summary=f"Dataset {node_words(dataset)} is read by {who}, but nobody is known to write it; {reason}.",
        since_us=profile.first_seen_us,
        cause=Cause(job=profile.readers[0] if profile.readers else None),
    )


def _who(readers: Sequence[Node], count: int) -> str:
    names = listed([node_words(job) for job in readers], count)
    return f"{counted(count, 'job')} ({names})" if names else counted(count, "job")
