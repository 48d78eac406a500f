"""One root cause is one alert by either path: the sweep's, and that of single changes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from processor.alerter.life import acknowledge
from processor.alerter.reconcile import react, reconcile
from processor.alerter.state import MemoryAlerts
from processor.detect.policy import Policy
from processor.detect.policy_text import parse_policy
from processor.index.announce import change_of
from processor.index.memory import MemoryStore
from processor.index.portion import Portion
from processor.index.view import View
from processor.model.alert import Alert, AlertKind, Note, Status
from tests.support.events import NAMESPACE, PRODUCER, Json, at, column_lineage, event, facet, fill, schema, table, us

FULL, DROPPED = ("id:int", "amount:int"), ("id:int",)
NAMES = ("raw", "staging", "mart")


def layer(number: int, minutes: float, *columns: str) -> Json:
    """One layer written from the one before it."""
    name, run = NAMES[number], int(minutes) * 10 + number
    fields = [column.partition(":")[0] for column in columns]
    facets: Json = {"schema": schema(*columns)}
    if number:
        facets["columnLineage"] = column_lineage({field: [(NAMES[number - 1], field)] for field in fields})
    output = table(name, **facets)
    inputs = [table(NAMES[number - 1])] if number else []
    return event(f"write {name}", minutes=minutes, run=run, inputs=inputs, outputs=[output])


class World:
    """Three layers that had a column which is dropped from one after another."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.alerts = MemoryAlerts()
        fill(self.store, *(layer(number, number, *FULL) for number in range(3)))

    def sweep(self, minutes: float, policy: Policy | None = None) -> list[Alert]:
        return list(reconcile(View(self.store), self.alerts, policy or Policy(), us(minutes)).transitions)

    def feel(self, minutes: float, *events: Json, policy: Policy | None = None) -> list[Alert]:
        changes = [change_of(entry, self.store) for entry in fill(self.store, *events)]
        outcomes = [react([c], View(self.store), self.alerts, policy or Policy(), us(minutes)) for c in changes]
        return [alert for outcome in outcomes for alert in outcome.transitions]

    def told(self) -> dict[str, list[str]]:
        firing = [alert.finding for alert in self.alerts.firing().values()]
        return {f.subject.name: [member.subject.name for member in f.members] for f in firing}


ALL = {"raw": ["staging", "mart"]}


def test_a_column_that_goes_all_the_way_down_is_one_alert_by_either_path() -> None:
    swept, felt = World(), World()
    for number in range(3):
        fill(swept.store, layer(number, 60 + number, *DROPPED))
        felt.feel(65, layer(number, 60 + number, *DROPPED))
    swept.sweep(65)
    assert swept.told() == felt.told() == ALL
    assert {alert.status for alert in felt.sweep(66)} <= {Status.FIRING}
    assert felt.sweep(67) == []
    (felt_last,) = felt.alerts.firing().values()
    (alert,) = swept.alerts.firing().values()
    assert alert.finding.summary.endswith("and 2 more findings of the same cause.")
    assert felt_last.finding == alert.finding


LAKE = "s3://lake"


def observed(minutes: float, *columns: str, symlinks: Json | None = None) -> list[Json]:
    """A table as its two writers state it, and as a catalog does under the path of its files."""
    links = {"symlinks": symlinks} if symlinks else {}
    return [
        event("load", minutes=minutes, run=int(minutes), outputs=[table("raw", schema=schema(*columns))]),
        event("amend", minutes=minutes + 1, run=int(minutes), outputs=[table("raw", schema=schema(*columns))]),
        {
            "eventTime": at(minutes + 2),
            "producer": PRODUCER,
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent",
            "dataset": table("raw/files", LAKE, schema=schema(*columns), **links),
        },
    ]


def test_what_several_observers_state_of_one_dataset_is_one_alert_by_either_path() -> None:
    links = facet(identifiers=[{"namespace": NAMESPACE, "name": "raw", "type": "TABLE"}])
    swept, felt = World(), World()
    for world in (swept, felt):
        fill(world.store, *observed(10, *FULL, symlinks=links))
    fill(swept.store, *observed(60, *DROPPED))
    swept.sweep(65)
    for each in observed(60, *DROPPED):
        felt.feel(65, each)
    assert swept.told() == felt.told() == {"raw": ["raw", "raw/files"]}
    assert felt.sweep(67) == []


def test_what_two_observers_state_of_one_dataset_is_two_alerts_where_the_columns_differ() -> None:
    world = World()
    fill(world.store, *observed(10, *FULL))
    load, amend, _ = observed(60, *DROPPED)
    amend["outputs"] = [table("raw", schema=schema("amount:int"))]
    fill(world.store, load, amend)
    world.sweep(65)
    assert [alert.finding.member_count for alert in world.alerts.firing().values()] == [0, 0]


