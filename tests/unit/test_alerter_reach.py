"""Who waits for what does not come is told with it, by the sweep that tells it and by those after it."""

from __future__ import annotations

from processor.model.alert import Alert, AlertKind, Impact
from tests.support.events import Json, ds, event, facet, jb, table
from tests.support.world import DAY, World

OWNED = facet(owners=[{"name": "finance", "type": "OWNER"}])


def load(day: int, *outputs: Json, state: str = "COMPLETE") -> list[Json]:
    """A run of the job that everything waits for; it looks at what it wrote before."""
    number = 10 * day
    start = event("load", "START", day * DAY, run=number)
    end = event(
        "load", state, day * DAY + 5, run=number, inputs=[table("orders")], outputs=outputs or [table("orders")]
    )
    return [start, end]


def readers(day: int) -> list[Json]:
    """A mart, and a dashboard that writes nothing."""
    mart = table("revenue", ownership=OWNED)
    return [
        event("build", minutes=day * DAY + 60, run=10 * day + 1, inputs=[table("orders")], outputs=[mart]),
        event("board", minutes=day * DAY + 90, run=10 * day + 2, inputs=[table("revenue")]),
    ]


def days(first: int, end: int, *outputs: Json) -> list[Json]:
    return [value for day in range(first, end) for value in (*load(day, *outputs), *readers(day))]


def told(world: World, kind: AlertKind) -> Alert:
    (alert,) = [alert for alert in world.alerts.firing().values() if alert.finding.kind is kind]
    return alert


def nodes(impact: Impact) -> tuple[dict[str, int], dict[str, int]]:
    """Datasets and jobs by name, with how far they are."""
    return {a.node.name: a.depth for a in impact.datasets}, {a.node.name: a.depth for a in impact.jobs}


def test_a_silent_job_names_what_grows_stale_and_who_owns_it() -> None:
    world = World(*days(0, 10), *(value for day in range(10, 13) for value in readers(day)))
    assert world.sweep(12 * DAY + 120).opened
    alert = told(world, AlertKind.SILENT_JOB)
    assert nodes(alert.finding.impact) == ({"orders": 1, "revenue": 2}, {"build": 2, "board": 3})
    assert alert.finding.impact.owners == ("finance",)
    assert [end.node for end in alert.finding.impact.exposures] == [jb("board")]
    assert not any(each.possible for each in (*alert.finding.impact.datasets, *alert.finding.impact.jobs))


def test_the_next_sweep_leaves_it_as_it_is() -> None:
    world = World(*days(0, 10))
    world.sweep(12 * DAY + 120)
    before = dict(world.alerts.firing())
    assert not world.sweep(12 * DAY + 180).transitions
    assert world.alerts.firing() == before


def test_a_reader_that_comes_later_is_told_with_what_fires_already() -> None:
    world = World(*(value for day in range(10) for value in load(day)))
    world.sweep(12 * DAY + 120)
    assert nodes(told(world, AlertKind.SILENT_JOB).finding.impact) == ({"orders": 1}, {})
    world.feel(12 * DAY + 130, *readers(12))
    assert not world.sweep(12 * DAY + 180).transitions
    assert nodes(told(world, AlertKind.SILENT_JOB).finding.impact)[0] == {"orders": 1, "revenue": 2}


def test_a_stuck_run_names_what_waits_for_it_but_not_what_was_dropped() -> None:
    gone = table("scratch", lifecycleStateChange=facet(lifecycleStateChange="DROP"))
    world = World(*days(0, 9, table("orders"), table("scratch")), event("drop", minutes=9 * DAY, run=7, outputs=[gone]))
    world.feel(9 * DAY, event("load", "START", 9 * DAY, run=90))
    world.sweep(9 * DAY + 120)
    assert nodes(told(world, AlertKind.STUCK_RUN).finding.impact)[0] == {"orders": 1, "revenue": 2}


def test_a_dataset_that_lost_its_writer_names_what_is_behind_it() -> None:
    world = World(*days(0, 8), *days(8, 14, table("orders_v2")))
    world.sweep(13 * DAY + 120)
    alert = told(world, AlertKind.ORPHAN_DATASET)
    assert alert.finding.subject == ds("orders")
    assert nodes(alert.finding.impact)[0] == {"revenue": 1, "orders_v2": 1}


def test_what_merely_lost_lineage_names_nobody() -> None:
    world = World(*days(0, 8), event("load", minutes=8 * DAY, run=80, outputs=[table("orders")]))
    world.sweep(8 * DAY + 10)
    assert told(world, AlertKind.MISSING_INPUTS).finding.impact == Impact()


def test_of_very_much_that_waits_the_nearest_are_named_and_all_are_counted() -> None:
    wide = [table(f"copy{n:03}", ownership=facet(owners=[{"name": f"team{n:03}"}])) for n in range(120)]
    spread = [event("spread", minutes=day * DAY + 60, run=9, inputs=[table("orders")], outputs=wide) for day in (0, 1)]
    world = World(*(value for day in range(10) for value in load(day)), *spread)
    world.sweep(12 * DAY + 120)
    impact = told(world, AlertKind.SILENT_JOB).finding.impact
    assert [each.node.name for each in impact.datasets] == ["orders", *(f"copy{n:03}" for n in range(99))]
    assert len(impact.exposures) == 100
    assert impact.total == 122
    assert impact.truncated
    assert len(impact.owners) == 120
