"""`schema_drift`: a column was added, removed or retyped in what an observer states of a dataset.

Rules kept here:
- drift is judged within a lane: what one observer states, never one observer against another;
- each step from a version to the next is one finding, and only those of its changes count that the
  lane's current schema still shows: taking a change back resolves it;
- going back to a former version takes back every step since, except where it drops a column of the
  version left that somebody downstream reads for certain by now;
- an order of columns is no schema: reordering is silent, and going back to a former schema in another
  order is going back; silent too is a lane whose schema was cleared;
- who writes the dataset is the authority. Readers are heard only where nobody states to write it:
  they read what they need, so that a column is gone counts once `min_readers` of them agree;
- critical: a removed or retyped column is read downstream for certain; warning: removed or retyped;
  info: only added, and told for `info_hours`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from processor.detect.drift_words import summarize
from processor.detect.policy import Policy
from processor.detect.stats import hours_us
from processor.model.alert import AlertKind, ColumnDrift, Finding, Impact, Severity
from processor.model.change import Cause
from processor.model.history import Lane, SchemaVersion
from processor.model.identity import Kind, Node, hash_parts
from processor.model.observation import Role
from processor.model.tables import ColumnChange, ColumnChangeKind, diff_columns

ImpactOf = Callable[[frozenset[str]], Impact]
"""What is downstream of these columns of the dataset at hand."""

_NOTHING = Impact()


class Step(NamedTuple):
    """From one version of a lane to the next, with the changes that still show."""

    lane: Lane
    before: SchemaVersion
    after: SchemaVersion
    changes: tuple[ColumnChange, ...]
    is_return: bool = False


def detect(lane: Lane, policy: Policy, now_us: int, impact_of: ImpactOf) -> list[Finding]:
    """Findings of one lane, whoever observes it, with nobody else asked."""
    return _findings(_steps(lane), policy, now_us, impact_of)


def detect_dataset(lanes: Sequence[Lane], policy: Policy, now_us: int, impact_of: ImpactOf) -> list[Finding]:
    """Findings of all lanes of one dataset: its writers' and producers', or its readers' if it has none."""
    spoken = [lane for lane in lanes if lane.versions]
    authorities = [lane for lane in spoken if lane.observer.role is not Role.READER]
    if authorities:
        return [f for lane in authorities for f in detect(lane, policy, now_us, impact_of)]
    agreed = (_agreed(step, spoken, policy) for lane in spoken for step in _steps(lane))
    return _findings(agreed, policy, now_us, impact_of)


def breaks(change: ColumnChange) -> bool:
    """Whether the change can break who reads the column."""
    return change.change is not ColumnChangeKind.ADDED


def _steps(lane: Lane) -> Iterator[Step]:
    current = lane.version(lane.current)
    if current is None or not current.columns:
        return
    versions = _distinct(lane)
    place = next(n for n, v in enumerate(versions) if not diff_columns(v.columns, current.columns))
    for before, after in pairwise(versions[: place + 1]):
        shows = set(diff_columns(before.columns, current.columns))
        changes = tuple(c for c in diff_columns(before.columns, after.columns) if c in shows)
        yield Step(lane, before, after, changes)
    if later := versions[place + 1 :]:
        yield _return(lane, max(later, key=_stated), current)


def _return(lane: Lane, before: SchemaVersion, current: SchemaVersion) -> Step:
    removed = (c for c in diff_columns(before.columns, current.columns) if c.change is ColumnChangeKind.REMOVED)
    return Step(lane, before, current, tuple(removed), is_return=True)


def _distinct(lane: Lane) -> list[SchemaVersion]:
    """Versions by age; one that differs from an older one in order only is that older one again."""
    kept: list[SchemaVersion] = []
    for version in sorted(lane.versions, key=_age):
        if version.columns and all(diff_columns(older.columns, version.columns) for older in kept):
            kept.append(version)
    return kept


def _age(version: SchemaVersion) -> tuple[int, bytes]:
    return version.first_seen_us, version.fingerprint


def _stated(version: SchemaVersion) -> tuple[int, int, bytes]:
    return version.last_seen_us, *_age(version)


def _findings(steps: Iterable[Step], policy: Policy, now_us: int, impact_of: ImpactOf) -> list[Finding]:
    told = [step for step in steps if _still_told(step, policy, now_us)]
    found = [(step, _finding(step, impact_of)) for step in told]
    return [f for step, f in found if not step.is_return or _is_read(f.impact)]


def _is_read(impact: Impact) -> bool:
    """Whether somebody downstream reads it for certain."""
    return any(not a.possible for a in (*impact.columns, *impact.datasets))


def _still_told(step: Step, policy: Policy, now_us: int) -> bool:
    if not step.changes:
        return False
    told_until = step.after.first_seen_us + hours_us(policy.schema_drift.info_hours)
    return any(breaks(c) for c in step.changes) or now_us < told_until


def _agreed(step: Step, lanes: Sequence[Lane], policy: Policy) -> Step:
    """The step with those changes only that the other readers do not contradict."""
    others = [lane for lane in lanes if lane is not step.lane and lane.current_us >= step.after.first_seen_us]
    changes = tuple(c for c in step.changes if _holds(c, others, policy.schema_drift.min_readers))
    return step._replace(changes=changes)


def _holds(change: ColumnChange, others: Sequence[Lane], min_readers: int) -> bool:
    if change.change is not ColumnChangeKind.REMOVED:
        return change.change is ColumnChangeKind.RETYPED
    silent = [lane for lane in others if not _reads(lane, change.path)]
    agreeing = [lane for lane in silent if _used_to_read(lane, change.path)]
    return len(silent) == len(others) and 1 + len(agreeing) >= min_readers


def _reads(lane: Lane, path: str) -> bool:
    current = lane.version(lane.current)
    return current is not None and any(c.path == path for c in current.columns)


def _used_to_read(lane: Lane, path: str) -> bool:
    return any(c.path == path for version in lane.versions for c in version.columns)


def _finding(step: Step, impact_of: ImpactOf) -> Finding:
    broken = frozenset(c.path for c in step.changes if breaks(c))
    impact = impact_of(broken) if broken else _NOTHING
    return Finding(
        alert_id=_alert_id(step),
        kind=AlertKind.SCHEMA_DRIFT,
        severity=_severity(step, broken, impact),
        subject=step.lane.dataset,
        summary=summarize(step.lane, (step.before.columns, step.after.columns), step.changes, impact),
        since_us=step.after.first_seen_us,
        cause=_cause(step),
        changes=tuple(map(ColumnDrift.of, step.changes)),
        impact=impact,
    )


def _alert_id(step: Step) -> str:
    dataset, observer = step.lane.dataset, step.lane.observer
    who = (observer.role.value, observer.namespace, observer.name)
    versions = (step.before.fingerprint.hex(), step.after.fingerprint.hex())
    return hash_parts(AlertKind.SCHEMA_DRIFT.value, dataset.namespace, dataset.name, *who, *versions).hex()


def _severity(step: Step, broken: frozenset[str], impact: Impact) -> Severity:
    if not broken:
        return Severity.INFO
    has_authority = step.lane.observer.role is not Role.READER
    return Severity.CRITICAL if has_authority and _is_read(impact) else Severity.WARNING


def _cause(step: Step) -> Cause:
    observer = step.lane.observer
    if observer.role is Role.PRODUCER:
        return Cause(producer=observer.name)
    job = Node(Kind.JOB, observer.namespace, observer.name)
    return Cause(job=job, run_id=step.after.run_id)