def test_what_fired_before_its_cause_was_known_is_resolved_and_says_who_tells_of_it() -> None:
    world = World()
    world.feel(70, layer(1, 61, *DROPPED))
    (first,) = world.alerts.firing().values()
    world.feel(70, layer(0, 60, *DROPPED))
    (folded,) = [alert for alert in world.sweep(71) if alert.status is Status.RESOLVED]
    assert folded.finding.alert_id == first.finding.alert_id
    assert world.told() == {"raw": ["staging"]}
    assert f"told with alert {next(iter(world.alerts.firing()))}" in folded.finding.summary


def test_judging_one_node_anew_keeps_what_its_alert_tells_of() -> None:
    world = World()
    for number in range(3):
        world.feel(65, layer(number, 60 + number, *DROPPED))
    assert world.feel(81, layer(0, 80, *DROPPED), layer(1, 81, *DROPPED)) == []
    assert world.told() == ALL


def test_what_was_accepted_takes_what_was_told_with_it_along() -> None:
    world = World()
    for number in range(3):
        world.feel(65, layer(number, 60 + number, *DROPPED))
    (alert,) = world.alerts.firing().values()
    assert world.alerts.step(acknowledge(alert, Note("sam", us(70))))
    assert world.sweep(71) == []
    assert world.feel(81, layer(1, 80, *DROPPED)) == []
    assert world.told() == {}


def apart(number: int, minutes: float, *columns: str) -> Json:
    outputs = [table(f"t{number:03}", schema=schema(*columns))]
    return event(f"job {number}", minutes=minutes, run=int(minutes) * 1000 + number, outputs=outputs)


POLICY = parse_policy("alert_storm: {at_most: 5, at_once: 2}")


def test_of_a_storm_single_changes_bring_up_a_few_and_the_sweep_tells_the_rest_as_one() -> None:
    world = World()
    fill(world.store, *(apart(number, 0, *FULL) for number in range(20)))
    opened = world.feel(70, *(apart(number, 60, *DROPPED) for number in range(20)), policy=POLICY)
    assert len(opened) == 2
    world.sweep(71, POLICY)
    kinds = [alert.finding.kind for alert in world.alerts.firing().values()]
    assert (kinds.count(AlertKind.SCHEMA_DRIFT), kinds.count(AlertKind.ALERT_STORM)) == (5, 1)
    (storm,) = [a.finding for a in world.alerts.firing().values() if a.finding.kind is AlertKind.ALERT_STORM]
    assert storm.member_count == 15
    assert world.sweep(72, POLICY) == []


def test_what_a_storm_tells_of_stays_with_it_until_the_last_is_over() -> None:
    world = World()
    fill(world.store, *(apart(number, 0, *FULL) for number in range(20)))
    fill(world.store, *(apart(number, 60, *DROPPED) for number in range(20)))
    world.sweep(71, POLICY)
    alone = {name for name in world.told() if name}
    for minutes, back in ((80, range(8)), (81, range(8, 16)), (82, range(16, 20))):
        fill(world.store, *(apart(number, minutes, *FULL) for number in back))
        told = world.sweep(minutes + 1, POLICY)
        assert {alert.status for alert in told} == {Status.RESOLVED}
        held = {f"t{number:03}" for number in range(back[-1] + 1, 20)}
        storm = set(world.told().get("", ()))
        assert (storm, set(world.told()) - {""}) == (held - alone, held & alone)
    assert not world.alerts.firing()


def test_what_turns_graver_than_its_storm_is_told_by_itself() -> None:
    world = World()
    fill(world.store, *(apart(number, 0, *FULL) for number in range(20)))
    fill(world.store, *(apart(number, 60, *DROPPED) for number in range(20)))
    world.sweep(71, POLICY)
    in_storm = min(world.told()[""])
    lineage = column_lineage({"amount": [(in_storm, "amount")]})
    reads = event("reads", minutes=75, run=9, inputs=[table(in_storm)], outputs=[table("mart", columnLineage=lineage)])
    fill(world.store, reads)
    world.sweep(76, POLICY)
    assert in_storm in world.told()


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_growth_is_published_when_it_has_doubled(count: int) -> None:
    def below(number: int, minutes: float, *columns: str) -> Json:
        mapping = column_lineage({column.partition(":")[0]: [("raw", column.partition(":")[0])] for column in columns})
        outputs = [table(f"t{number}", schema=schema(*columns), columnLineage=mapping)]
        run = int(minutes) * 100 + number
        return event(f"job {number}", minutes=minutes, run=run, inputs=[table("raw")], outputs=outputs)

    world = World()
    fill(world.store, *(below(number, 1, *FULL) for number in range(count)))
    told = world.feel(70, layer(0, 60, *DROPPED), *(below(number, 61, *DROPPED) for number in range(count)))
    (alert,) = world.alerts.firing().values()
    assert alert.finding.member_count == count
    assert len(told) == alert.version == 1 + count.bit_length()
    assert world.sweep(71) == []


def test_what_one_run_did_is_one_alert_at_once() -> None:
    def load(minutes: float, *columns: str) -> Json:
        outputs = [table(f"t{number}", schema=schema(*columns)) for number in range(7)]
        return event("load", minutes=minutes, run=int(minutes), outputs=outputs)

    world = World()
    fill(world.store, load(0, *FULL))
    (told,) = world.feel(70, load(60, *DROPPED))
    assert told.finding.member_count == 6
    assert world.sweep(71) == []


