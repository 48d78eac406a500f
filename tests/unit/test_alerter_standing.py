"""One cause is one alert until all of it is over; and a loss ends because it is mended, not because it is forgotten."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.alerter.life import acknowledge
from processor.alerter.reconcile import react, reconcile
from processor.alerter.state import MemoryAlerts
from processor.detect.policy import Policy
from processor.detect.policy_text import parse_policy
from processor.index.announce import change_of
from processor.index.memory import MemoryStore
from processor.index.view import View
from processor.model.alert import Alert, AlertKind, Finding, Member, Note, Severity, Status
from processor.model.codec import decode_alert, encode_alert
from tests.support.events import Json, column_lineage, event, facet, fill, run_id, schema, table, us

HOUR, DAY = 60, 24 * 60
PARENT = {"parent": facet(run={"runId": run_id(0)}, job={"namespace": "shop", "name": "dag"})}


class World:
    """An index with its alerts, and all that was published."""

    def __init__(self, *events: Json) -> None:
        self.store, self.alerts = MemoryStore(), MemoryAlerts()
        self.published: list[Alert] = []
        fill(self.store, *events)

    def sweep(self, minutes: float, policy: str = "") -> list[Alert]:
        told = reconcile(View(self.store), self.alerts, parse_policy(policy), us(minutes)).transitions
        self.published += told
        return list(told)

    def feel(self, *events: Json, minutes: float) -> None:
        for entry in fill(self.store, *events):
            change = change_of(entry, self.store)
            self.published += react([change], View(self.store), self.alerts, Policy(), us(minutes)).transitions

    def told(self) -> dict[str, list[str]]:
        firing = [alert.finding for alert in self.alerts.firing().values()]
        return {f.subject.name: sorted(member.subject.name for member in f.members) for f in firing}

    def lose_alerts(self) -> None:
        """The store is emptied, and told by the topic: each alert's last record."""
        last = {alert.finding.alert_id: alert for alert in self.published}
        self.alerts = MemoryAlerts()
        self.alerts.begin("reader")
        for number, alert in enumerate(last.values(), 1):
            self.alerts.restore("reader", number, decode_alert(encode_alert(alert)))
        self.alerts.finish("reader", len(last), {})


NAMES = [f"job {number}" for number in range(7)]


def day_of(day: int, names: Sequence[str] = NAMES) -> list[Json]:
    """A start and an end of each job."""
    return [
        event(name, state, day * DAY + 20 * NAMES.index(name) + late, run=day * 100 + NAMES.index(name))
        for name in names
        for state, late in (("START", 0), ("COMPLETE", 5))
    ]


def silent() -> World:
    """Seven jobs of one namespace that ran for ten days, and then did not for three."""
    return World(*(each for day in range(10) for each in day_of(day)))


@settings(max_examples=30)
@given(st.permutations(NAMES), st.sets(st.integers(1, 6)))
def test_jobs_that_come_back_one_by_one_are_one_alert_in_whatever_order(back: list[str], lost_at: set[int]) -> None:
    world = silent()
    (alert,) = world.sweep(13 * DAY)
    assert alert.finding.member_count == 6
    for number, name in enumerate(back[:-1], 1):
        world.feel(*day_of(13, [name]), minutes=13 * DAY + 300 + number)
        if number in lost_at:
            world.lose_alerts()
        world.sweep(13 * DAY + 300 + number)
        (left,) = world.alerts.firing().values()
        assert left.finding.alert_id == alert.finding.alert_id
        there = {left.finding.subject.name, *(member.subject.name for member in left.finding.members)}
        assert there - {"job 0"} == set(back[number:]) - {"job 0"}
        assert ("is over, but not" in left.finding.summary) == ("job 0" in back[:number])
    world.feel(*day_of(13, back[-1:]), minutes=13 * DAY + 400)
    world.sweep(13 * DAY + 400)
    assert not world.alerts.firing()
    assert {told.finding.alert_id for told in world.published} == {alert.finding.alert_id}
    assert [told.status for told in world.published].count(Status.RESOLVED) == 1


def test_who_came_back_and_fell_silent_again_is_another_incident() -> None:
    world = silent()
    world.sweep(13 * DAY)
    for day in range(13, 23):
        fill(world.store, *day_of(day, ["job 0", "job 3"]))
    world.sweep(22 * DAY + HOUR)
    assert world.told() == {"job 0": ["job 1", "job 2", "job 4", "job 5", "job 6"]}
    world.sweep(32 * DAY)
    assert set(world.told()) == {"job 0", "job 3"}
    assert "job 3" not in world.told()["job 0"]


