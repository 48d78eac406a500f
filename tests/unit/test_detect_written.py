"""Datasets that were written and are not any more, through the index."""

from __future__ import annotations

import pytest

from processor.detect.policy_text import parse_policy
from processor.model.alert import AlertKind, Status
from processor.model.identity import Node
from tests.support.events import Json, ds, event, facet, fill, table
from tests.support.world import DAY, World

HOUR = 60


def write(minutes: float, name: str = "mart.orders", *, job: str = "build", run: int | None = None) -> Json:
    return event(job, minutes=minutes, run=int(minutes) if run is None else run, outputs=[table(name)])


def read(minutes: float, name: str = "mart.orders") -> Json:
    return event("report", minutes=minutes, run=int(minutes), inputs=[table(name)])


def failing(days: range) -> list[Json]:
    """A job that runs as ever, and fails."""
    return [event("build", "FAIL", day * DAY, run=day) for day in days]


def daily(days: int = 10) -> list[Json]:
    return [write(day * DAY) for day in range(days)]


def silent(world: World, days: float, policy: str = "") -> list[Node]:
    outcome = world.sweep(days * DAY, parse_policy(policy))
    return [a.finding.subject for a in outcome.opened if a.finding.kind is AlertKind.SILENT_DATASET]


def test_a_dataset_whose_job_runs_and_fails_is_silent_until_it_is_written() -> None:
    world = World(*daily(), *failing(range(10, 13)))
    assert not silent(world, 11)
    (alert,) = world.sweep(12.5 * DAY).opened
    assert (alert.finding.kind, alert.finding.subject) == (AlertKind.SILENT_DATASET, ds("mart.orders"))
    assert alert.finding.summary == (
        "Dataset mart.orders has not been written by shop.build for more than 2.1 d;"
        " its last 10 hours with a write came about every 24.0 h."
    )
    fill(world.store, write(13 * DAY))
    assert [a.status for a in world.sweep(13 * DAY + 1).transitions] == [Status.RESOLVED]


def test_jobs_that_never_come_twice_under_one_name_write_at_a_cadence_too() -> None:
    world = World(*(write(day * DAY, job=f"app-{day}") for day in range(10)))
    assert not silent(world, 11)
    assert silent(world, 12) == [ds("mart.orders")]


def test_a_frequent_stream_is_silent_after_a_day() -> None:
    stream = {"jobType": facet(processingType="STREAMING", integration="FLINK")}
    events = [
        event("ingest", "RUNNING", minutes, run=1, outputs=[table("raw.clicks")], job_facets=stream)
        for minutes in range(0, 2 * DAY, 20)
    ]
    world = World(*events)
    assert not silent(world, 2.9)
    assert silent(world, 3.2) == [ds("raw.clicks")]


@pytest.mark.parametrize(
    "events",
    [
        daily(),
        [*daily(), event("build", "START", 11 * DAY, run=99)],
        [*daily(), *(event("build", minutes=day * DAY, run=day, outputs=[table("x")]) for day in range(10, 13))],
        [write(day * 2 * HOUR) for day in range(3)],
        [*daily(3), *(write(2 * DAY + n, run=100 + n) for n in range(40))],
        [write(day * DAY, f"mart.orders_{20260301 + day // 5}", run=day) for day in range(13)],
        [*daily(), event("drop", minutes=10 * DAY, outputs=[table("mart.orders", lifecycleStateChange=facet(
            lifecycleStateChange="DROP"))])],
    ],
    ids=["silent job", "running", "another output", "few", "backfill", "next in turn", "dropped"],
)  # fmt: skip
def test_what_is_told_otherwise_or_not_at_all(events: list[Json]) -> None:
    world = World(*events)
    assert not silent(world, 12.5)


def test_a_dataset_says_no_more_than_its_one_writer_of_which_more_is_known() -> None:
    hours = [0, 2, 3, 29, 31, 52, 54, 55, 57, 80, 81, 99, 101, 102]
    world = World(*(write(hour * HOUR, run=hour) for hour in hours))
    assert not silent(world, 9)
    fill(world.store, event("build", "FAIL", 103 * HOUR, run=103))
    assert silent(world, 9) == [ds("mart.orders")]


