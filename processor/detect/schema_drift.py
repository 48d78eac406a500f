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


class Asking(NamedTuple):
    """What is asked about the dataset at hand, and only where it matters: each answer is read from the index.

    `is_read`: whether somebody downstream reads one of these columns for certain. `impact_of`: all that is downstream
    of them, which may take seconds to walk; None where nobody is to be told of it yet. `lineages_of`: the mappings
    around what this observer states.
    """

    is_read: Callable[[frozenset[str]], bool]
    impact_of: Callable[[frozenset[str]], Impact | None] = lambda _: None
    lineages_of: Callable[[Observer], Lineages] = lambda _: Lineages()


class Weight(NamedTuple):
    """How grave changes are. `columns`: those whose readers they meet. `is_read`: whether some do for certain."""

    severity: Severity
    columns: frozenset[str] = frozenset()
    is_read: bool = False

    def impact(self, asking: Asking) -> Impact | None:
        """Whom they meet, if that is to be told. Changes that only add meet nobody."""
        return asking.impact_of(self.columns) if self.columns else Impact()


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


def weigh(drifts: Sequence[ColumnDrift], changes: Sequence[ColumnChange], before: Columns, asking: Asking) -> Weight:
    """How grave changes by an authority are."""
    lasting = [drift for drift in drifts if drift.change is not ColumnChangeKind.ADDED]
    if not lasting:
        return Weight(Severity.INFO)
    columns = touched(lasting, changes, before)
    is_read, breaking = asking.is_read(columns), [drift for drift in lasting if breaks(drift)]
    if breaking:
        is_hit = is_read and (len(breaking) == len(lasting) or asking.is_read(touched(breaking, changes, before)))
        return Weight(Severity.CRITICAL if is_hit else Severity.WARNING, columns, is_read)
    is_mild = all(drift.retyping is Retyping.WIDENED for drift in lasting) and not is_read
    return Weight(Severity.INFO if is_mild else Severity.WARNING, columns, is_read)


def _is_flap(step: Step, flapping: Flapping) -> bool:
    return {(step.lane.observer, v.fingerprint) for v in (step.before, step.after)} <= flapping


def _findings(steps: Iterable[Step], policy: Policy, now_us: int, asking: Asking) -> Iterator[Finding]:
    for step in steps:
        if not step.changes or _is_long_settled(step, policy, now_us):
            continue
        drifts = _drifts(step, asking)
        weight = _weight(step, drifts, asking)
        until_us = _told_until_us(step, weight.severity, policy)
        if (until_us is None or now_us < until_us) and (not step.is_return or weight.is_read):
            yield _finding(step, drifts, weight, asking)


def _is_long_settled(step: Step, policy: Policy, now_us: int) -> bool:
    """Merely added columns are not looked at any more once they have been told: there may be many of them."""
    only_adds = all(change.change is ColumnChangeKind.ADDED for change in step.changes)
    return only_adds and now_us >= step.after.first_seen_us + hours_us(policy.schema_drift.info_hours)


def _told_until_us(step: Step, severity: Severity, policy: Policy) -> int | None:
    knobs = policy.schema_drift
    if severity is Severity.CRITICAL:
        return None
    is_info = severity is Severity.INFO
    return step.since_us + (hours_us(knobs.info_hours) if is_info else int(knobs.settle_days * DAY_US))


def _drifts(step: Step, asking: Asking) -> tuple[ColumnDrift, ...]:
    lineages = asking.lineages_of(step.lane.observer) if may_rename(step.changes) else Lineages()
    return column_drifts(step.versions, step.changes, step.scheme, lineages)


def _weight(step: Step, drifts: Sequence[ColumnDrift], asking: Asking) -> Weight:
    """How grave it is by whom it is said: what only readers say is never critical."""
    weight = weigh(drifts, step.changes, step.before.columns, asking)
    is_hearsay = step.lane.observer.role is Role.READER and weight.severity is Severity.CRITICAL
    return weight._replace(severity=Severity.WARNING) if is_hearsay else weight


def _finding(step: Step, drifts: tuple[ColumnDrift, ...], weight: Weight, asking: Asking) -> Finding:
    impact = weight.impact(asking)
    return Finding(
        alert_id=_alert_id(step),
        kind=AlertKind.SCHEMA_DRIFT,
        severity=weight.severity,
        subject=step.lane.dataset,
        summary=summarize(step.lane, drifts, impact),
        since_us=step.since_us,
        cause=cause_of(step.lane, step.after),
        changes=drifts,
        impact=impact or Impact(),
    )


def _alert_id(step: Step) -> str:
    dataset, observer = step.lane.dataset, step.lane.observer
    who = (observer.role.value, observer.namespace, observer.name)
    versions = (step.before.fingerprint.hex(), step.after.fingerprint.hex())
    return hash_parts(AlertKind.SCHEMA_DRIFT.value, dataset.namespace, dataset.name, *who, *versions).hex()
