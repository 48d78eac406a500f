"""Every detector behind one door for each thing that is looked at, with what the policy permits.

Both the edge-triggered and the level-triggered path come through here, so they cannot differ. Here the policy becomes
the one that holds for the subject, so no detector need ask for its overrides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from processor.detect import missing_lineage, orphan_dataset, schema_drift, silent_job, stuck_run
from processor.detect.policy import Policy
from processor.detect.profile import DatasetProfile
from processor.detect.schema_drift import ImpactOf
from processor.model.alert import AlertKind, Finding
from processor.model.history import JobHistory, Lane

JobDetector = Callable[[JobHistory, Policy, int], list[Finding]]

JOB_DETECTORS: dict[AlertKind, JobDetector] = {
    AlertKind.MISSING_INPUTS: missing_lineage.detect_inputs,
    AlertKind.MISSING_OUTPUTS: missing_lineage.detect_outputs,
    AlertKind.STUCK_RUN: stuck_run.detect,
    AlertKind.SILENT_JOB: silent_job.detect,
}
JOB_KINDS = frozenset(JOB_DETECTORS)
SCHEMA_KINDS = frozenset({AlertKind.SCHEMA_DRIFT})
JUDGED_ON_CHANGE = JOB_KINDS | SCHEMA_KINDS | {AlertKind.ORPHAN_DATASET}
"""Kinds of which one change is reason enough to judge its node anew; the others are for a sweep alone."""


def of_job(history: JobHistory, policy: Policy, now_us: int) -> list[Finding]:
    """All that is wrong with a job."""
    own = policy.for_(history.job)
    found = (detect(history, own, now_us) for detect in JOB_DETECTORS.values())
    return _permitted((f for findings in found for f in findings), own)


def of_lanes(lanes: Sequence[Lane], policy: Policy, now_us: int, impact_of: ImpactOf) -> list[Finding]:
    """All that is wrong with what observers state of one dataset."""
    if not any(len(lane.versions) > 1 for lane in lanes):
        return []
    own = policy.for_(lanes[0].dataset)
    if not own.permits(AlertKind.SCHEMA_DRIFT, lanes[0].dataset):
        return []
    return schema_drift.detect_dataset(lanes, own, now_us, impact_of)


def of_profile(profile: DatasetProfile, policy: Policy, now_us: int) -> list[Finding]:
    """All that is wrong with a dataset's place in the graph."""
    own = policy.for_(profile.dataset)
    return _permitted(orphan_dataset.detect(profile, own, now_us), own)


def _permitted(findings: Iterable[Finding], policy: Policy) -> list[Finding]:
    return [f for f in findings if policy.permits(f.kind, f.subject)]
