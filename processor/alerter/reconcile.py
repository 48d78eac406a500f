"""From findings to alerts: the sweep over everything, and the reaction to one change.

Rules kept here:
- alerts are read before the index, and an alert moves only from the version that was read: so whoever is
  slower never undoes what somebody judged on newer facts, and the next sweep settles the rest. What is to
  fire anew is therefore judged a second time, after its alert was read;
- what time alone brought about, time that runs back (a replay) does not take away;
- a reaction judges the node of the change in the same way as the sweep does, with one exception:
  it resolves orphans but opens none, for what their siblings are only a sweep knows;
- what only a sweep can judge (`kinds.is_for_sweep`) is left to it alone: nobody else moves those alerts;
- what has one root cause is told together (`detect/grouping.py`), by both paths. A reaction tells what is new with what
  fires already, and leaves all else to the sweep: that it led what fires by now, that an alert with members is over,
  and the rest of a storm;
- an alert ends because what it told of is mended, not because that is forgotten (`detect/lasting_loss.py`);
- without a time nothing is judged (see `progress.now_us`);
- nothing is done on what was read of an index that is not whole (see `progress.is_whole`): that is looked at before
  each time that alerts move.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from processor.alerter import life
from processor.alerter.era import Judged
from processor.alerter.life import Step
from processor.alerter.mutes import Mutes
from processor.alerter.sweep.everything import everything
from processor.alerter.sweep.jobs import of_jobs
from processor.alerter.sweep.losses import is_forgotten
from processor.alerter.sweep.places import excused
from processor.alerter.sweep.reach import reaching
from processor.alerter.sweep.schemas import of_schemas, of_schemas_in_full
from processor.alerter.together import Together
from processor.detect.grouping import dressed
from processor.detect.kinds import JOB_KINDS, SCHEMA_KINDS, is_for_sweep
from processor.detect.policy import Policy
from processor.index.remembered import aliases
from processor.index.view import View
from processor.judging.scope import Scope, Survey
from processor.model.alert import Alert, AlertKind, Finding, Severity
from processor.model.change import Change
from processor.model.errors import DependencyError
from processor.model.identity import Kind, Node
from processor.model.pages import pages

_PAGE = 200
_OF_DATASET = ("n", "s", aliases("o"), aliases("i"))
_OF_JOB = ("n", "j", "open", "m")
_NOBODY: Mapping[str, str] = {}
_OF_TIME = frozenset({AlertKind.STUCK_RUN, AlertKind.SILENT_JOB, AlertKind.SILENT_DATASET})
"""Kinds that begin because time goes by, at the moment that their alert's `started_us` names."""


class NotWholeError(DependencyError):
    """The index went back in time, or another one has become the live one: nobody may judge by what was read."""


