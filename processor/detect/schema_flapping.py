"""`schema_flapping`: what an observer states of a dataset goes back and forth between versions.

Rules kept here:
- only who writes the dataset is judged, or states it without reading it: readers read now this, now that;
- versions are told apart with sense (`versions`), and each by the newest hours in which it was stated, `within_days`
  back. What is between its oldest and newest hour there, or shares one of them, is what it alternates with;
- versions that were stated within one hour may have come in any order: the fewest changes are counted that the hours
  allow. So what is counted has happened; two versions that are stated hour after hour count one change each hour;
- it flaps when those changes, less the one that brought each version for the first time, come back `changes` - 1 times:
  three changes between two versions. One change and one return, a rollback, is none;
- it is over once the current version has been stated for `steady_hours` after the newest hour of any other of them,
  by what the observer states and not by the clock: who is silent at a weekend has not become steady; or once too few
  changes lie within `within_days`, or within the newest RECENT_HOURS hours of a version: what is stated each hour is
  steady after as many;
- it is as grave as a drift between these versions would be, in its graver direction. Such a drift is not told besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from processor.detect.column_drifts import column_drifts
from processor.detect.drift_steps import cause_of
from processor.detect.drift_words import reach, who_states
from processor.detect.policy import Policy
from processor.detect.rename import Lineages
from processor.detect.schema_drift import Asking, Flapping, Weight, authorities_of, weigh
from processor.detect.stats import DAY_US, HOUR_US, hours_us
from processor.detect.types.names import scheme_of
from processor.detect.versions import differences, known_versions
from processor.detect.words import counted, lasting, listed, node_words, shown
from processor.model.alert import AlertKind, ColumnDrift, Finding, Impact, Severity
from processor.model.history import Lane, SchemaVersion
from processor.model.identity import hash_parts
from processor.model.tables import ColumnChangeKind, Columns

Timeline = list[tuple[int, frozenset[int]]]
"""Hours, oldest first, and which versions (by their place) were stated in each."""


_GRAVITY = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)


class Flap(NamedTuple):
    """A lane that goes back and forth between these versions, oldest first; at least so many changes, since when."""

    lane: Lane
    versions: tuple[SchemaVersion, ...]
    changes: int
    since_us: int


def flaps_in(lanes: Sequence[Lane], policy: Policy, now_us: int) -> list[Flap]:
    """The lanes of a dataset that go back and forth now."""
    found = (_flap(lane, policy, now_us) for lane in authorities_of(lanes) if len(lane.versions) > 1)
    return [flap for flap in found if flap is not None]


def versions_in(flaps: Iterable[Flap]) -> Flapping:
    """The versions between which the drifts are told here."""
    return frozenset((flap.lane.observer, version.fingerprint) for flap in flaps for version in flap.versions)


def detect(flap: Flap, policy: Policy, asking: Asking) -> Finding:
    """The finding of a lane that flaps."""
    severity, impact = _gravest(flap, asking)
    drifts = _drifts(flap)
    return Finding(
        alert_id=_alert_id(flap.lane),
        kind=AlertKind.SCHEMA_FLAPPING,
        severity=severity,
        subject=flap.lane.dataset,
        summary=_summary(flap, drifts, impact, int(policy.schema_flapping.within_days * DAY_US)),
        since_us=flap.since_us,
        cause=cause_of(flap.lane, max(flap.versions, key=lambda v: (v.last_seen_us, v.fingerprint))),
        changes=drifts,
        impact=impact or Impact(),
    )


# From hours to changes


def least_changes(timeline: Timeline) -> Iterator[int]:
    """Up to each of these hours: the fewest changes from one version to another that they allow."""
    costs: Mapping[int, int] = {}
    for _, stated in timeline:
        costs = {last: _cheapest(costs, stated, last) for last in stated}
        yield min(costs.values())


def _cheapest(costs: Mapping[int, int], stated: frozenset[int], last: int) -> int:
    """To state all of an hour and end with `last`, wherever the hours before ended."""
    if not costs:
        return len(stated) - 1
    return min(cost + _within(first, stated, last) for first, cost in costs.items())


def _within(first: int, stated: frozenset[int], last: int) -> int:
    """Changes within an hour that begins after `first`, states all of these, and ends with `last`."""
    is_going_on = first in stated and (first != last or len(stated) == 1)
    return len(stated) - 1 if is_going_on else len(stated)


def _flap(lane: Lane, policy: Policy, now_us: int) -> Flap | None:
    knobs, current = policy.schema_flapping, lane.version(lane.current)
    if current is None or not current.columns:
        return None
    versions, after_hour = known_versions(lane), (now_us - int(knobs.within_days * DAY_US)) // HOUR_US
    timeline = _timeline(versions, after_hour)
    involved = {n for n in range(len(versions)) if _alternates(n, timeline)}
    kept = [(hour, stated & involved) for hour, stated in timeline if stated & involved]
    reached = _reached(kept, knobs.changes)
    if reached is None or _is_steady(lane, versions, kept, hours_us(knobs.steady_hours)):
        return None
    flapping = tuple(version for n, version in enumerate(versions) if n in involved)
    return Flap(lane, flapping, list(least_changes(kept))[-1], reached * HOUR_US)


def _timeline(versions: Sequence[SchemaVersion], after_hour: int) -> Timeline:
    stated: dict[int, set[int]] = {}
    for place, version in enumerate(versions):
        for hour in version.hours:
            if hour > after_hour:
                stated.setdefault(hour, set()).add(place)
    return [(hour, frozenset(there)) for hour, there in sorted(stated.items())]


def _alternates(version: int, timeline: Timeline) -> bool:
    """Whether another version was stated between two hours in which this one was, or in one of the two."""
    places = [n for n, (_, stated) in enumerate(timeline) if version in stated]
    if len(places) < 2:  # noqa: PLR2004  it went, and came back
        return False
    return any(stated != {version} for _, stated in timeline[places[0] : places[-1] + 1])


def _reached(timeline: Timeline, changes: int) -> int | None:
    """The hour in which the changes back and forth were as many as it takes; None if they are not."""
    met = set[int]()
    for (hour, stated), made in zip(timeline, least_changes(timeline), strict=True):
        met |= stated
        if made - (len(met) - 1) >= changes - 1:
            return hour
    return None


def _is_steady(lane: Lane, versions: Sequence[SchemaVersion], timeline: Timeline, steady_us: int) -> bool:
    current, scheme = lane.version(lane.current), scheme_of(lane.dataset.namespace)
    columns = current.columns if current else ()
    now = {n for n, v in enumerate(versions) if not differences(v.columns, columns, scheme)}
    last_other = max((hour for hour, stated in timeline if stated - now), default=None)
    return last_other is not None and lane.current_us - last_other * HOUR_US >= steady_us


# How grave it is, and how it is told


def _ways(flap: Flap) -> Iterator[tuple[Columns, Columns]]:
    for one, other in pairwise(flap.versions):
        yield one.columns, other.columns
        yield other.columns, one.columns


def _gravest(flap: Flap, asking: Asking) -> tuple[Severity, Impact | None]:
    """How grave the gravest way is, and whom that meets; of several the one that meets most."""
    weights = [_weighed(flap.lane, way, asking) for way in _ways(flap)]
    severity = max((weight.severity for weight in weights), key=_GRAVITY.index)
    impacts = [weight.impact(asking) for weight in weights if weight.severity is severity]
    return severity, max((each for each in impacts if each), key=lambda each: each.total, default=None)


def _weighed(lane: Lane, way: tuple[Columns, Columns], asking: Asking) -> Weight:
    scheme = scheme_of(lane.dataset.namespace)
    changes = differences(*way, scheme)
    return weigh(column_drifts(way, changes, scheme, Lineages()), changes, way[0], asking)


def _drifts(flap: Flap) -> tuple[ColumnDrift, ...]:
    """What differs between the versions, each column once."""
    scheme = scheme_of(flap.lane.dataset.namespace)
    found: dict[str, ColumnDrift] = {}
    for one, other in pairwise(flap.versions):
        way = one.columns, other.columns
        for drift in column_drifts(way, differences(*way, scheme), scheme, Lineages()):
            found.setdefault(drift.path, drift)
    return tuple(sorted(found.values(), key=lambda drift: drift.path))


def _summary(flap: Flap, drifts: Sequence[ColumnDrift], impact: Impact | None, within_us: int) -> str:
    who = f"{node_words(flap.lane.dataset)} {who_states(flap.lane.observer)}"
    count = f"{len(flap.versions)} versions, at least {counted(flap.changes, 'change')} within {lasting(within_us)}"
    coming = [shown(d.path) for d in drifts if d.change is not ColumnChangeKind.RETYPED]
    retyped = [shown(d.path) for d in drifts if d.change is ColumnChangeKind.RETYPED]
    kinds = ((coming, "comes and goes", "come and go"), (retyped, "changes its type", "change their types"))
    what = " and ".join(_clause(*kind) for kind in kinds if kind[0])
    return f"The schema of {who} goes back and forth between {count}: {what}{reach(impact)}."


def _clause(names: Sequence[str], one: str, many: str) -> str:
    if len(names) == 1:
        return f"column {names[0]} {one}"
    return f"{len(names)} columns ({listed(names)}) {many}"


def _alert_id(lane: Lane) -> str:
    who = (lane.observer.role.value, lane.observer.namespace, lane.observer.name)
    return hash_parts(AlertKind.SCHEMA_FLAPPING.value, lane.dataset.namespace, lane.dataset.name, *who).hex()
