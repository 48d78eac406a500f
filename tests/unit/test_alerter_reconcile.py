"""Alerts are a function of (index, policy, now), whichever path derives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from processor.alerter.reconcile import Hooks, NotWholeError, Outcome, reconcile, runbooks
from processor.detect.policy import Policy
from processor.detect.policy_text import parse_policy
from processor.index.memory import MemoryStore
from processor.index.progress import Progress, encode_progress
from processor.index.store import Covered
from processor.index.view import View
from processor.model.alert import AlertKind, Severity, Status
from processor.model.history import Lane
from processor.model.identity import Node
from tests.support.events import Json, column_lineage, ds, event, facet, fill, jb, schema, table, us
from tests.support.world import DAY, World


def ingest(minutes: float, run: int, *columns: str) -> Json:
    return event("ingest", minutes=minutes, run=run, outputs=[table("public.orders", schema=schema(*columns))])


def stage(minutes: float = 5, run: int = 2) -> Json:
    mapping = {"id": [("public.orders", "id")], "amount": [("public.orders", "amount")]}
    output = table("staging.orders", schema=schema("id", "amount"), columnLineage=column_lineage(mapping))
    return event("stage", minutes=minutes, run=run, inputs=[table("public.orders")], outputs=[output])


FULL = ("id:int", "amount:int", "note")
DROPPED = ("id:int", "note")


def test_a_drop_that_is_read_downstream_fires_at_once_with_its_impact() -> None:
    world = World(ingest(0, 1, *FULL), stage())
    (alert,) = world.feel(61, ingest(60, 3, *DROPPED))
    assert (alert.status, alert.finding.severity, alert.version) == (Status.FIRING, Severity.CRITICAL, 1)
    assert alert.finding.subject == ds("public.orders")
    assert alert.finding.cause.job == jb("ingest")
    assert [a.node for a in alert.finding.impact.columns] == [ds("staging.orders").column("amount")]
    assert alert.runbook_url.endswith("schema_drift.md")


def test_a_reordering_raises_nothing() -> None:
    world = World(ingest(0, 1, *FULL), stage())
    assert not world.feel(61, ingest(60, 3, *reversed(FULL)))
    assert not world.sweep(62).transitions


def test_the_sweep_finds_what_the_reaction_found_and_publishes_nothing_twice() -> None:
    world = World(ingest(0, 1, *FULL), stage())
    (alert,) = world.feel(61, ingest(60, 3, *DROPPED))
    outcome = world.sweep(62)
    assert not outcome.transitions
    assert outcome.firing == 1
    assert outcome.by_kind == {(AlertKind.SCHEMA_DRIFT, Severity.CRITICAL): 1}
    assert list(world.alerts.firing()) == [alert.finding.alert_id]


def test_a_lost_change_costs_nothing_but_time() -> None:
    world = World(ingest(0, 1, *FULL), stage(), ingest(60, 3, *DROPPED))
    felt = World(ingest(0, 1, *FULL), stage())
    felt.feel(61, ingest(60, 3, *DROPPED))
    world.sweep(61)
    assert world.alerts.firing() == felt.alerts.firing()


def test_taking_it_back_resolves_it_by_either_path() -> None:
    for by_sweep in (True, False):
        world = World(ingest(0, 1, *FULL), stage())
        world.feel(61, ingest(60, 3, *DROPPED))
        if by_sweep:
            fill(world.store, ingest(70, 4, *FULL))
            (alert,) = world.sweep(71).resolved
        else:
            (alert,) = world.feel(71, ingest(70, 4, *FULL))
        assert (alert.status, alert.version, alert.ends_us) == (Status.RESOLVED, 2, us(71))
        assert not world.alerts.firing()


def test_an_alert_that_fires_again_goes_on_counting_its_versions() -> None:
    world = World(ingest(0, 1, *FULL), stage())
    states = [DROPPED, FULL, DROPPED]
    seen = [world.feel(61 + 10 * n, ingest(60 + 10 * n, 3 + n, *s)) for n, s in enumerate(states)]
    versions = [(a.finding.alert_id, a.version, a.status) for alerts in seen for a in alerts]
    assert [version for _, version, _ in versions] == [1, 2, 3]
    assert len({alert_id for alert_id, _, _ in versions}) == 1


def test_a_reader_that_comes_later_makes_it_graver_and_is_published() -> None:
    world = World(ingest(0, 1, *FULL))
    (alert,) = world.feel(61, ingest(60, 3, *DROPPED))
    assert alert.finding.severity is Severity.WARNING
    fill(world.store, stage(65, 4))
    (graver,) = world.sweep(66).opened
    assert (graver.finding.severity, graver.version, graver.started_us) == (Severity.CRITICAL, 2, us(60))


def test_a_drop_of_the_whole_dataset_ends_what_was_said_of_its_schema() -> None:
    world = World(ingest(0, 1, *FULL), stage())
    world.feel(61, ingest(60, 3, *DROPPED))
    gone = table("public.orders", lifecycleStateChange=facet(lifecycleStateChange="DROP"))
    (alert,) = world.feel(71, event("ingest", minutes=70, run=9, outputs=[gone]))
    assert alert.status is Status.RESOLVED
    assert not world.sweep(72).opened


def written(*names: str) -> list[Json]:
    return [event(f"write_{n}", minutes=0, run=100 + n, outputs=[table(name)]) for n, name in enumerate(names)]


def siblings() -> list[Json]:
    """Datasets that stand beside one another and have writers; lineage has been coming in for days."""
    first = event("first", minutes=-4 * DAY, run=9, outputs=[table("archive.first")])
    return [first, *written(*(f"staging.t{n}" for n in range(4)))]


def read(name: str, minutes: float = 1) -> Json:
    return event("mart", minutes=minutes, run=50, inputs=[table(name)], outputs=[table("mart.revenue")])


def test_an_unwritten_dataset_among_written_siblings_is_an_orphan_after_its_grace() -> None:
    world = World(*siblings(), read("staging.ghost"))
    assert not world.sweep(30).opened
    (alert,) = world.sweep(90).opened
    assert (alert.finding.kind, alert.finding.subject) == (AlertKind.ORPHAN_DATASET, ds("staging.ghost"))
    assert "shop.mart" in alert.finding.summary


def test_siblings_say_nothing_while_lineage_has_just_begun_to_come_in() -> None:
    first = event("first", run=9, outputs=[table("archive.first")])
    world = World(first, *siblings()[1:], read("staging.ghost", 2 * DAY))
    assert not world.sweep(35 * DAY - 10).opened  # who writes it may come once a month
    assert world.sweep(35 * DAY + 10).opened


def test_what_is_read_for_the_first_time_later_on_is_told_at_once() -> None:
    world = World(*siblings()[1:], read("staging.ghost", 3 * DAY + 1))
    assert world.sweep(3 * DAY + 70).opened


def test_a_sibling_that_is_written_under_another_name_has_a_writer() -> None:
    names = facet(identifiers=[{"namespace": "s3://lake", "name": "t1", "type": "TABLE"}])
    linked = event("catalog", minutes=1, run=60, inputs=[table("staging.linked", symlinks=names)])
    lake = event("fill lake", minutes=2, run=61, outputs=[table("t1", "s3://lake")])
    world = World(*siblings(), linked, lake, read("staging.ghost"))
    assert {finding.finding.subject.name for finding in world.sweep(90).opened} == {"staging.ghost"}


def test_another_wording_is_kept_and_not_published() -> None:
    world = World(*siblings(), read("staging.ghost"))
    (alert,) = world.sweep(90).opened
    fill(world.store, event("more", minutes=95, run=99, outputs=[table("staging.t9")]))
    assert not world.sweep(96).transitions
    (kept,) = world.alerts.firing().values()
    assert (kept.version, "5 of the 5 other" in kept.finding.summary) == (alert.version, True)


def test_a_root_among_roots_is_no_orphan() -> None:
    inputs = [table(f"crm.t{n}") for n in range(9)]
    world = World(event("ingest", minutes=1, run=1, inputs=inputs, outputs=[table("raw.crm")]))
    assert not world.sweep(DAY).opened


def test_a_writer_that_appears_resolves_the_orphan_at_once() -> None:
    world = World(*siblings(), read("staging.ghost"))
    world.sweep(90)
    (alert,) = world.feel(101, event("late", minutes=100, run=77, outputs=[table("staging.ghost")]))
    assert (alert.finding.kind, alert.status) == (AlertKind.ORPHAN_DATASET, Status.RESOLVED)


def test_another_reader_leaves_the_orphan_alone() -> None:
    world = World(*siblings(), read("staging.ghost"))
    world.sweep(90)
    assert not world.feel(101, event("other", minutes=100, run=78, inputs=[table("staging.ghost")]))
    assert ("orphan_dataset", "staging.ghost") in world.firing()


def test_a_dataset_that_is_written_under_another_name_is_no_orphan() -> None:
    linked = table(
        "staging.ghost",
        symlinks=facet(identifiers=[{"namespace": "s3://lake", "name": "ghost", "type": "TABLE"}]),
    )
    events = [
        *siblings(),
        event("mart", minutes=1, run=50, inputs=[linked], outputs=[table("mart.revenue")]),
        event("writer", minutes=2, run=51, outputs=[table("ghost", "s3://lake")]),
    ]
    assert not World(*events).sweep(90).opened


def test_declaring_the_source_resolves_the_orphan() -> None:
    world = World(*siblings(), read("staging.ghost"))
    world.sweep(90)
    (alert,) = world.sweep(91, parse_policy("sources: ['postgres://*:staging.ghost']")).resolved
    assert alert.finding.subject == ds("staging.ghost")


def test_switching_a_kind_off_resolves_its_alerts() -> None:
    world = World(*siblings(), read("staging.ghost"))
    world.sweep(90)
    assert world.sweep(91, parse_policy("orphan_dataset: {enabled: false}")).resolved
    assert not world.firing()


def daily_load(day: int, *, inputs: bool = True) -> list[Json]:
    sources = [table("crm.orders")] if inputs else []
    return [
        event("load", "START", day * DAY, run=200 + day),
        event("load", "COMPLETE", day * DAY + 10, run=200 + day, inputs=sources, outputs=[table("raw.orders")]),
    ]


def week() -> list[Json]:
    return [e for day in range(10) for e in daily_load(day)]


def test_a_run_without_its_usual_inputs_fires_and_the_next_one_resolves_it() -> None:
    world = World(*week())
    (alert,) = world.feel(10 * DAY + 20, *daily_load(10, inputs=False))
    assert (alert.finding.kind, alert.finding.subject) == (AlertKind.MISSING_INPUTS, jb("load"))
    (resolved,) = world.feel(11 * DAY + 20, *daily_load(11))
    assert resolved.status is Status.RESOLVED


def test_a_run_that_does_not_end_is_stuck_until_it_ends() -> None:
    world = World(*week())
    fill(world.store, event("load", "START", 10 * DAY, run=999))
    assert not world.sweep(10 * DAY + 50).opened
    (alert,) = world.sweep(10 * DAY + 70).opened
    assert alert.finding.kind is AlertKind.STUCK_RUN
    fill(world.store, event("load", "FAIL", 10 * DAY + 80, run=999))
    assert [a.finding.kind for a in world.sweep(10 * DAY + 81).resolved] == [AlertKind.STUCK_RUN]


@pytest.mark.parametrize("says", ["OTHER", None])
def test_a_run_that_never_started_is_not_stuck_and_hides_no_silence(says: str | None) -> None:
    world = World(*week())
    fill(world.store, event("load", says, 10 * DAY, run=999))
    assert not world.sweep(10 * DAY + 70).opened
    assert [a.finding.kind for a in world.sweep(11 * DAY + 60).opened] == [AlertKind.SILENT_JOB]
    fill(world.store, event("load", "RUNNING", 11 * DAY + 70, run=999))
    assert [a.finding.kind for a in world.sweep(11 * DAY + 80).opened] == [AlertKind.STUCK_RUN]


def test_a_job_that_stops_is_silent_until_it_starts_again() -> None:
    world = World(*week())
    assert not world.sweep(10 * DAY + 60).opened
    (alert,) = world.sweep(11 * DAY + 60).opened
    assert alert.finding.kind is AlertKind.SILENT_JOB
    fill(world.store, *daily_load(12))
    assert [a.finding.kind for a in world.sweep(12 * DAY + 20).resolved] == [AlertKind.SILENT_JOB]


def test_a_sweep_of_an_index_without_trouble_writes_nothing() -> None:
    world = World(*week(), ingest(0, 1, *FULL), stage())
    assert world.sweep(10 * DAY) == Outcome()
    assert not world.alerts.pending(10)


def test_runbooks_are_found_below_a_base_of_ones_own() -> None:
    world = World(*siblings(), read("staging.ghost"))
    reconcile(View(world.store), world.alerts, Policy(), us(90), Hooks(runbooks("https://wiki.example.com/runbooks/")))
    (alert,) = world.alerts.firing().values()
    assert alert.runbook_url == "https://wiki.example.com/runbooks/orphan_dataset.md"


class Busy(View):
    """A view of an index that moves on as soon as what observers state of datasets was read once."""

    def __init__(self, store: MemoryStore, meanwhile: Callable[[], object]) -> None:
        super().__init__(store)
        self._meanwhile: list[Callable[[], object]] = [meanwhile]

    def lanes_of(self, datasets: Sequence[Node]) -> dict[Node, list[Lane]]:
        found = super().lanes_of(datasets)
        if found and self._meanwhile:
            self._meanwhile.pop()()
        return found


def test_a_slow_sweep_does_not_reopen_what_a_reaction_resolved() -> None:
    world = World(ingest(0, 1, *FULL), stage())

    def meanwhile() -> None:
        world.feel(61, ingest(60, 3, *DROPPED))
        world.feel(71, ingest(70, 4, *FULL))

    fill(world.store, ingest(50, 2, *DROPPED))
    outcome = reconcile(Busy(world.store, meanwhile), world.alerts, Policy(), us(72))
    assert not outcome.opened
    assert not world.alerts.firing()


def test_what_ended_while_a_sweep_read_is_not_opened() -> None:
    world = World(ingest(0, 1, *FULL), stage(), ingest(50, 2, *DROPPED))
    busy = Busy(world.store, lambda: fill(world.store, ingest(70, 4, *FULL)))
    assert reconcile(busy, world.alerts, Policy(), us(72)) == Outcome()


def test_a_clock_that_runs_back_resolves_nothing_that_time_brought_about() -> None:
    world = World(*week(), event("load", "START", 10 * DAY, run=999))
    fill(world.store, *(e for day in range(9) for e in weekly_twin(day)))
    opened = {a.finding.kind for a in world.sweep(12 * DAY).opened}
    assert opened == {AlertKind.STUCK_RUN, AlertKind.SILENT_JOB}
    back = world.sweep(2 * DAY)
    assert (back.transitions, back.firing) == ((), 2)
    assert not world.sweep(12 * DAY).transitions


def weekly_twin(day: int) -> list[Json]:
    return [
        event("other", "START", day * DAY, run=400 + day),
        event("other", "COMPLETE", day * DAY + 10, run=400 + day, outputs=[table("raw.other")]),
    ]


def test_a_pass_that_is_to_end_ends() -> None:
    class EndedError(Exception):
        pass

    def end() -> None:
        raise EndedError

    for world in (World(*week()), World(ingest(0, 1, *FULL))):
        with pytest.raises(EndedError):
            reconcile(View(world.store), world.alerts, Policy(), us(12 * DAY), Hooks(breathe=end))


def test_nothing_is_judged_by_an_index_that_is_not_whole() -> None:
    world = World(ingest(0, 1, *FULL), stage(), ingest(60, 3, *DROPPED))
    world.store.set_progress({b"t:0": encode_progress(Progress(us(60), 0, us(60), position=3, until=3))})
    with pytest.raises(NotWholeError):
        world.sweep(72)
    assert not world.alerts.firing()
    world.store.apply({}, {b"t:0": Covered(0, 3)})
    assert world.sweep(72).opened


class Stumbling(View):
    """Cannot be read where one dataset is concerned."""

    def lanes_of(self, datasets: Sequence[Node]) -> dict[Node, list[Lane]]:
        if ds("public.orders") in datasets:
            raise ValueError("a record that nobody foresaw")
        return super().lanes_of(datasets)


def test_a_dataset_that_cannot_be_judged_costs_only_itself() -> None:
    def other(minutes: float, run: int, *columns: str) -> Json:
        return event("other", minutes=minutes, run=run, outputs=[table("public.other", schema=schema(*columns))])

    world = World(ingest(0, 1, *FULL), other(1, 2, *FULL), ingest(60, 3, *DROPPED))
    world.sweep(61)
    assert world.firing() == {("schema_drift", "public.orders")}
    fill(world.store, other(62, 4, *DROPPED))
    outcome = reconcile(Stumbling(world.store), world.alerts, Policy(), us(70))
    assert [alert.finding.subject for alert in outcome.transitions] == [ds("public.other")]
    assert world.firing() == {("schema_drift", "public.orders"), ("schema_drift", "public.other")}


def come_and_go(world: World, minutes: float, damping: str = "") -> list[Status]:
    """What a sweep publishes of an alert that the policy lets come, and of one an hour later that lets it go."""
    there, gone = (parse_policy(f"stuck_run: {{enabled: {word}}}\n{damping}") for word in ("true", "false"))
    told = [*world.sweep(minutes, there).transitions, *world.sweep(minutes + 60, gone).transitions]
    return [alert.status for alert in told]


def test_an_alert_that_comes_and_goes_fires_on_until_it_has_been_quiet() -> None:
    world, gone = World(event("train", "START", run=1)), parse_policy("stuck_run: {enabled: false}")
    once = [Status.FIRING, Status.RESOLVED]
    # It began a day before it was first looked at.
    assert [come_and_go(world, 2 * DAY + 120 * n) for n in range(5)] == [once] * 4 + [[Status.FIRING]]
    (held,) = world.alerts.firing().values()
    assert held.finding.summary.endswith("; it comes and goes, and is over once it has been quiet for 6.0 h.")
    quiet = 2 * DAY + 480 + 60
    assert world.sweep(quiet + 300, gone).transitions == ()
    assert world.sweep(quiet + 301).transitions == ()
    (back,) = world.alerts.firing().values()
    assert "comes and goes" not in back.finding.summary
    assert world.sweep(quiet + 330, gone).transitions == ()
    assert world.sweep(quiet + 330 + 359, gone).transitions == ()
    (over,) = world.sweep(quiet + 330 + 360, gone).transitions
    assert (over.status, over.ends_us) == (Status.RESOLVED, us(quiet + 330 + 360))


def test_what_comes_and_goes_seldom_or_by_leave_of_the_policy_is_not_held() -> None:
    world, once = World(event("train", "START", run=1)), [Status.FIRING, Status.RESOLVED]
    assert [come_and_go(world, 2 * DAY + 10 * 60 * n) for n in range(6)] == [once] * 6
    world = World(event("train", "START", run=1))
    assert [come_and_go(world, 2 * DAY + 120 * n, "damping: {enabled: false}") for n in range(6)] == [once] * 6