def test_who_silenced_the_job_is_not_told_of_its_dataset() -> None:
    assert not silent(World(*daily()), 12.5, "silent_job: {enabled: false}")


def test_a_dataset_that_is_written_under_its_other_name_is_not_silent() -> None:
    links = facet(identifiers=[{"namespace": "postgres://warehouse:5432", "name": "mart.orders", "type": "TABLE"}])
    other = [event("new", minutes=d * DAY, run=d, outputs=[table("orders_v", symlinks=links)]) for d in range(10, 13)]
    assert not silent(World(*daily(), *other, *failing(range(10, 13))), 12.5)


def test_a_retired_dataset_is_told_no_more() -> None:
    world = World(*daily(), *failing(range(10, 45)))
    assert silent(world, 30) == [ds("mart.orders")]
    assert [a.status for a in world.sweep(45 * DAY).resolved] == [Status.RESOLVED]


def moved(since: int, until: int) -> list[Json]:
    """The job that once wrote a table writes another one."""
    runs = range(since, until)
    return [event("build", minutes=day * DAY, run=day, outputs=[table("mart.sales")]) for day in runs]


def orphans(world: World, days: float, policy: str = "") -> list[str]:
    outcome = world.sweep(days * DAY, parse_policy(policy))
    return [a.finding.summary for a in outcome.opened if a.finding.kind is AlertKind.ORPHAN_DATASET]


def test_a_dataset_that_lost_its_writer_and_is_read_on_is_an_orphan() -> None:
    world = World(*daily(4), *moved(4, 9), read(8 * DAY))
    (summary,) = orphans(world, 8.5, "silent_dataset: {enabled: false}")
    assert summary == (
        "Dataset mart.orders is still read by 1 job (shop.report), but was last written by shop.build 5.0 d before;"
        " it has completed 5 runs since."
    )
    assert not world.sweep(8.6 * DAY, parse_policy("silent_dataset: {enabled: false}")).transitions
    assert not world.feel(8.7 * DAY, read(8.7 * DAY), policy=parse_policy("silent_dataset: {enabled: false}"))


def test_the_job_that_left_is_told_at_once_and_the_dataset_once_it_is_read_on() -> None:
    world = World(*daily(6), *moved(6, 7), read(7 * DAY))
    assert [a.finding.kind for a in world.sweep(7.1 * DAY).opened] == [AlertKind.BROKEN_LINEAGE]
    fill(world.store, *moved(7, 9), read(8 * DAY + 60))
    assert [a.finding.kind for a in world.sweep(8.5 * DAY).opened] == [AlertKind.ORPHAN_DATASET]


def test_that_its_former_writer_falls_silent_later_does_not_end_it() -> None:
    policy = parse_policy("silent_dataset: {enabled: false}")
    world = World(*daily(6), *moved(6, 10), read(9 * DAY), read(11.9 * DAY))
    assert AlertKind.ORPHAN_DATASET in {a.finding.kind for a in world.sweep(9.5 * DAY, policy).opened}
    outcome = world.sweep(11.95 * DAY, policy)
    assert AlertKind.SILENT_JOB in {alert.finding.kind for alert in outcome.opened}
    assert not [alert for alert in outcome.resolved if alert.finding.kind is AlertKind.ORPHAN_DATASET]


@pytest.mark.parametrize(
    "events",
    [
        [*daily(4), *moved(4, 6), read(8 * DAY)],
        [*daily(4), *moved(4, 9), read(3 * DAY + 60)],
        [*daily(2), *moved(2, 9), read(8 * DAY)],
    ],
    ids=["too few runs", "nobody reads it", "written twice only"],
)
def test_what_has_not_lost_its_writer(events: list[Json]) -> None:
    assert not orphans(World(*events), 8.5)


def test_what_lost_its_writer_is_not_told_as_silent_before() -> None:
    hourly = [write(hour * HOUR) for hour in range(48)]
    left = [write(hour * HOUR, "mart.sales") for hour in range(48, 80)]
    world = World(*hourly, *left, read(52 * HOUR))
    outcome = world.sweep(79.5 * HOUR, parse_policy("broken_lineage: {enabled: false}"))
    assert [a.finding.kind for a in outcome.opened if a.finding.subject == ds("mart.orders")] == [
        AlertKind.ORPHAN_DATASET
    ]
