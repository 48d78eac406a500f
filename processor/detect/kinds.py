"""Every detector behind one door for each thing that is looked at, with what the policy permits.

Both the edge-triggered and the level-triggered path come through here, so they cannot differ. Here the policy becomes
the one that holds for the subject, so no detector need ask for its overrides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from processor.detect import (
    broken_lineage,
    fragmented_namespace,
    missing_column_lineage,
    missing_lineage,
    orphan_dataset,
    schema_drift,
    schema_flapping,
    silent_dataset,
    silent_job,
    stuck_run,
)
from processor.detect.peers import PeerTally
from processor.detect.policy import Policy
from processor.detect.profile import DatasetProfile, WrittenDataset
from processor.detect.schema_drift import Asking
from processor.model.alert import AlertKind, Finding
from processor.model.history import JobHistory, Lane, NodeRecord, RunMembers
from processor.model.identity import Kind, Node

JobDetector = Callable[[JobHistory, Policy, int], list[Finding]]

JOB_DETECTORS: dict[AlertKind, JobDetector] = {
    AlertKind.MISSING_INPUTS: missing_lineage.detect_inputs,
    AlertKind.MISSING_OUTPUTS: missing_lineage.detect_outputs,
    AlertKind.STUCK_RUN: stuck_run.detect,
    AlertKind.SILENT_JOB: silent_job.detect,
}
JOB_KINDS = frozenset(JOB_DETECTORS) | {AlertKind.BROKEN_LINEAGE, AlertKind.MISSING_COLUMN_LINEAGE}
SCHEMA_KINDS = frozenset({AlertKind.SCHEMA_DRIFT, AlertKind.SCHEMA_FLAPPING})
KEEPS_FROM_WRITING = frozenset(
    {AlertKind.SILENT_JOB, AlertKind.STUCK_RUN, AlertKind.BROKEN_LINEAGE, AlertKind.MISSING_OUTPUTS}
)
"""What is told of a job and explains why its outputs are not written."""
JUDGED_ON_CHANGE = JOB_KINDS | SCHEMA_KINDS | {AlertKind.ORPHAN_DATASET}
"""Kinds of which one change is reason enough to judge its node anew; the others are for a sweep alone."""


def is_for_sweep(finding: Finding) -> bool:
    """Whether only a sweep can tell if the finding still holds."""
    is_of_peers = finding.alert_id == missing_lineage.peers_id(finding.kind, finding.subject)
    is_of_policy = finding.kind is AlertKind.MISSING_COLUMN_LINEAGE and finding.subject.kind is Kind.DATASET
    is_of_writers = finding.alert_id == orphan_dataset.lost_id(finding.subject)
    return is_of_peers or is_of_policy or is_of_writers or finding.kind not in JUDGED_ON_CHANGE


def of_job(history: JobHistory, policy: Policy, now_us: int) -> list[Finding]:
    """All that is wrong with a job."""
    own = policy.for_(history.job)
    found = (detect(history, own, now_us) for detect in JOB_DETECTORS.values())
    return _permitted((f for findings in found for f in findings), own)


def of_edges(
    history: JobHistory, runs: Sequence[RunMembers], named: Mapping[bytes, Node], policy: Policy
) -> list[Finding]:
    """All that is wrong with what a job's completed runs read and wrote; see `broken_lineage.detect`."""
    own = policy.for_(history.job)
    return _permitted(broken_lineage.detect(history, runs, named, own), own)


def of_mappings(
    history: JobHistory, runs: Sequence[RunMembers], outputs: Iterable[missing_column_lineage.Output], policy: Policy
) -> list[Finding]:
    """All that is wrong with what a job states of its outputs' columns; see `missing_column_lineage.detect`."""
    own = policy.for_(history.job)
    return _permitted(missing_column_lineage.detect(history, runs, outputs, own), own)


def of_required(dataset: missing_column_lineage.MappedDataset, policy: Policy) -> list[Finding]:
    """What a dataset lacks of the column lineage that the policy demands."""
    own = policy.for_(dataset.dataset)
    return _permitted(missing_column_lineage.detect_required(dataset, own), own)


def awaits_peers(history: JobHistory, policy: Policy) -> bool:
    """Whether something of the job can be told by its peers alone."""
    own = policy.for_(history.job)
    sides = ((kind, missing_lineage.knobs_of(own, kind)) for kind in missing_lineage.SIDES)
    return any(missing_lineage.awaits_peers(history, kind, knobs) for kind, knobs in sides)


def of_peers(history: JobHistory, tally: PeerTally, policy: Policy) -> list[Finding]:
    """All that a job lacks of what its peers have."""
    known = ((kind, tally.peers(history, kind)) for kind in missing_lineage.SIDES)
    own = policy.for_(history.job)
    found = (missing_lineage.detect_by_peers(history, kind, peers, own) for kind, peers in known if peers)
    return _permitted((f for findings in found for f in findings), own)


def of_lanes(lanes: Sequence[Lane], policy: Policy, now_us: int, asking: Asking) -> list[Finding]:
    """All that is wrong with what observers state of one dataset."""
    if not any(len(lane.versions) > 1 for lane in lanes):
        return []
    dataset, own = lanes[0].dataset, policy.for_(lanes[0].dataset)
    flaps = schema_flapping.flaps_in(lanes, own, now_us) if own.permits(AlertKind.SCHEMA_FLAPPING, dataset) else []
    found = [schema_flapping.detect(flap, own, asking) for flap in flaps]
    if own.permits(AlertKind.SCHEMA_DRIFT, dataset):
        found += schema_drift.detect_dataset(lanes, own, now_us, asking, schema_flapping.versions_in(flaps))
    return found


def of_profile(profile: DatasetProfile, policy: Policy, now_us: int) -> list[Finding]:
    """All that is wrong with a dataset's place in the graph."""
    own = policy.for_(profile.dataset)
    return _permitted(orphan_dataset.detect(profile, own, now_us), own)


def of_names(
    read: fragmented_namespace.Named, others: Iterable[fragmented_namespace.Named], policy: Policy, now_us: int
) -> list[Finding]:
    """What is wrong with the names of a dataset that is only read; a pair is dismissed by either of its names."""
    own = policy.for_(read.node)
    found = _permitted(fragmented_namespace.detect(read, others, own, now_us), own)
    return [f for f in found if all(policy.permits(f.kind, node) for node in f.path)]


def of_written(dataset: WrittenDataset, policy: Policy, now_us: int) -> list[Finding]:
    """What is wrong with a dataset that its writers do not write any more."""
    own = policy.for_(dataset.record.node)
    lost = _permitted(orphan_dataset.detect_lost(dataset, own, now_us), own)
    return lost or _permitted(silent_dataset.detect(dataset, own, now_us), own)


def may_be_written_no_more(record: NodeRecord, policy: Policy, now_us: int) -> bool:
    """Whether it is worth a look who writes and reads a dataset."""
    own = policy.for_(record.node)
    return silent_dataset.is_late(record, own, now_us) or orphan_dataset.may_be_deserted(record, own, now_us)


def _permitted(findings: Iterable[Finding], policy: Policy) -> list[Finding]:
    return [f for f in findings if policy.permits(f.kind, f.subject)]