def test_a_cause_that_was_not_told_before_is_told_by_itself() -> None:
    world = silent()
    world.sweep(13 * DAY)
    fill(world.store, *day_of(13, ["job 0"]))
    hourly = [event("other", s, 13 * DAY + n * HOUR + m, run=7000 + n) for n in range(40) for s, m in RUN]
    fill(world.store, *hourly)
    world.sweep(17 * DAY)
    assert set(world.told()) == {"job 0", "other"}


RUN = (("START", 0), ("COMPLETE", 5))


def layer(name: str, minutes: float, *columns: str, source: str = "") -> Json:
    facets: Json = {"schema": schema(*columns)}
    if source:
        facets["columnLineage"] = column_lineage({column: [(source, column)] for column in columns})
    inputs = [table(source)] if source else []
    return event(f"write {name}", minutes=minutes, run=int(minutes), inputs=inputs, outputs=[table(name, **facets)])


def dropped() -> World:
    """A column that went from three tables, one after another."""
    world = World()
    for minutes, columns in ((0, ("id", "amount")), (60, ("id",))):
        steps = [layer("raw", minutes, *columns), layer("mid", minutes + 1, *columns, source="raw")]
        for each in (*steps, layer("mart", minutes + 2, *columns, source="mid")):
            world.feel(each, minutes=minutes + 5)
    return world


def test_a_drift_goes_on_until_the_last_table_has_its_column_again() -> None:
    world = dropped()
    (first,) = world.alerts.firing().values()
    world.feel(layer("raw", 70, "id", "amount"), minutes=71)
    assert world.told() == {"raw": ["mart", "mid"]}
    (said,) = world.sweep(72)
    assert said.finding.summary.startswith("The schema drift of raw is over, but not 2 findings of the same cause: ")
    assert (said.finding.alert_id, said.version) == (first.finding.alert_id, first.version + 1)
    assert (first.finding.severity, said.finding.severity) == (Severity.CRITICAL, Severity.WARNING)
    assert world.sweep(73) == []
    world.feel(layer("mid", 80, "id", "amount", source="raw"), minutes=81)
    assert world.sweep(82) == []
    assert world.told() == {"raw": ["mart"]}
    world.feel(layer("mart", 90, "id", "amount", source="mid"), minutes=91)
    assert [alert.status for alert in world.sweep(92)] == [Status.RESOLVED]
    assert not world.alerts.firing()


def test_what_somebody_accepted_stays_accepted_when_its_first_part_is_over() -> None:
    world = dropped()
    (alert,) = world.alerts.firing().values()
    assert world.alerts.step(acknowledge(alert, Note("sam", us(66))))
    world.feel(layer("raw", 70, "id", "amount"), minutes=71)
    assert world.sweep(72) == []
    assert world.sweep(73) == []
    assert not world.alerts.firing()


# Losses


def hour_of(hour: int, *, inputs: str = "ab", has_outputs: bool = True, is_mapped: bool = True) -> list[Json]:
    """A run of an hourly job."""
    facets: Json = {"schema": schema("id")}
    if is_mapped:
        facets["columnLineage"] = column_lineage({"id": [("a", "id")]})
    outputs = [table("out", **facets)] if has_outputs else []
    read = [table(name) for name in inputs]
    begun = event("hourly", "START", hour * HOUR, run=hour)
    return [begun, event("hourly", "COMPLETE", hour * HOUR + 5, run=hour, inputs=read, outputs=outputs)]


LOSSES = {
    "missing_inputs": {"inputs": "", "is_mapped": False},
    "missing_outputs": {"has_outputs": False},
    "broken_lineage": {"inputs": "a"},
    "missing_column_lineage": {"is_mapped": False},
}


def fires(world: World, kind: str) -> bool:
    return any(alert.finding.kind.value == kind for alert in world.alerts.firing().values())


