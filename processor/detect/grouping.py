"""One root cause, many subjects: one alert with its members. Too many of a kind at once: one alert that counts them.

Rules kept here:
- what is told is a function of the findings and of the graph, whoever asks; nothing is lost by it, only told together;
- a drift whose removed or retyped columns all derive, directly and as somebody stated, from columns that another drift
  removed or retyped is told with that one, if it began no earlier and within three days; so along the whole way, and
  the most upstream one leads. So is what several observers state of the same columns of one dataset, whatever its
  names: its writers, a crawler;
- what one run did to several of its outputs is one drift; the gravest leads, then the first, then by id;
- a job that is silent or stuck below a parent that is silent or stuck is told with its parent. Jobs below one parent
  that is not, and at least `_SCHEDULER` jobs of one namespace, that fall silent within a day are told with the first;
- the one that leads is as grave as the gravest of its members, and does not say that nobody depends on it where
  somebody depends on what a member broke. They are named up to `MOST_MEMBERS`, and all counted;
- what an open alert tells of goes on being told by it (`standing`): nothing that holds is told anew because another
  part of the same cause is over;
- of a kind, at most `at_most` alerts that began in one hour are told one by one, the gravest and the first ones; the
  rest is one `alert_storm`. While that is open, what it tells stays with it, unless it has become graver.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from processor.detect.drift_words import UNREAD
from processor.detect.policy import Policy
from processor.detect.standing import NOTHING_STANDS, Standing, outlived
from processor.detect.stats import DAY_US, HOUR_US
from processor.detect.words import counted
from processor.model.alert import AlertKind, ColumnDrift, Finding, Member, Severity
from processor.model.identity import Kind, Node, hash_parts
from processor.model.tables import ColumnChangeKind

MOST_MEMBERS = 100
WINDOW_US = 3 * DAY_US
WAITING = frozenset({AlertKind.SILENT_JOB, AlertKind.STUCK_RUN})
"""Kinds of which a parent's explains its children's."""

_SCHEDULER = 5
"""So many jobs of one namespace that fall silent together have one cause: what starts them, or sends their lineage."""
_GRAVITY = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Pair = tuple[int, int]
"""Positions of one that leads and one that is told with it."""


class Kin(NamedTuple):
    """What the graph says of the subjects of findings.

    `sources`: of a broken column, the columns that it was ever stated to derive from directly, and it itself, under
    each name of their datasets. `parents`: of a job, the jobs that contain it.
    """

    sources: Mapping[Node, frozenset[Node]]
    parents: Mapping[Node, frozenset[Node]]


class Told(NamedTuple):
    """What is to be told. `folded`: by the id of each that is told with another, the id of that one.

    `over`: ids of those that only go on for the sake of their members.
    """

    findings: list[Finding]
    folded: dict[str, str]
    over: frozenset[str] = frozenset()


def rank(finding: Finding | Member) -> tuple[int, int, str]:
    """The gravest first, then by when it began, then by id."""
    return _GRAVITY.index(finding.severity), finding.since_us, finding.alert_id


def breaking(finding: Finding) -> Iterator[Node]:
    """The columns that a drift removed or retyped."""
    if finding.kind is AlertKind.SCHEMA_DRIFT:
        yield from (finding.subject.column(drift.path) for drift in finding.changes if _breaks(drift))


def grouped(findings: Iterable[Finding], kin: Kin, standing: Standing = NOTHING_STANDS) -> Told:
    """Tell together what has one root cause, and what was told together before."""
    ranked = sorted([*findings, *standing.over.values()], key=rank)
    telling = list(_by_telling(ranked, standing))
    directed = list(_free([*_by_columns(ranked, kin, standing), *_by_parents(ranked, kin, standing)], ranked, standing))
    loose = _free([*_by_silence(ranked, kin, standing), *_by_run(ranked)], ranked, standing)
    sets = _Sets(len(ranked))
    for pair in (*telling, *directed, *loose):
        sets.join(*pair)
    below = {follower for _, follower in (*telling, *directed)}
    told = Told([], {}, frozenset(standing.over))
    for places in sets.all():
        first = min(places, key=lambda place: (place in below, ranked[place].alert_id not in standing.open, place))
        _tell(ranked[first], [ranked[place] for place in places if place != first], told)
    return told


def _tell(leader: Finding, others: Sequence[Finding], told: Told) -> None:
    holding = [each for each in others if each.alert_id not in told.over]
    told.findings.append(_led_on(leader, holding) if leader.alert_id in told.over else led(leader, holding))
    told.folded.update((each.alert_id, leader.alert_id) for each in others)


def bounded(told: Told, policy: Policy, standing: Standing = NOTHING_STANDS) -> Told:
    """Fold what is too much of a kind in one hour into one alert that counts it."""
    hours: dict[tuple[AlertKind, int], list[Finding]] = defaultdict(list)
    for finding in sorted(told.findings, key=rank):
        hours[finding.kind, finding.since_us // HOUR_US].append(finding)
    bound = Told([], dict(told.folded), told.over)
    for (kind, hour), some in hours.items():
        before = standing.open.get(_storm_id(kind, hour))
        own, rest = _parted(some, policy.alert_storm.at_most, before, standing)
        storm = _storm(kind, hour, rest, len(own), before) if rest else None
        if storm is None or not policy.permits(storm.kind, storm.subject):
            bound.findings.extend(some)
            continue
        bound.findings.extend([*own, storm])
        bound.folded.update((each.alert_id, storm.alert_id) for each in rest)
    return bound


def led(leader: Finding, others: Sequence[Finding]) -> Finding:
    """The finding that tells of others too, on top of those that it told of before."""
    if not others:
        return leader
    listed = {member.alert_id: member for each in others for member in (_member(each), *each.members)}
    listed |= {member.alert_id: member for member in leader.members}
    listed.pop(leader.alert_id, None)
    unlisted = sum(each.member_count - len(each.members) for each in (leader, *others))
    return _with_members(leader, list(listed.values()), len(listed) + unlisted)


def _led_on(leader: Finding, others: Sequence[Finding]) -> Finding:
    """The alert that is over by itself and tells of these others."""
    bare = replace(leader, severity=Severity.INFO, members=(), member_count=0)
    told = led(bare, others)
    return outlived(leader, told.members, told.member_count)


def dressed(finding: Finding, told: Finding) -> Finding:
    """A finding as it was judged by itself, with the members that it was told with."""
    return _with_members(finding, told.members, told.member_count) if told.member_count else finding


def alone(finding: Finding) -> Finding:
    """The same sentence without its members."""
    more = _more(finding.member_count)
    if not more or not finding.summary.endswith(more):
        return finding
    return replace(finding, summary=f"{finding.summary.removesuffix(more)}.")


def _with_members(leader: Finding, members: Sequence[Member], count: int) -> Finding:
    ranked = sorted(members, key=rank)
    severity = min((leader.severity, *(member.severity for member in ranked)), key=_GRAVITY.index)
    said = alone(leader).summary.removesuffix(".")
    if severity is Severity.CRITICAL:  # somebody does depend on it, if only on what a member broke
        said = said.removesuffix(UNREAD)
    summary = f"{said}{_more(count)}"
    return replace(leader, summary=summary, severity=severity, members=tuple(ranked[:MOST_MEMBERS]), member_count=count)


def _more(count: int) -> str:
    return f", and {counted(count, 'more finding')} of the same cause." if count else ""


def _member(finding: Finding) -> Member:
    said = alone(finding).summary
    return Member(finding.alert_id, finding.kind, finding.severity, finding.subject, said, finding.since_us)


# Who leads whom


def _by_telling(ranked: Sequence[Finding], standing: Standing) -> Iterator[_Pair]:
    places = {finding.alert_id: place for place, finding in enumerate(ranked)}
    yield from ((places[leader], places[member]) for member, leader in standing.leads.items() if member in places)


def _free(pairs: Iterable[_Pair], ranked: Sequence[Finding], standing: Standing) -> Iterator[_Pair]:
    """Those that do not take from an open alert what it tells of: another cause is told by itself."""
    for first, other in pairs:
        mine, its = ranked[first].alert_id, ranked[other].alert_id
        if its not in standing.leads or standing.family_of(mine) == standing.family_of(its):
            yield first, other


def _by_columns(ranked: Sequence[Finding], kin: Kin, standing: Standing) -> Iterator[_Pair]:
    """What is over leads nothing new but what it told of without a name."""
    broken: dict[Node, list[int]] = defaultdict(list)
    for place, finding in enumerate(ranked):
        if finding.alert_id not in standing.over or standing.may_have_unnamed(finding.alert_id):
            for column in breaking(finding):
                broken[column].append(place)
    for place, finding in enumerate(ranked):
        if finding.alert_id in standing.over:
            continue
        causes = [_causes(column, finding, ranked, broken, kin) for column in breaking(finding)]
        if causes and all(causes):
            first = min({cause for some in causes for cause in some}, key=lambda cause: _age(ranked[cause]))
            yield first, place


def _causes(
    column: Node, finding: Finding, ranked: Sequence[Finding], broken: Mapping[Node, Sequence[int]], kin: Kin
) -> list[int]:
    """The drifts that explain what became of a column."""
    sources = (place for source in kin.sources.get(column, ()) for place in broken.get(source, ()))
    return [place for place in sources if _may_cause(ranked[place], finding)]


def _may_cause(one: Finding, other: Finding) -> bool:
    return _age(one) < _age(other) and other.since_us - one.since_us <= WINDOW_US


def _age(finding: Finding) -> tuple[int, str]:
    return finding.since_us, finding.alert_id


def _by_parents(ranked: Sequence[Finding], kin: Kin, standing: Standing) -> Iterator[_Pair]:
    waiting: dict[Node, int] = {}
    for place in _waiting(ranked, standing):
        waiting.setdefault(ranked[place].subject, place)
    for place in _waiting(ranked, standing):
        parents = _parents_of(ranked[place], kin) - {ranked[place].subject}
        yield from ((waiting[parent], place) for parent in sorted(parents & waiting.keys())[:1])


def _waiting(ranked: Sequence[Finding], standing: Standing) -> list[int]:
    """Those that are waited for still."""
    places = (place for place, finding in enumerate(ranked) if finding.kind in WAITING)
    return [place for place in places if ranked[place].alert_id not in standing.over]


def _by_silence(ranked: Sequence[Finding], kin: Kin, standing: Standing) -> Iterator[_Pair]:
    """Jobs that fell silent together and have no parent that explains it: below one parent, then of one namespace.

    One that is back by now fell silent with them all the same.
    """
    waiting = {ranked[place].subject for place in _waiting(ranked, standing)}
    silent = [place for place, finding in enumerate(ranked) if finding.kind is AlertKind.SILENT_JOB]
    bare = [place for place in silent if not waiting & (_parents_of(ranked[place], kin) - {ranked[place].subject})]
    firsts = list[int]()
    for first, *others in _waves(ranked, bare, lambda job: min(_parents_of(job, kin), default=job.subject)):
        firsts.append(first)
        yield from ((first, other) for other in others)
    for first, *others in _waves(ranked, firsts, lambda job: job.subject.namespace):
        yield from ((first, other) for other in others if len(others) + 1 >= _SCHEDULER)


def _waves(ranked: Sequence[Finding], places: Iterable[int], of: Callable[[Finding], Hashable]) -> list[list[int]]:
    """These by what they belong to and when they began: each lot within a day of its first."""
    lots: dict[Hashable, list[list[int]]] = defaultdict(list)
    for place in sorted(places, key=lambda place: _age(ranked[place])):
        waves = lots[of(ranked[place])]
        if not waves or ranked[place].since_us - ranked[waves[-1][0]].since_us > DAY_US:
            waves.append([])
        waves[-1].append(place)
    return [wave for waves in lots.values() for wave in waves]


def _parents_of(finding: Finding, kin: Kin) -> frozenset[Node]:
    return kin.parents.get(finding.subject, frozenset())


def _by_run(ranked: Sequence[Finding]) -> Iterator[_Pair]:
    first: dict[tuple[Node, str], int] = {}
    for place, finding in enumerate(ranked):
        job, run_id = finding.cause.job, finding.cause.run_id
        if finding.kind is AlertKind.SCHEMA_DRIFT and job and run_id:
            yield first.setdefault((job, run_id), place), place


def _breaks(drift: ColumnDrift) -> bool:
    return drift.change in (ColumnChangeKind.REMOVED, ColumnChangeKind.RETYPED)


class _Sets:
    """Sets of positions that grow together."""

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self._top(one), self._top(other)))
        self._above[high] = low

    def all(self) -> list[list[int]]:
        sets: dict[int, list[int]] = defaultdict(list)
        for place in range(len(self._above)):
            sets[self._top(place)].append(place)
        return list(sets.values())

    def _top(self, place: int) -> int:
        while self._above[place] != place:
            self._above[place] = place = self._above[self._above[place]]
        return place


# Storms


def _parted(
    ranked: Sequence[Finding], most: int, before: Finding | None, standing: Standing
) -> tuple[list[Finding], list[Finding]]:
    """What began in one hour: that which is told one by one, and the rest. `before`: the storm, if it is open."""
    if before is None:
        return list(ranked[:most]), list(ranked[most:])
    grave = _GRAVITY.index(before.severity)
    own = [one for one in ranked if one.alert_id in standing.open or _GRAVITY.index(one.severity) < grave][:most]
    told = {one.alert_id for one in own}
    return own, [one for one in ranked if one.alert_id not in told]


def _storm_id(kind: AlertKind, hour: int) -> str:
    return hash_parts(AlertKind.ALERT_STORM.value, kind.value, str(hour)).hex()


def _storm(kind: AlertKind, hour: int, rest: Sequence[Finding], told: int, before: Finding | None) -> Finding:
    """The rest as one. One that is open keeps its subject, wherever what remains of it is."""
    first, namespaces = rest[0].subject.namespace, {finding.subject.namespace for finding in rest}
    since = _EPOCH + timedelta(hours=hour)
    storm = Finding(
        alert_id=_storm_id(kind, hour),
        kind=AlertKind.ALERT_STORM,
        severity=rest[0].severity,
        subject=before.subject if before else Node(Kind.NAMESPACE, first if len(namespaces) == 1 else "*", ""),
        summary=f"{counted(len(rest), 'more alert')} of kind {kind.value} began in the hour from"
        f" {since:%Y-%m-%d %H:%M} UTC, beside {told} told one by one.",
        since_us=min(finding.since_us for finding in rest),
    )
    members = tuple(map(_member, rest[:MOST_MEMBERS]))
    return replace(storm, members=members, member_count=len(rest))
