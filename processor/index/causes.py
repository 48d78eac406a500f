"""What may have brought about what is wrong with a node: what happened to it and upstream of it, the likeliest first.

Rules kept here:
- what counts happened within the window: a schema that changed by the word of its authority, a dataset that was dropped
  or truncated, a run or a check that failed, and what an alert tells that fired then (silences, lineage that was lost);
- `score` is the weight of what happened, divided by 1 + distance / 4 and by 1 + age / (window / 4): what is four jobs
  away counts half, and so does what is as old as a quarter of the window; what has fired since before it began counts
  as old as the window. It is halved for what is over by now, and for what may itself follow from something earlier and
  farther upstream;
- of a job's failed runs one is told, the newest; of a dataset's schemas each that was new.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

from processor.index.ancestry import Ancestry, ancestry
from processor.index.checks import Checked, check_words, failed_checks
from processor.index.past import PastView
from processor.index.records import ROLE_ORDER
from processor.index.store import Store
from processor.index.traverse import DEPTH
from processor.index.view import View
from processor.model.alert import Alert, AlertKind, Finding
from processor.model.errors import UsageError
from processor.model.history import JobHistory, Lane, NodeRecord, SchemaVersion
from processor.model.identity import Kind, Node, job
from processor.model.observation import Role, RunState
from processor.model.pages import pages
from processor.model.tables import ColumnChange, ColumnChangeKind, diff_columns

__all__ = ["COUNT", "CauseKind", "Causes", "Suspect", "Why", "Window", "causes", "why"]

COUNT: Final = 20
_HALF_AT: Final = 4
_FAILED: Final = frozenset({RunState.FAIL, RunState.ABORT})


class CauseKind(StrEnum):
    """What happened."""

    SCHEMA_CHANGED = "schema_changed"
    DROPPED = "dropped"
    TRUNCATED = "truncated"
    RUN_FAILED = "run_failed"
    CHECK_FAILED = "check_failed"
    SILENT = "silent"
    LINEAGE_LOST = "lineage_lost"


_LIFECYCLES: Final = {"DROP": CauseKind.DROPPED, "TRUNCATE": CauseKind.TRUNCATED}
_OF_ALERTS: Final = {
    AlertKind.SCHEMA_DRIFT: CauseKind.SCHEMA_CHANGED,
    AlertKind.SCHEMA_FLAPPING: CauseKind.SCHEMA_CHANGED,
    AlertKind.SILENT_JOB: CauseKind.SILENT,
    AlertKind.SILENT_DATASET: CauseKind.SILENT,
    AlertKind.STUCK_RUN: CauseKind.SILENT,
    AlertKind.BROKEN_LINEAGE: CauseKind.LINEAGE_LOST,
    AlertKind.MISSING_INPUTS: CauseKind.LINEAGE_LOST,
    AlertKind.MISSING_OUTPUTS: CauseKind.LINEAGE_LOST,
    AlertKind.MISSING_COLUMN_LINEAGE: CauseKind.LINEAGE_LOST,
    AlertKind.ORPHAN_DATASET: CauseKind.LINEAGE_LOST,
}
_WEIGHTS: Final = {
    CauseKind.SCHEMA_CHANGED: 1.0,
    CauseKind.DROPPED: 1.0,
    CauseKind.TRUNCATED: 0.5,
    CauseKind.RUN_FAILED: 1.0,
    CauseKind.CHECK_FAILED: 1.0,
    CauseKind.SILENT: 0.9,
    CauseKind.LINEAGE_LOST: 0.5,
}
_CUTTING: Final = frozenset({CauseKind.SCHEMA_CHANGED, CauseKind.LINEAGE_LOST})
_MILD: Final = 0.25
"""Of the weight: columns were only added, or the check does not block."""


class Window(NamedTuple):
    """From when to when something may have happened, in microseconds since 1970, both included."""

    since_us: int
    until_us: int

    def has(self, time_us: int) -> bool:
        """Whether a time lies within."""
        return self.since_us <= time_us <= self.until_us


@dataclass(frozen=True, slots=True)
class Suspect:
    """Something that may be the cause. `way`: from it to the subject, both included.

    `is_mild`: it will hardly break anything. `is_over`: it no longer holds. `follows`: it may itself be the work of
    something that happened earlier and farther upstream. `count`: so often within the window. `detail`: an error, the
    name of a check, or the sentence of an alert.
    """

    kind: CauseKind
    node: Node
    at_us: int
    distance: int
    way: tuple[Node, ...]
    job: Node | None = None
    run_id: str | None = None
    changes: tuple[ColumnChange, ...] = ()
    detail: str | None = None
    alert_id: str | None = None
    count: int = 1
    is_mild: bool = False
    is_over: bool = False
    follows: bool = False
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Causes:
    """The likeliest causes first. `total` counts those that were left out; `truncated`: not all was walked."""

    subject: Node
    window: Window
    suspects: tuple[Suspect, ...]
    total: int
    truncated: bool = False


class Why(NamedTuple):
    """A question: about a node, or about an alert and its subject; so far back from `until_us`.

    Without an `until_us` it is about now, and of an alert about the time before it began.
    """

    subject: Node
    alert: Alert | None
    span_us: int
    until_us: int | None = None
    depth: int = DEPTH
    limit: int = COUNT


def why(store: Store, asked: Why, told: Iterable[Alert], now_us: int) -> Causes:
    """The answer to it. `told`: every alert that is kept. Raises `UsageError` for an alert about a whole namespace."""
    if asked.subject.kind is Kind.NAMESPACE:
        raise UsageError(f"the alert is about namespace {asked.subject.namespace}; ask about a node of it")
    until_us = asked.until_us if asked.until_us is not None else _end(asked.alert, now_us)
    window = Window(until_us - asked.span_us, until_us)
    others = [
        each for each in told if _fires_in(each, window) and (asked.alert is None or _is_beside(each, asked.alert))
    ]
    # What still fires may be older than the window, and have taken away the ways that led from it.
    oldest_us = min([window.since_us, *(alert.started_us - 1 for alert in others if _kind(alert) in _CUTTING)])
    views = PastView(store, window.until_us), PastView(store, oldest_us)
    return causes(*views, asked.subject, others, window, depth=asked.depth, count=asked.limit)


def _end(alert: Alert | None, now_us: int) -> int:
    return now_us if alert is None else max(alert.started_us, alert.finding.since_us)


def _fires_in(alert: Alert, window: Window) -> bool:
    is_then = alert.started_us <= window.until_us and (alert.ends_us is None or alert.ends_us >= window.since_us)
    return is_then and alert.finding.kind in _OF_ALERTS


def _is_beside(alert: Alert, asked: Alert | None) -> bool:
    """An alert is not its own cause; of a schema, the change is, and the alert is named with it."""
    if asked is None:
        return True
    is_schema = _OF_ALERTS.get(asked.finding.kind) is CauseKind.SCHEMA_CHANGED
    return is_schema or alert.finding.alert_id != asked.finding.alert_id


def causes(  # noqa: PLR0913  a question has as many parameters
    view: View,
    before: View,
    subject: Node,
    told: Iterable[Alert],
    window: Window,
    *,
    depth: int = DEPTH,
    count: int = COUNT,
) -> Causes:
    """What may be wrong with a dataset, a job or a column. `before`: the index as it was when the window began."""
    there = ancestry(view, before, subject, depth=depth)
    search = _Search(view, there, window)
    found = search.with_alerts([*search.datasets(), *search.jobs()], told)
    ranked = sorted(_scored(found, window), key=lambda each: (-each.score, -each.at_us, str(each.node)))
    kept = tuple(search.with_error(each) for each in ranked[:count])
    return Causes(subject, window, kept, len(ranked), there.truncated)


def _scored(found: Sequence[Suspect], window: Window) -> Iterator[Suspect]:
    length_us = max(1, window.until_us - window.since_us)
    for each in found:
        follows = any(_comes_of(each, other) for other in found)
        weight = _WEIGHTS[each.kind] * (_MILD if each.is_mild else 1) * 0.5**each.is_over * 0.5**follows
        age = min(1.0, max(0, window.until_us - each.at_us) / length_us)
        score = weight / (1 + each.distance / _HALF_AT) / (1 + age * _HALF_AT)
        yield replace(each, follows=follows, score=round(score, 4))


def _comes_of(effect: Suspect, cause: Suspect) -> bool:
    """Whether the data of what may be the cause comes by, and that happened first."""
    is_by = effect.node != cause.node and effect.node in {node.dataset for node in cause.way[1:]}
    return is_by and cause.at_us <= effect.at_us and not cause.is_mild


class _Search:
    """Looks at everything upstream, in pages."""

    def __init__(self, view: View, there: Ancestry, window: Window) -> None:
        self._view = view
        self._there = there
        self._window = window

    def suspect(self, kind: CauseKind, node: Node, at_us: int, changes: tuple[ColumnChange, ...] = ()) -> Suspect:
        """Something that happened to a dataset or a job; to these columns of it, where it was walked by columns."""
        columns = self._there.columns.get(node, {})
        nearest = min((columns[c.path] for c in changes if c.path in columns), key=self._distance, default=node)
        place = self._there.place(nearest)
        return Suspect(kind, node, at_us, place.distance, place.way, changes=changes)

    def _distance(self, node: Node) -> tuple[int, str]:
        return self._there.distances[node], str(node)

    # Datasets

    def datasets(self) -> Iterator[Suspect]:
        for page in pages(self._there.of(Kind.DATASET)):
            for dataset, lanes in self._view.lanes_of(page).items():
                yield from self._changed(dataset, lanes)
            records = self._view.nodes(node.id for node in page)
            for record in records.values():
                yield from self._ended(record)
            yield from self._checked(records)

    def _changed(self, dataset: Node, lanes: Sequence[Lane]) -> Iterator[Suspect]:
        best = min((ROLE_ORDER[lane.observer.role] for lane in lanes), default=0)
        for lane in lanes:
            if ROLE_ORDER[lane.observer.role] == best:
                for old, new in pairwise(lane.versions):
                    yield from self._became(dataset, lane, old, new)

    def _became(self, dataset: Node, lane: Lane, old: SchemaVersion, new: SchemaVersion) -> Iterator[Suspect]:
        changes = tuple(c for c in diff_columns(old.columns, new.columns) if self._there.counts(dataset, c.path))
        if not changes or not self._window.has(new.first_seen_us):
            return
        observer = lane.observer
        yield replace(
            self.suspect(CauseKind.SCHEMA_CHANGED, dataset, new.first_seen_us, changes),
            job=None if observer.role is Role.PRODUCER else job(observer.namespace, observer.name),
            run_id=new.run_id,
            is_mild=all(change.change is ColumnChangeKind.ADDED for change in changes),
            is_over=lane.current == old.fingerprint,
        )

    def _ended(self, record: NodeRecord) -> Iterator[Suspect]:
        kind = _LIFECYCLES.get(record.lifecycle.state) if record.lifecycle else None
        if kind and record.lifecycle_us is not None and self._window.has(record.lifecycle_us):
            found = self.suspect(kind, record.node, record.lifecycle_us)
            yield replace(found, is_over=kind is CauseKind.DROPPED and not record.dropped)

    def _checked(self, records: dict[bytes, NodeRecord]) -> Iterator[Suspect]:
        failed = {i: found for i, record in records.items() if (found := list(failed_checks(record)))}
        times = self._view.facet_times(list(failed))
        for i, found in failed.items():
            for checked in found:
                at_us = times[i].get(checked.facet, 0)
                if self._window.has(at_us):
                    yield self._check(records[i].node, at_us, checked)

    def _check(self, dataset: Node, at_us: int, checked: Checked) -> Suspect:
        names = dict.fromkeys(check_words(check) for check in checked.failed)
        return replace(
            self.suspect(CauseKind.CHECK_FAILED, dataset, at_us),
            job=checked.job if checked.job.name else None,
            detail=", ".join(names),
            count=len(checked.failed),
            is_mild=not any(check.blocks for check in checked.failed),
        )

    # Jobs

    def jobs(self) -> Iterator[Suspect]:
        for page in pages(self._there.of(Kind.JOB)):
            for history in self._view.jobs([node.id for node in page]).values():
                yield from self._failed(history)

    def _failed(self, history: JobHistory) -> Iterator[Suspect]:
        ended = [run for run in history.finished if self._window.has(run.ended_us)]
        failed = [run for run in ended if run.state in _FAILED]
        if failed:
            newest = failed[0]
            yield replace(
                self.suspect(CauseKind.RUN_FAILED, history.job, newest.ended_us),
                job=history.job,
                run_id=newest.run_id,
                count=len(failed),
                is_over=any(r.state is RunState.COMPLETE and r.ended_us > newest.ended_us for r in ended),
            )

    def with_error(self, suspect: Suspect) -> Suspect:
        """With what the run said of it."""
        if suspect.kind is not CauseKind.RUN_FAILED or suspect.job is None or suspect.run_id is None:
            return suspect
        run = self._view.run(suspect.job, suspect.run_id)
        return replace(suspect, detail=run.error if run else None)

    # Alerts

    def with_alerts(self, found: Sequence[Suspect], told: Iterable[Alert]) -> list[Suspect]:
        """With what alerts tell beside; those about a schema that was found already are named with it."""
        mine = [alert for alert in told if self._is_mine(alert)]
        by_dataset = {a.finding.subject.dataset: a for a in mine if _kind(a) is CauseKind.SCHEMA_CHANGED}
        known = {each.node for each in found if each.kind is CauseKind.SCHEMA_CHANGED}
        others = (a for a in mine if a.finding.subject.dataset not in known or a not in by_dataset.values())
        return [*(_with_alert(each, by_dataset.get(each.node)) for each in found), *map(self._of_alert, others)]

    def _is_mine(self, alert: Alert) -> bool:
        finding = alert.finding
        is_upstream = finding.subject.dataset in self._there.distances
        return is_upstream and (not finding.changes or bool(self._changes(finding)))

    def _changes(self, finding: Finding) -> tuple[ColumnChange, ...]:
        dataset = finding.subject.dataset
        drifts = (drift for drift in finding.changes if self._there.counts(dataset, drift.path))
        return tuple(ColumnChange(drift.path, drift.change, drift.from_type, drift.to_type) for drift in drifts)

    def _of_alert(self, alert: Alert) -> Suspect:
        finding, changes = alert.finding, self._changes(alert.finding)
        return replace(
            self.suspect(_kind(alert), finding.subject.dataset, alert.started_us, changes),
            job=finding.cause.job,
            run_id=finding.cause.run_id,
            detail=None if changes else finding.summary,
            alert_id=finding.alert_id,
            is_over=alert.ends_us is not None and alert.ends_us <= self._window.until_us,
        )


def _kind(alert: Alert) -> CauseKind:
    return _OF_ALERTS[alert.finding.kind]


def _with_alert(suspect: Suspect, alert: Alert | None) -> Suspect:
    if alert is None or suspect.kind is not CauseKind.SCHEMA_CHANGED:
        return suspect
    return replace(suspect, alert_id=alert.finding.alert_id)
