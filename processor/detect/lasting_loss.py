"""Whether a loss of lineage that was told is mended, or merely forgotten.

Rules kept here:
- of a job the newest runs are kept, and what it used to have is learned from those before the loss. Once too few of
  these are left the detectors say nothing more, of an hourly job within a day: that is no reason to end an alert;
- so what is open goes on while the job's newest completed run still lacks what the first one lacked, for
  `settle_days`: by then who meant to act has acted;
- whatever else ended the finding (a run that has it again, a policy, a dataset that was dropped) ends the alert.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from processor.detect.batch import is_endless
from processor.detect.missing_lineage import SIDES, is_required, knobs_of, peers_id
from processor.detect.policy import Policy
from processor.detect.stats import DAY_US
from processor.model.alert import AlertKind, Finding
from processor.model.history import FinishedRun, JobHistory, KnownMapping, RunMembers, RunRecord

KINDS = frozenset(
    {
        AlertKind.MISSING_INPUTS,
        AlertKind.MISSING_OUTPUTS,
        AlertKind.MISSING_COLUMN_LINEAGE,
        AlertKind.BROKEN_LINEAGE,
    }
)


def may_be_forgotten(
    finding: Finding, history: JobHistory, runs: Sequence[FinishedRun], policy: Policy, now_us: int
) -> bool:
    """Whether too little is kept to say that what was told of a job is over. `runs`: those that it is learned from."""
    own = policy.for_(history.job)
    if not runs or is_endless(history) or not own.permits(finding.kind, finding.subject):
        return False
    least_runs, days = _knobs(finding.kind, own)
    is_learned = finding.alert_id != peers_id(finding.kind, history.job) and not is_required(finding)
    if not is_learned or now_us >= finding.since_us + int(days * DAY_US):
        return False
    return sum(run.ended_us < finding.since_us for run in runs) < least_runs


def lacks_side(finding: Finding, newest: FinishedRun) -> bool:
    """Whether the newest run still lacks the side that was told of, or all columns' lineage."""
    if finding.kind is AlertKind.MISSING_COLUMN_LINEAGE:
        return newest.outputs > 0 and newest.mapped == 0
    return finding.kind in SIDES and SIDES[finding.kind](newest) == 0


def lacks_edges(first: RunRecord, newest: RunMembers) -> bool:
    """Whether the newest run has nothing that the first one lacked."""
    return newest.inputs <= set(first.inputs) and newest.outputs <= set(first.outputs)


def lacks_parents(finding: Finding, mappings: Iterable[KnownMapping]) -> bool:
    """Whether the mapping that came without the parents is the one that holds."""
    return any(known.is_current and known.first_seen_us == finding.since_us for known in mappings)


def _knobs(kind: AlertKind, policy: Policy) -> tuple[int, float]:
    """On how many runs before the loss the detector insists, and for how many days a loss is told at least."""
    if kind in SIDES:
        side = knobs_of(policy, kind)
        return side.min_runs, side.settle_days
    edge, columns = policy.broken_lineage, policy.missing_column_lineage
    is_edge = kind is AlertKind.BROKEN_LINEAGE
    return (edge.runs, edge.settle_days) if is_edge else (columns.min_runs, columns.settle_days)
