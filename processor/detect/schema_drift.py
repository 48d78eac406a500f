"""`schema_drift`: a column was added, removed, retyped or renamed in what an observer states of a dataset.

Rules kept here:
- drift is judged within a lane: what one observer states, never one observer against another;
- each step from a version to the next is one finding, as long as the current schema shows it (`drift_steps`);
  going back to a former version is none, except where it drops a column that somebody downstream reads by now;
- an order of columns and a type's spelling are no drift (`versions`); what a new type is to its former one says
  `types.lattice`, what belongs together `column_drifts`, which column may live on under a new name `rename`;
- who writes the dataset is the authority. Readers are heard only where nobody states to write it:
  they read what they need, so that a column is gone counts once `min_readers` of them agree;
- critical: a column that is removed, narrowed or of an incompatible type is read downstream for certain;
  warning: that and nobody reads it for certain, or of an unknown type, or widened and read; info: added, or widened
  and not read;
- what is critical is told until it is taken back or acknowledged; a warning for `settle_days`, for by then who meant to
  act has acted; the rest for `info_hours`;
- a step between versions between which the lane flaps is told by `schema_flapping`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from processor.detect.column_drifts import breaks, column_drifts, touched
from processor.detect.drift_steps import Step, agreed, cause_of, steps_of
from processor.detect.drift_words import summarize
from processor.detect.policy import Policy
from processor.detect.rename import Lineages, may_rename
from processor.detect.stats import DAY_US, hours_us
from processor.model.alert import AlertKind, ColumnDrift, Finding, Impact, Retyping, Severity
from processor.model.history import Lane, Observer
from processor.model.identity import hash_parts
from processor.model.observation import Role
from processor.model.tables import ColumnChange, ColumnChangeKind, Columns

Flapping = frozenset[tuple[Observer, bytes]]
"""Versions between which observers go back and forth, by fingerprint."""

_NOTHING = Impact()


class Asking(NamedTuple):
    """What is asked about the dataset at hand, and only where it matters: each answer is read from the index.

    `impact_of`: what is downstream of these columns. `lineages_of`: the mappings around what this observer states.
    """

    impact_of: Callable[[frozenset[str]], Impact]
    lineages_of: Callable[[Observer], Lineages] = lambda _: Lineages()


def detect(lane: Lane, policy: Policy, now_us: int, asking: Asking) -> list[Finding]:
    """Findings of one lane, whoever observes it, with nobody else asked."""
    return list(_findings(steps_of(lane), policy, now_us, asking))


def detect_dataset(
    lanes: Sequence[Lane], policy: Policy, now_us: int, asking: Asking, flapping: Flapping = frozenset()
) -> list[Finding]:
    """Findings of all lanes of one dataset: its writers' and producers', or its readers' if it has none."""
    authorities = authorities_of(lanes)
    steps = (step for lane in authorities for step in steps_of(lane) if not _is_flap(step, flapping))
    if not authorities:
        spoken, least = [lane for lane in lanes if lane.versions], policy.schema_drift.min_readers
        steps = (agreed(step, spoken, least) for lane in spoken for step in steps_of(lane))
    return list(_findings(steps, policy, now_us, asking))


def authorities_of(lanes: Iterable[Lane]) -> list[Lane]:
    """The lanes of those who write the dataset, or state it without reading it."""
    return [lane for lane in lanes if lane.versions and lane.observer.role is not Role.READER]


def weigh(
    drifts: Sequence[ColumnDrift], changes: Sequence[ColumnChange], before: Columns, asking: Asking
) -> tuple[Severity, Impact]:
    """How grave changes by an authority are, and whom they meet. Changes that only add meet nobody."""
    lasting = [drift for drift in drifts if drift.change is not ColumnChangeKind.ADDED]
    if not lasting:
        return Severity.INFO, _NOTHING
    impact, breaking = asking.impact_of(touched(lasting, changes, before)), [d for d in lasting if breaks(d)]
    if breaking:
        is_all = len(breaking) == len(lasting)
        hit = impact if is_all else asking.impact_of(touched(breaking, changes, before))
        return Severity.CRITICAL if is_read(hit) else Severity.WARNING, impact
    is_mild = all(drift.retyping is Retyping.WIDENED for drift in lasting) and not is_read(impact)
    return Severity.INFO if is_mild else Severity.WARNING, impact


def is_read(impact: Impact) -> bool:
    """Whether somebody downstream reads it for certain."""
    return any(not a.possible for a in (*impact.columns, *impact.datasets))


def _is_flap(step: Step, flapping: Flapping) -> bool:
    return {(step.lane.observer, v.fingerprint) for v in (step.before, step.after)} <= flapping


def _findings(steps: Iterable[Step], policy: Policy, now_us: int, asking: Asking) -> Iterator[Finding]:
    for step in steps:
        if not step.changes or _is_long_settled(step, policy, now_us):
            continue
        finding = _finding(step, asking)
        until_us = _told_until_us(finding, policy)
        if (until_us is None or now_us < until_us) and (not step.is_return or is_read(finding.impact)):
            yield finding


def _is_long_settled(step: Step, policy: Policy, now_us: int) -> bool:
    """Merely added columns are not looked at any more once they have been told: there may be many of them."""
    only_adds = all(change.change is ColumnChangeKind.ADDED for change in step.changes)
    return only_adds and now_us >= step.after.first_seen_us + hours_us(policy.schema_drift.info_hours)


def _told_until_us(finding: Finding, policy: Policy) -> int | None:
    knobs = policy.schema_drift
    if finding.severity is Severity.CRITICAL:
        return None
    is_info = finding.severity is Severity.INFO
    return finding.since_us + (hours_us(knobs.info_hours) if is_info else int(knobs.settle_days * DAY_US))


def _finding(step: Step, asking: Asking) -> Finding:
    lineages = asking.lineages_of(step.lane.observer) if may_rename(step.changes) else Lineages()
    drifts = column_drifts(step.versions, step.changes, step.scheme, lineages)
    severity, impact = weigh(drifts, step.changes, step.before.columns, asking)
    is_hearsay = step.lane.observer.role is Role.READER and severity is Severity.CRITICAL
    return Finding(
        alert_id=_alert_id(step),
        kind=AlertKind.SCHEMA_DRIFT,
        severity=Severity.WARNING if is_hearsay else severity,
        subject=step.lane.dataset,
        summary=summarize(step.lane, drifts, impact),
        since_us=step.since_us,
        cause=cause_of(step.lane, step.after),
        changes=drifts,
        impact=impact,
    )


def _alert_id(step: Step) -> str:
    dataset, observer = step.lane.dataset, step.lane.observer
    who = (observer.role.value, observer.namespace, observer.name)
    versions = (step.before.fingerprint.hex(), step.after.fingerprint.hex())
    return hash_parts(AlertKind.SCHEMA_DRIFT.value, dataset.namespace, dataset.name, *who, *versions).hex()
