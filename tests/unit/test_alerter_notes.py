"""What people say of alerts: a drift that is accepted stays so, and who is muted is told nothing until it ends."""

from __future__ import annotations

import pytest

from processor.alerter.life import acknowledge, mute, unmute
from processor.alerter.mutes import Mute
from processor.alerter.reconcile import reconcile
from processor.alerter.state import MemoryAlerts
from processor.detect.policy import Policy
from processor.detect.policy_text import PolicyError, parse_policy
from processor.index.view import View
from processor.model.alert import Alert, AlertKind, Note, Status
from tests.support.events import Json, event, fill, memory, schema, table, us

DAY = 24 * 60
FULL, DROPPED = ("id:int", "amount:int"), ("id:int",)


def ingest(minutes: float, *columns: str) -> Json:
    out = [table("public.orders", schema=schema(*columns))]
    return event("ingest", minutes=minutes, run=int(minutes), outputs=out)


class World:
    """An index of which a column was dropped, and its one alert."""

    def __init__(self) -> None:
        self.store = memory(ingest(0, *FULL), ingest(60, *DROPPED))
        self.alerts = MemoryAlerts()
        self.sweep(61)

    def sweep(self, minutes: float, policy: Policy | None = None) -> list[Alert]:
        return list(reconcile(View(self.store), self.alerts, policy or Policy(), us(minutes)).transitions)

    @property
    def alert(self) -> Alert:
        (alert,) = self.alerts.all()
        return alert

    def say(self, minutes: float, until: float | None = None) -> Note:
        return Note("sam", us(minutes), "agreed", None if until is None else us(until))


def test_an_accepted_drift_is_resolved_and_stays_so_while_it_holds() -> None:
    world = World()
    assert world.alerts.step(acknowledge(world.alert, world.say(70)))
    assert (world.alert.status, world.alert.version) == (Status.RESOLVED, 2)
    assert world.sweep(80) == world.sweep(10 * DAY) == []
    assert reconcile(View(world.store), world.alerts, Policy(), us(80)).firing == 0
    assert world.alert.acknowledged == world.say(70)


def test_a_drift_that_was_taken_back_and_comes_again_is_news() -> None:
    world = World()
    assert world.alerts.step(acknowledge(world.alert, world.say(70)))
    fill(world.store, ingest(90, *FULL))
    assert world.sweep(91) == []
    assert world.alert.acknowledged is None
    fill(world.store, ingest(120, *DROPPED))
    (again,) = world.sweep(121)
    assert (again.status, again.version, again.acknowledged) == (Status.FIRING, 3, None)


def test_another_alert_fires_on_when_it_is_seen() -> None:
    world = World()
    fill(world.store, event("train", "START", run=7))
    (stuck,) = world.sweep(2 * DAY)
    assert stuck.finding.kind is AlertKind.STUCK_RUN
    assert world.alerts.step(acknowledge(stuck, world.say(2 * DAY)))
    assert world.sweep(2 * DAY + 1) == []
    seen = world.alerts.firing()[stuck.finding.alert_id]
    assert (seen.version, seen.acknowledged) == (2, world.say(2 * DAY))


def test_a_muted_alert_is_told_again_when_the_mute_has_ended_and_it_still_fires() -> None:
    world = World()
    assert world.alerts.step(mute(world.alert, world.say(70, until=200)))
    assert world.sweep(199) == []
    (told,) = world.sweep(200)
    assert (told.status, told.muted, told.version) == (Status.FIRING, None, 3)


def test_a_mute_that_is_taken_back_is_told_once() -> None:
    world = World()
    assert unmute(world.alert) is None
    assert world.alerts.step(mute(world.alert, world.say(70, until=200)))
    step = unmute(world.alert)
    assert step is not None
    assert world.alerts.step(step)
    assert (world.alert.muted, world.alert.version) == (None, 3)
    assert world.sweep(80) == []


@pytest.mark.parametrize(
    ("pattern", "kind", "count"),
    [
        ("postgres://warehouse:*", None, 1),
        ("*:public.ord*", AlertKind.SCHEMA_DRIFT, 1),
        ("postgres://warehouse:*", AlertKind.STUCK_RUN, 0),
        ("*:public.lines", None, 0),
    ],
)
def test_a_pattern_mutes_what_it_matches_as_long_as_it_is_there(
    pattern: str, kind: AlertKind | None, count: int
) -> None:
    world = World()
    by_pattern = Mute(pattern, us(200), "moving", "sam", us(60), kind)
    world.alerts.mute(by_pattern)
    assert [a.muted is not None for a in world.sweep(70)] == [True] * count
    assert world.sweep(80) == []
    world.alerts.unmute(by_pattern.mute_id)
    assert [a.muted for a in world.sweep(90)] == [None] * count


def test_what_is_muted_before_it_fires_is_muted_from_its_first_version_on() -> None:
    world = World()
    world.alerts = MemoryAlerts()
    world.alerts.mute(Mute("*", us(200), "moving", "sam", us(0)))
    (first,) = world.sweep(70)
    assert first.version == 1
    assert first.muted == Note("sam", us(70), "moving", us(200), "*")
    (told,) = world.sweep(201)
    assert told.muted is None


def test_an_alerts_own_mute_outlasts_a_pattern() -> None:
    world = World()
    assert world.alerts.step(mute(world.alert, world.say(70, until=300)))
    world.alerts.mute(Mute("*", us(200), "moving", "sam", us(0)))
    assert world.sweep(100) == world.sweep(250) == []
    assert world.alert.muted == world.say(70, until=300)


def test_the_policy_mutes_until_its_day() -> None:
    world = World()
    text = 'mutes: [{pattern: "postgres://*", until: 2026-03-02, reason: migration}]'
    (muted,) = world.sweep(70, parse_policy(text))
    assert muted.muted is not None
    assert (muted.muted.by, muted.muted.reason) == ("policy", "migration")
    assert world.sweep(80, parse_policy(text)) == []
    (told,) = world.sweep(90)
    assert told.muted is None
    assert (
        world.sweep(2 * DAY, parse_policy(text)) == world.sweep(100, parse_policy(text.replace("2026-", "2025-"))) == []
    )


@pytest.mark.parametrize(
    ("mute_", "reason"),
    [
        ('{pattern: "a", until: tomorrow on, reason: b}', "no time"),
        ('{pattern: "a", until: 2026-13-40, reason: b}', "no time"),
        ('{pattern: "a", until: 2026-03-01}', "reason"),
        ('{pattern: "a", until: 2026-03-01, reason: b, kind: wrong}', "kind"),
    ],
)
def test_a_mute_that_cannot_be_is_refused_by_its_line(mute_: str, reason: str) -> None:
    with pytest.raises(PolicyError, match=reason) as caught:
        parse_policy(f"version: 1\nmutes:\n  - {mute_}\n")
    assert caught.value.line in (2, 3)
