"""`orphan_dataset`: a dataset is read, and nobody is known to write it, where somebody should be.

Rules kept here:
- a root of the graph is no orphan by being a root: either the policy declares what the sources are and
  it is none of them, or nearly all its siblings have a writer;
- nothing is said of a dropped dataset, of one in memory, or of one first seen within `grace_hours`.
"""

from __future__ import annotations

from processor.detect.policy import Policy
from processor.detect.profile import DatasetProfile
from processor.detect.stats import hours_us
from processor.detect.words import counted, listed, node_words
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.change import Cause
from processor.model.identity import hash_parts

_IN_MEMORY = "inmemory:"


def detect(profile: DatasetProfile, policy: Policy, now_us: int) -> list[Finding]:
    """The finding of one dataset, if it is an orphan."""
    if is_excused(profile, policy) or _is_young(profile, policy, now_us):
        return []
    reason = _reason(profile, policy)
    return [_finding(profile, reason)] if reason else []


def is_excused(profile: DatasetProfile, policy: Policy) -> bool:
    """Whether the dataset is no orphan, whatever its siblings are."""
    if profile.dropped or profile.writers or not profile.reader_count:
        return True
    return profile.dataset.namespace.startswith(_IN_MEMORY) or policy.is_source(profile.dataset)


def _is_young(profile: DatasetProfile, policy: Policy, now_us: int) -> bool:
    return now_us - profile.first_seen_us < hours_us(policy.orphan_dataset.grace_hours)


def _reason(profile: DatasetProfile, policy: Policy) -> str | None:
    knobs = policy.orphan_dataset
    with_writer = profile.siblings_with_writer
    if profile.siblings >= knobs.min_siblings and with_writer >= knobs.sibling_share * profile.siblings:
        return f"{with_writer} of the {profile.siblings} other datasets beside it have a writer"
    if policy.sources:
        return "it is none of the declared sources"
    return None


def _finding(profile: DatasetProfile, reason: str) -> Finding:
    dataset = profile.dataset
    names = listed([node_words(job) for job in profile.readers], profile.reader_count)
    who = f"{counted(profile.reader_count, 'job')} ({names})" if names else counted(profile.reader_count, "job")
    return Finding(
        alert_id=hash_parts(AlertKind.ORPHAN_DATASET.value, dataset.namespace, dataset.name).hex(),
        kind=AlertKind.ORPHAN_DATASET,
        severity=Severity.WARNING,
        subject=dataset,
        summary=f"Dataset {node_words(dataset)} is read by {who}, but nobody is known to write it; {reason}.",
        since_us=profile.first_seen_us,
        cause=Cause(job=profile.readers[0] if profile.readers else None),
    )
