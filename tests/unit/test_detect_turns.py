"""Turns that came to nothing for a reason that somebody else tells: nobody is told that a job or dataset is silent."""

from __future__ import annotations

from processor.detect.policy_text import parse_policy
from processor.model.alert import AlertKind
from tests.support.events import Json, event, facet, fill, run_id, table
from tests.support.world import DAY, World

HOUR = 60
DAG = {"parent": facet(run={"runId": run_id(0)}, job={"namespace": "shop", "name": "dag"})}


def dag(day: float, *, state: str = "COMPLETE", task: bool = True) -> list[Json]:
    """A day's run of a DAG, with that of its task if it came to that."""
    number, begun = int(day * 100), day * DAY
    some = [
        event("dag.load", s, begun + 5 + n, run=number + 1, run_facets=DAG) for n, s in enumerate(("START", "COMPLETE"))
    ]
    return [
        event("dag", "START", begun, run=number),
        *(some if task else []),
        event("dag", state, begun + 30, run=number),
    ]


def days(*numbers: int) -> list[Json]:
    return [each for day in numbers for each in dag(day)]


def kinds(world: World, day: float, policy: str = "") -> list[tuple[AlertKind, str]]:
    outcome = world.sweep(day * DAY, parse_policy(policy))
    return [(alert.finding.kind, alert.finding.subject.name) for alert in outcome.opened]


def test_a_task_is_not_silent_because_its_dag_failed_before_it_once() -> None:
    failed = (event_ for day in (10, 11, 12) for event_ in dag(day, state="FAIL", task=False))
    world = World(*days(*range(10)), *failed)
    assert kinds(world, 11.5) == []
    assert kinds(world, 12.5) == [(AlertKind.SILENT_JOB, "dag.load")]


def test_a_task_waits_for_its_turn_when_its_dag_comes_back_after_days() -> None:
    world = World(*days(*range(10)))
    assert kinds(world, 13) == [(AlertKind.SILENT_JOB, "dag")]
    fill(world.store, dag(14)[0])
    assert kinds(world, 14.001) == []
    assert not world.firing()


def test_a_task_is_silent_whose_dag_goes_on_well_without_it() -> None:
    world = World(*days(*range(10)), *dag(10, task=False), *dag(11, task=False))
    assert kinds(world, 11.5) == [(AlertKind.SILENT_JOB, "dag.load")]


def test_a_dead_dag_is_told_once_with_its_task() -> None:
    assert kinds(World(*days(*range(10))), 11.5) == [(AlertKind.SILENT_JOB, "dag")]


def write(day: int, state: str = "COMPLETE") -> Json:
    return event("build", state, day * DAY, run=day, outputs=[table("mart.orders")])


def test_a_failed_day_beside_a_holiday_does_not_make_a_dataset_of_working_days_silent() -> None:
    written = [write(day) for day in range(18) if day % 7 in range(1, 6)]  # day 0 is a Sunday
    world = World(*written, write(18, "FAIL"), write(19, "FAIL"), write(22, "FAIL"))
    assert kinds(world, 19.5) == []
    assert kinds(world, 22.2) == [(AlertKind.SILENT_DATASET, "mart.orders")]


GUARDED = "guarded: [{match: ['*:mart.orders'], allowed: ['postgres://warehouse:5432:crm.*']}]"


def reading(*names: str, count: int, since: int = 0) -> list[Json]:
    inputs = [table(name) for name in names]
    return [
        event("build", minutes=day * DAY, run=day, inputs=inputs, outputs=[table("mart.orders")])
        for day in range(since, since + count)
    ]


def broken(*events: Json, policy: str) -> list[AlertKind]:
    return [kind for kind, _ in kinds(World(*events), 10.1, policy) if kind is AlertKind.BROKEN_LINEAGE]


def test_to_leave_a_source_that_is_refused_is_no_loss() -> None:
    left = [*reading("crm.a", "scraped.b", count=10), *reading("crm.a", count=1, since=10)]
    assert not broken(*left, policy=GUARDED)
    assert broken(*left, policy="")
    assert broken(*reading("crm.a", "crm.b", count=10), *reading("crm.a", count=1, since=10), policy=GUARDED)


def test_what_somebody_writes_is_no_source_and_its_loss_is_told() -> None:
    staged = event("stage", minutes=5, run=900, inputs=[table("crm.b")], outputs=[table("staging.b")])
    left = [staged, *reading("crm.a", "staging.b", count=10), *reading("crm.a", count=1, since=10)]
    assert broken(*left, policy=GUARDED)