RunbookUrl = Callable[[AlertKind], str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass brought. `opened` holds alerts that fire anew, have become graver or milder, or muted or not so.

    `firing` counts what holds among all that was judged, `by_kind` by kind and severity.
    """

    opened: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()
    firing: int = 0
    by_kind: Counter[tuple[AlertKind, Severity]] = field(default_factory=Counter)

    @property
    def transitions(self) -> tuple[Alert, ...]:
        """All that is to be published."""
        return self.opened + self.resolved


def runbooks(base: str) -> RunbookUrl:
    """Where the runbook of a kind is, below a base URL or path."""
    return lambda kind: f"{base.rstrip('/')}/{kind.value}.md"


RUNBOOKS = runbooks("docs/runbooks")


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a pass calls.

    `runbook` says where the runbook of a kind is. `breathe` is called between the steps of the pass; what it raises
    ends the pass, and harms nothing. `stepped` is called after each step that an alert took. `survey` measures the
    coverage, if not in each pass.
    """

    runbook: RunbookUrl = RUNBOOKS
    breathe: Callable[[], None] = lambda: None
    stepped: Callable[[], None] = lambda: None
    survey: Survey | None = None


def reconcile(
    view: View,
    store: Judged,
    policy: Policy,
    now_us: int,
    hooks: Hooks = Hooks(),
) -> Outcome:
    """One level-triggered pass: open what holds, resolve what does not.

    May raise DependencyError, and as one NotWholeError.
    """
    view.refresh()
    before, accepted = store.firing(), store.accepted()
    scope = Scope(view, policy, now_us, hooks.breathe, set(), hooks.survey)
    settling = _Settling(scope, store, hooks)
    together = Together(scope, accepted)
    found = list(everything(scope))
    told = together.told(found, before | _told_meanwhile(store, found))
    settling.fire(before, told.findings, told.over)
    settling.resolve((alert for i, alert in before.items() if i not in settling.held), told.folded)
    settling.outlive(alert for alert in accepted.values() if not together.is_seen(alert))
    return settling.outcome()


def react(
    changes: Sequence[Change],
    view: View,
    store: Judged,
    policy: Policy,
    now_us: int,
    hooks: Hooks = Hooks(),
) -> Outcome:
    """Judge anew what changes are about. Raises what `reconcile` does."""
    view.refresh()
    scope = Scope(view, policy, now_us, hooks.breathe, set())
    settling = _Settling(scope, store, hooks)
    nodes = list(dict.fromkeys(node for change in changes for node in _nodes_of(change)))
    for page in pages(nodes, _PAGE):
        _react_on_datasets(scope, [node for node in page if node.kind is Kind.DATASET], settling)
        _react_on_jobs(scope, [node for node in page if node.kind is Kind.JOB], settling)
    return settling.outcome()


def _react_on_datasets(scope: Scope, datasets: Sequence[Node], settling: _Settling) -> None:
    before = settling.store.about(datasets)
    settling.fire_some(before, of_schemas(_walking(scope, datasets=datasets), datasets))
    over = excused(scope, [a.finding.subject for a in before.values() if _is_orphan(a.finding)])
    settling.resolve(
        alert
        for i, alert in before.items()
        if i not in settling.held
        and not alert.finding.member_count
        and (_is_of_schema(alert) or (_is_orphan(alert.finding) and alert.finding.subject in over))
    )


def _react_on_jobs(scope: Scope, jobs: Sequence[Node], settling: _Settling) -> None:
    before = settling.store.about(jobs)
    walking = _walking(scope, jobs=jobs)
    histories = walking.view.jobs([job.id for job in jobs])
    settling.fire_some(before, of_jobs(walking, histories.values()))
    judged = ((i, a) for i, a in before.items() if a.finding.kind in JOB_KINDS and not is_for_sweep(a.finding))
    settling.resolve(a for i, a in judged if i not in settling.held and not a.finding.member_count)


def _is_of_schema(alert: Alert) -> bool:
    return alert.finding.kind in SCHEMA_KINDS


def _told_meanwhile(store: Judged, found: Iterable[Finding]) -> dict[str, Alert]:
    """What by now tells of something that was found, by a reaction since the pass began, too: it goes on telling of it.

    Read after the index, unlike all else, and so for this only: no alert moves from these versions.
    """
    ids = {finding.alert_id for finding in found}
    firing = store.firing()
    return {i: alert for i, alert in firing.items() if any(member.alert_id in ids for member in alert.finding.members)}


def _is_orphan(finding: Finding) -> bool:
    return finding.kind is AlertKind.ORPHAN_DATASET and not is_for_sweep(finding)


def _nodes_of(change: Change) -> Iterator[Node]:
    """The datasets and jobs that a change is about, some of them again and again."""
    yield change.node.dataset
    for item in change.items:
        if item.edge:
            yield from (item.edge.src.dataset, item.edge.dst.dataset)
        if item.output:
            yield item.output.dataset


def _still(scope: Scope, findings: Sequence[Finding]) -> Iterator[Finding]:
    """Those of these findings that hold by what the index says now, as it says it now, in full."""
    if not findings:
        return
    ids = {finding.alert_id for finding in findings}
    subjects = list(dict.fromkeys(finding.subject for finding in findings))
    jobs = [subject for subject in subjects if subject.kind is Kind.JOB]
    datasets = list(dict.fromkeys(finding.subject for finding in findings if finding.kind in SCHEMA_KINDS))
    walking = _walking(scope, datasets, jobs)
    histories = walking.view.jobs([job.id for job in jobs])
    again = chain(of_jobs(walking, histories.values()), of_schemas_in_full(walking, datasets))
    yield from (finding for finding in again if finding.alert_id in ids)
    orphans = [finding for finding in findings if _is_orphan(finding)]
    over = excused(scope, [orphan.subject for orphan in orphans])
    yield from (orphan for orphan in orphans if orphan.subject not in over)
    yield from filter(is_for_sweep, findings)


def _walking(scope: Scope, datasets: Sequence[Node] = (), jobs: Sequence[Node] = ()) -> Scope:
    """The same for one judgement: what it has read of the index, it reads no second time.

    What the judgement of these reads of them is read at once.
    """
    view = scope.view.walking()
    view.look_ahead([dataset.id for dataset in datasets], *_OF_DATASET)
    view.look_ahead([job.id for job in jobs], *_OF_JOB)
    return scope._replace(view=view)


def _assure(view: View) -> None:
    """Raise NotWholeError unless what was read is the live index, and that holds all that was read into it."""
    if view.refresh():
        raise NotWholeError("Redis", "another index went live while this one was judged; that one is judged next")
    if not view.is_whole():
        raise NotWholeError(
            "Redis",
            "the index lacks what had been read into it; indexers read it again by themselves: see that they run"
            " (`lineage doctor`)",
        )


class _Settling:
    """Takes the steps that findings call for, and remembers what came of them."""

    def __init__(self, scope: Scope, store: Judged, hooks: Hooks) -> None:
        self.store = store
        self.held: set[str] = set()
        self._mutes = Mutes(store.mutes(), scope.policy, scope.now_us)
        self._scope = scope
        self._hooks = hooks
        self._opened: list[Alert] = []
        self._resolved: list[Alert] = []
        self._firing: Counter[tuple[AlertKind, Severity]] = Counter()

    def fire_some(self, before: dict[str, Alert], findings: Iterable[Finding]) -> None:
        """The same for what is known of a few nodes only: what would fire anew may be told with what fires already."""
        found = list(findings)
        fresh = [finding for finding in found if finding.alert_id not in before]
        kept = [dressed(f, before[f.alert_id].finding) for f in found if f.alert_id in before]
        if not fresh:
            self.fire(before, kept)
            return
        firing = self.store.firing()
        news = Together(_walking(self._scope), self.store.accepted()).news(fresh, firing)
        self.fire(firing | before, [*kept, *(f for f in news if f.alert_id not in before)])

    def fire(self, before: dict[str, Alert], findings: Iterable[Finding], over: frozenset[str] = frozenset()) -> None:
        """Open, or keep up to date, an alert for each finding. `over`: those that go on for their members' sake."""
        iterator = iter(findings)
        while page := list(islice(iterator, _PAGE)):
            _assure(self._scope.view)
            fresh = [finding for finding in page if finding.alert_id not in before]
            known = self.store.get([finding.alert_id for finding in fresh])
            self._go_on(before, [finding for finding in page if finding.alert_id in before], over)
            self._keep(known, self._in_full(fresh))

    def _go_on(self, before: dict[str, Alert], findings: Sequence[Finding], over: frozenset[str]) -> None:
        """Keep what fires up to date. What is no more by now goes on as it was told, until the next sweep."""
        drifts = [f for f in findings if f.kind in SCHEMA_KINDS and f.alert_id not in over]
        in_full = {finding.alert_id: finding for finding in self._in_full(drifts)}
        for finding in drifts:
            if finding.alert_id not in in_full:
                self._hold(finding)
        others = reaching(self._scope, (f for f in findings if f.kind not in SCHEMA_KINDS and f.alert_id not in over))
        self._keep(before, [*in_full.values(), *others, *(f for f in findings if f.alert_id in over)])

    def _in_full(self, findings: Sequence[Finding]) -> Iterator[Finding]:
        """These findings judged once more, by what is known by now, with the members that they are told with."""
        as_told = {finding.alert_id: finding for finding in findings}
        in_full = reaching(self._scope, _still(self._scope, findings))
        return (dressed(finding, as_told[finding.alert_id]) for finding in in_full)

    def resolve(self, alerts: Iterable[Alert], folded: Mapping[str, str] = _NOBODY) -> None:
        """Resolve alerts that fired; but what has not begun yet by a clock that ran back goes on.

        So does what could not be judged, or was forgotten. `folded`: those that others tell of from now on.
        """
        over = list(alerts)
        if over:
            _assure(self._scope.view)
        for alert in over:
            leader_id = folded.get(alert.finding.alert_id)
            if leader_id in self.held:
                self._take(life.fold(alert, leader_id, self._scope.now_us), self._resolved)
            elif self._may_hold(alert):
                self._hold(alert.finding)
            elif life.is_restless(alert, self._scope.policy.damping, self._scope.now_us):
                self._hold(alert.finding)
                self._take(life.hold(alert, self._scope.policy.damping, self._scope.now_us), self._opened)
            else:
                self._take(life.resolve(alert, self._scope.now_us), self._resolved)

    def _may_hold(self, alert: Alert) -> bool:
        """Whether nobody can say that what was told is over."""
        finding, scope = alert.finding, self._scope
        has_not_begun = finding.kind in _OF_TIME and scope.now_us < alert.started_us
        return finding.subject.dataset in scope.stumbled or has_not_begun or is_forgotten(scope, finding)

    def outlive(self, alerts: Iterable[Alert]) -> None:
        """What was accepted no longer holds, unless it could not be judged."""
        over = [alert for alert in alerts if alert.finding.subject.dataset not in self._scope.stumbled]
        if over:
            _assure(self._scope.view)
        for alert in over:
            self._take(life.outlive(alert), self._resolved)

    def _keep(self, known: dict[str, Alert], findings: Iterable[Finding]) -> None:
        for finding in findings:
            alert = known.get(finding.alert_id)
            if alert and life.is_accepted(alert):
                continue
            self._hold(finding)
            url = self._hooks.runbook(finding.kind)
            self._take(life.fire(alert, finding, url, self._mutes.on(finding, alert)), self._opened)

    def _hold(self, finding: Finding) -> None:
        self.held.add(finding.alert_id)
        self._firing[finding.kind, finding.severity] += 1

    def outcome(self) -> Outcome:
        """What came of it."""
        return Outcome(tuple(self._opened), tuple(self._resolved), len(self.held), self._firing)

    def _take(self, step: Step | None, taken: list[Alert]) -> None:
        if step is None or not self.store.step(step):
            return
        self._hooks.stepped()
        if step.is_published:
            taken.append(step.alert)