@pytest.mark.parametrize("kind", LOSSES)
def test_a_loss_in_an_hourly_job_is_told_until_it_is_mended(kind: str) -> None:
    world = World(*(each for hour in range(40) for each in hour_of(hour)))
    for hour in range(40, 140, 10):
        lost = (each for h in range(hour, hour + 10) for each in hour_of(h, **LOSSES[kind]))  # type: ignore[arg-type]
        world.feel(*lost, minutes=(hour + 9) * HOUR + 6)
        world.sweep((hour + 9) * HOUR + 10)
        assert fires(world, kind), hour
    world.feel(*hour_of(140), minutes=140 * HOUR + 6)
    world.sweep(140 * HOUR + 10)
    assert not fires(world, kind)
    told = [a for a in world.published if a.finding.kind.value == kind]
    assert [a.status for a in told] == [Status.FIRING, Status.RESOLVED]


@pytest.mark.parametrize("kind", LOSSES)
def test_a_loss_that_nobody_mends_is_accepted_at_last(kind: str) -> None:
    world = World(*(each for hour in range(40) for each in hour_of(hour)))
    days, policy = 9, f"{kind}: {{settle_days: 9}}"
    last = 40 + 24 * (days + 2)
    for hour in range(40, last, 24):
        fill(world.store, *(each for h in range(hour, hour + 24) for each in hour_of(h, **LOSSES[kind])))  # type: ignore[arg-type]
        world.sweep((hour + 23) * HOUR + 10, policy)
        assert fires(world, kind) == (hour + 23 - 40 < 24 * days), hour


def test_what_the_policy_leaves_out_by_now_is_not_told_on() -> None:
    world = World(*(each for hour in range(40) for each in hour_of(hour)))
    fill(world.store, *hour_of(40, has_outputs=False))
    world.sweep(41 * HOUR)
    fill(world.store, *(each for hour in range(41, 90) for each in hour_of(hour, has_outputs=False)))
    world.sweep(90 * HOUR)
    assert fires(world, "missing_outputs")
    world.sweep(90 * HOUR + 1, "missing_outputs: {ignore: ['*hourly']}")
    assert not fires(world, "missing_outputs")


@pytest.mark.parametrize("kind", ["missing_inputs", "missing_outputs"])
def test_what_the_policy_no_longer_requires_is_not_told_on(kind: str) -> None:
    bare = {"inputs": "", "has_outputs": False, "is_mapped": False}
    world = World(*(each for hour in range(40) for each in hour_of(hour, **bare)))  # type: ignore[arg-type]
    world.sweep(40 * HOUR, f"{kind}: {{require: ['*hourly']}}")
    assert fires(world, kind)
    world.sweep(40 * HOUR + 1)
    assert not fires(world, kind)


def _of_job(job: int, hour: int, *, has_outputs: bool) -> Json:
    """A run of one of many hourly jobs."""
    outputs = [table(f"out {job}")] if has_outputs else []
    return event(f"hourly {job}", "COMPLETE", hour * HOUR + job, run=100 * hour + job, outputs=outputs)


def test_a_storm_lasts_while_what_it_tells_of_lasts_though_it_is_forgotten() -> None:
    jobs, policy = range(5), "alert_storm: {at_most: 2}"
    world = World(*(_of_job(job, hour, has_outputs=True) for hour in range(40) for job in jobs))
    for hour in range(40, 160, 24):
        span = range(hour, hour + 24)
        fill(world.store, *(_of_job(job, h, has_outputs=h > 100 and job == 4) for h in span for job in jobs))
        world.sweep((hour + 23) * HOUR + 30, policy)
        assert told_of(world) == {f"hourly {job}" for job in jobs if job < 4 or hour + 23 <= 100}, hour
    fill(world.store, *(_of_job(job, 160, has_outputs=True) for job in jobs))
    world.sweep(161 * HOUR, policy)
    assert told_of(world) == set()
    storms = [a for a in world.published if told_in(a) and a.finding.kind is AlertKind.ALERT_STORM]
    assert [(a.status, len(told_in(a))) for a in storms] == [(Status.FIRING, 3), (Status.RESOLVED, 2)]


def told_of(world: World) -> set[str]:
    """The jobs of which alerts tell that they lack outputs, each by itself or in a storm."""
    return set[str]().union(*map(told_in, world.alerts.firing().values()))


def told_in(alert: Alert) -> set[str]:
    told: tuple[Finding | Member, ...] = (alert.finding, *alert.finding.members)
    return {one.subject.name for one in told if one.kind is AlertKind.MISSING_OUTPUTS}
