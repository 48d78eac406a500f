"""What is told together, and what waits: grouping applied to what a pass has found.

Rules kept here:
- what somebody accepted is told nobody, nor what was told with it when it was accepted: its members, and where those
  are more than were named, whatever belongs to it now and began before it was accepted. Only a sweep knows that, so
  what single changes bring up of that time waits for it. So it stays for as long as any part of it holds;
- what an open alert tells of goes on being told by it, whatever became of the rest (`detect/standing.py`);
- memory is bounded by what is wrong: grouping has to see all of it at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from processor.alerter.kin import kin_of
from processor.alerter.sweep.jobs import of_jobs
from processor.alerter.sweep.losses import of_storms
from processor.alerter.sweep.schemas import of_schemas
from processor.detect.grouping import Kin, Told, alone, bounded, dressed, grouped, led, rank
from processor.detect.standing import standing
from processor.detect.stats import HOUR_US
from processor.judging.scope import Scope
from processor.model.alert import Alert, AlertKind, Finding
from processor.model.identity import Kind, Node

_MOST_LEVELS = 20
_MOST_OUTPUTS = 100
_Hour = tuple[AlertKind, int]


class Together:
    """For one pass. `seen`: what holds of that which was accepted."""

    def __init__(self, scope: Scope, accepted: Mapping[str, Alert]) -> None:
        self.seen: set[str] = set()
        self._scope = scope
        members = (member.alert_id for alert in accepted.values() for member in alert.finding.members)
        self._accepted = {*accepted, *members}
        self._cut = {i: alert for i, alert in accepted.items() if _is_cut(alert)}

    def told(self, findings: Iterable[Finding], firing: Mapping[str, Alert]) -> Told:
        """All that is to be told, of everything that holds while these fire."""
        held = list(findings)
        held += self._unknown(held, firing)
        held += self._lasting(held, firing)
        some = self._not_accepted(held)
        stands = standing({i: alert.finding for i, alert in firing.items()}, some)
        kin = kin_of(self._scope.view, [*held, *stands.over.values()], self._scope.breathe)
        some = self._without_unnamed(held, some, kin)
        stands = stands.among(some)
        return bounded(grouped(some, kin, stands), self._scope.policy, stands)

    def is_seen(self, accepted: Alert) -> bool:
        """Whether any of what somebody accepted holds."""
        return any(i in self.seen for i in (accepted.finding.alert_id, *(m.alert_id for m in accepted.finding.members)))

    def _unknown(self, held: Sequence[Finding], firing: Mapping[str, Alert]) -> list[Finding]:
        """What fires and tells of others, and could not be judged: nobody knows that it is over."""
        ids, stumbled = {finding.alert_id for finding in held}, self._scope.stumbled
        fired = (alert.finding for i, alert in firing.items() if i not in ids and alert.finding.member_count)
        return [replace(alone(f), members=(), member_count=0) for f in fired if f.subject.dataset in stumbled]

    def _lasting(self, held: Sequence[Finding], firing: Mapping[str, Alert]) -> list[Finding]:
        """What open storms tell of, and the index has forgotten: a storm lasts while what it tells of lasts."""
        storms = (alert.finding for alert in firing.values() if alert.finding.kind is AlertKind.ALERT_STORM)
        return list(of_storms(self._scope, storms, {finding.alert_id for finding in held}))

    def news(self, fresh: Iterable[Finding], firing: Mapping[str, Alert]) -> list[Finding]:
        """What is to fire anew, and what fires and tells of more now. What may lead what is new is judged with it.

        What would lead something that fires waits for the sweep, which lets the one end as the other begins.
        """
        fresh = [finding for finding in fresh if not any(_is_before(finding, one) for one in self._cut.values())]
        told_already = {member.alert_id for alert in firing.values() for member in alert.finding.members}
        some = [finding for finding in self._not_accepted(fresh) if finding.alert_id not in told_already]
        pool, kin = self._with_kindred(some)
        together = grouped(pool.values(), kin)
        leads = {together.folded.get(finding.alert_id, finding.alert_id) for finding in some}
        told = {finding.alert_id: finding for finding in together.findings if finding.alert_id in leads}
        followers = ((pool[i], leader_id) for i, leader_id in together.folded.items() if leader_id in firing)
        grown = {i: dressed(alone(finding), firing[i].finding) for i, finding in told.items() if i in firing}
        for follower, leader_id in followers:
            if leader_id in grown:
                grown[leader_id] = led(grown[leader_id], [follower])
        fired = {leader_id for i, leader_id in together.folded.items() if i in firing}
        opening = (finding for i, finding in told.items() if i not in firing and i not in fired)
        return [*grown.values(), *self._room(opening, [alert.finding for alert in firing.values()])]

    def _without_unnamed(self, held: Sequence[Finding], some: list[Finding], kin: Kin) -> list[Finding]:
        """These findings without the members of accepted alerts that had too many to name them all."""
        leaders = {i: alert.finding for i, alert in self._cut.items() if self.is_seen(alert)}
        leaders |= {finding.alert_id: finding for finding in held if finding.alert_id in self._cut}
        if not leaders:
            return some
        folded = grouped([*leaders.values(), *some], kin).folded
        accepted = {folded.get(i, i): self._cut[i] for i in sorted(leaders)}
        led_by = {f.alert_id: accepted.get(folded.get(f.alert_id, f.alert_id)) for f in some}
        return [f for f in some if not ((leader := led_by[f.alert_id]) and _is_before(f, leader))]

    def _with_kindred(self, fresh: Sequence[Finding]) -> tuple[dict[str, Finding], Kin]:
        """These findings with those that stand upstream of them, or come of the same runs, and how they are akin."""
        pool = {finding.alert_id: finding for finding in fresh}
        asked, level, kin = set[Node](), list(fresh), Kin({}, {})
        for _ in range(_MOST_LEVELS):
            more = kin_of(self._scope.view, level)
            kin = Kin({**kin.sources, **more.sources}, {**kin.parents, **more.parents})
            near = self._near(level, more) - asked
            asked |= near
            level = [f for f in self._not_accepted(self._judged(near)) if f.alert_id not in pool]
            pool |= {finding.alert_id: finding for finding in level}
            if not level:
                break
        return pool, kin

    def _near(self, level: Sequence[Finding], kin: Kin) -> set[Node]:
        near = {source.dataset for sources in kin.sources.values() for source in sources}
        near.update(parent for parents in kin.parents.values() for parent in parents)
        for job, run_id in {(f.cause.job, f.cause.run_id) for f in level if f.kind is AlertKind.SCHEMA_DRIFT}:
            run = self._scope.view.run(job, run_id) if job and run_id else None
            outputs = self._scope.view.nodes(run.outputs[:_MOST_OUTPUTS]) if run else {}
            near.update(record.node for record in outputs.values())
        return near

    def _judged(self, nodes: Iterable[Node]) -> Iterator[Finding]:
        some = sorted(nodes)
        yield from of_schemas(self._scope, [node for node in some if node.kind is Kind.DATASET])
        jobs = self._scope.view.jobs([node.id for node in some if node.kind is Kind.JOB])
        yield from of_jobs(self._scope, jobs.values())

    def _room(self, fresh: Iterable[Finding], firing: Iterable[Finding]) -> Iterator[Finding]:
        """As many of a kind as may begin in one hour before a sweep has looked at all of them."""
        knobs, there = self._scope.policy.alert_storm, Counter(map(_hour, firing))
        for finding in sorted(fresh, key=rank):
            if not knobs.enabled or there[_hour(finding)] < knobs.at_once:
                there[_hour(finding)] += 1
                yield finding

    def _not_accepted(self, findings: Iterable[Finding]) -> list[Finding]:
        some = []
        for finding in findings:
            if finding.alert_id in self._accepted:
                self.seen.add(finding.alert_id)
            else:
                some.append(finding)
        return some


def _is_cut(alert: Alert) -> bool:
    return alert.finding.member_count > len(alert.finding.members)


def _is_before(finding: Finding, accepted: Alert) -> bool:
    """Whether a drift began before something was accepted."""
    until_us = accepted.acknowledged.at_us if accepted.acknowledged else 0
    return finding.kind is accepted.finding.kind and finding.since_us <= until_us


def _hour(finding: Finding) -> _Hour:
    return finding.kind, finding.since_us // HOUR_US