def test_who_accepts_an_alert_accepts_all_of_its_members_however_many_there_are() -> None:
    def written(minutes: float, count: int, *columns: str) -> Json:
        outputs = [table(f"t{number:03}", schema=schema(*columns)) for number in range(count)]
        return event("load", minutes=minutes, run=int(minutes), outputs=outputs)

    world = World()
    fill(world.store, written(30, 150, *FULL), written(60, 140, *DROPPED))
    world.sweep(65)
    (alert,) = world.alerts.firing().values()
    assert (len(alert.finding.members), alert.finding.member_count) == (100, 139)
    assert world.alerts.step(acknowledge(alert, Note("sam", us(70))))
    assert world.sweep(71) == []
    assert world.feel(81, written(80, 140, *DROPPED)) == []
    assert world.sweep(82) == []
    world.feel(91, written(90, 150, *DROPPED))
    world.sweep(92)
    (news,) = world.alerts.firing().values()
    assert (news.finding.subject.name, news.finding.member_count) == ("t140", 9)


def one(name: str, minutes: float, *columns: str, source: str = "") -> Json:
    """A run that writes one table, whose amount comes from that of another."""
    facets: Json = {"schema": schema(*columns)}
    if source:
        facets["columnLineage"] = column_lineage({"amount": [(source, "amount")]})
    return event(f"write {name}", minutes=minutes, run=int(minutes), outputs=[table(name, **facets)])


def accepted_beside() -> tuple[World, str]:
    """An accepted drift of more tables than were named, and one of its own beside it; and a table of the first."""
    world = World()
    for minutes, columns in ((30, FULL), (60, DROPPED)):
        outputs = [table(f"t{number:03}", schema=schema(*columns)) for number in range(140)]
        fill(world.store, event("load", minutes=minutes, run=minutes, outputs=outputs))
        fill(world.store, one("side", minutes + 1, *columns), one("below", minutes + 2, *columns, source="side"))
    world.sweep(65)
    wide = max(world.alerts.firing().values(), key=lambda alert: alert.finding.member_count)
    assert world.alerts.step(acknowledge(wide, Note("sam", us(70))))
    assert world.told() == {"side": ["below"]}
    return world, wide.finding.subject.name


def test_what_turns_out_to_be_a_part_of_what_was_accepted_leaves_what_it_led_to_be_told() -> None:
    world, root = accepted_beside()
    fill(world.store, one("late", 73, *FULL, source="side"), one("late", 80, *DROPPED))
    world.sweep(81)
    assert world.told() == {"side": ["below", "late"]}
    fill(world.store, one("side", 90, *DROPPED, source=root))
    world.sweep(91)
    assert world.told() == {"late": []}


def test_what_is_over_ends_where_what_it_led_turns_out_to_be_a_part_of_what_was_accepted() -> None:
    world, root = accepted_beside()
    fill(world.store, one("side", 85, *FULL), one("below", 90, *DROPPED, source=root))
    world.sweep(91)
    assert world.told() == {}


class CountingStore(MemoryStore):
    """Counts how often it is asked."""

    asked = 0

    def fetch_records(self, ids: Sequence[bytes], portions: Sequence[Portion]) -> list[list[dict[bytes, bytes]]]:
        self.asked += 1
        return super().fetch_records(ids, portions)


def derived(name: str, *sources: str, minutes: float) -> Json:
    """A table whose amount comes from those of others."""
    lineage = column_lineage({"amount": [(source, "amount") for source in sources]})
    output = table(name, schema=schema(*FULL), columnLineage=lineage)
    return event(f"write {name}", minutes=minutes, run=int(minutes), inputs=[*map(table, sources)], outputs=[output])


def asked_in_a_storm(drifts: int) -> int:
    """Reads of a sweep over so many drifts, each with ten tables downstream, one after another."""
    store, sources = CountingStore(), [f"source {number}" for number in range(drifts)]
    for number, name in enumerate(sources):
        for minutes, columns in ((0, FULL), (60, DROPPED)):
            output = table(name, schema=schema(*columns))
            fill(store, event(f"write {name}", minutes=minutes, run=1000 + minutes + number, outputs=[output]))
    fill(store, derived("layer 0", *sources, minutes=1))
    fill(store, *(derived(f"layer {n}", f"layer {n - 1}", minutes=1 + n) for n in range(1, 10)))
    store.asked = 0
    policy = parse_policy("alert_storm: {at_most: 2}")
    told = reconcile(View(store), MemoryAlerts(), policy, us(70)).opened
    assert [len(alert.finding.impact.datasets) for alert in told if alert.finding.impact.total] == [10, 10]
    return store.asked


def test_of_a_storm_only_what_is_told_is_walked_to_its_end() -> None:
    assert asked_in_a_storm(24) - asked_in_a_storm(4) < 20 * 20
