"""What is learned of jobs, and what they lost, through the index and both ways of the alerter."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import pytest

from processor.detect.policy_text import parse_policy
from processor.model.alert import AlertKind, Severity, Status
from tests.support.events import Json, event, facet, fill, jb, table
from tests.support.world import DAY, World


def job_type(integration: str, type_: str) -> Json:
    return {"jobType": facet(processingType="BATCH", integration=integration, jobType=type_)}


def load(
    day: int,
    inputs: Sequence[str],
    outputs: Sequence[str] = ("raw.orders",),
    *,
    name: str = "load",
    kind: Json | None = None,
) -> list[Json]:
    read, written = ([table(n) for n in names] for names in (inputs, outputs))
    run = zlib.crc32(name.encode()) * 1000 + day
    return [
        event(name, "START", day * DAY, run=run, job_facets=kind),
        event(name, "COMPLETE", day * DAY + 10, run=run, job_facets=kind, inputs=read, outputs=written),
    ]


BOTH = ("crm.orders", "crm.customers")


def steady(days: int = 7) -> list[Json]:
    return [e for day in range(days) for e in load(day, BOTH)]


def test_an_input_that_is_gone_is_told_at_once_and_ends_when_it_is_back() -> None:
    world = World(*steady())
    (alert,) = world.feel(7 * DAY + 20, *load(7, BOTH[:1]))
    assert (alert.finding.kind, alert.finding.subject) == (AlertKind.BROKEN_LINEAGE, jb("load"))
    assert "no longer reads crm.customers;" in alert.finding.summary
    assert not world.sweep(7 * DAY + 30).transitions
    (over,) = world.feel(8 * DAY + 20, *load(8, BOTH))
    assert over.status is Status.RESOLVED


def test_the_sweep_finds_it_too() -> None:
    world = World(*steady(), *load(7, BOTH[1:]))
    assert [a.finding.kind for a in world.sweep(7 * DAY + 20).opened] == [AlertKind.BROKEN_LINEAGE]


def test_a_dataset_that_was_dropped_is_not_missed() -> None:
    gone = table("crm.customers", lifecycleStateChange=facet(lifecycleStateChange="DROP"))
    world = World(*steady(), *load(7, BOTH[:1]))
    fill(world.store, event("cleanup", minutes=7 * DAY + 15, run=77, outputs=[gone]))
    assert not world.sweep(7 * DAY + 20).opened


def test_a_dataset_that_goes_by_another_name_is_not_missed() -> None:
    links = facet(identifiers=[{"namespace": "postgres://warehouse:5432", "name": "crm.customers", "type": "TABLE"}])
    renamed = table("sales.clients", symlinks=links)
    run = [event("load", "COMPLETE", 7 * DAY, run=5, inputs=[table(BOTH[0]), renamed], outputs=[table("raw.orders")])]
    assert not World(*steady(), *run).sweep(7 * DAY + 20).opened


def test_a_side_that_vanished_whole_is_told_once() -> None:
    world = World(*steady(), *load(7, ()))
    assert [a.finding.kind for a in world.sweep(7 * DAY + 20).opened] == [AlertKind.MISSING_INPUTS]


def test_a_failed_run_may_have_read_anything() -> None:
    failed = event("load", "FAIL", 7 * DAY, run=5, inputs=[table(BOTH[0])])
    assert not World(*steady(), failed).sweep(7 * DAY + 20).opened


def models(count: int) -> list[Json]:
    kind = job_type("DBT", "MODEL")
    return [
        e for n in range(count) for day in range(3) for e in load(day, ["src.stg"], [f"t{n}"], name=f"m{n}", kind=kind)
    ]


def test_a_new_job_without_what_its_peers_have_is_for_the_record() -> None:
    world = World(*models(10))
    assert not world.feel(3 * DAY, *load(2, [], ["new"], name="fresh", kind=job_type("DBT", "MODEL")))
    (alert,) = world.sweep(3 * DAY + 1).opened
    assert (alert.finding.kind, alert.finding.severity) == (AlertKind.MISSING_INPUTS, Severity.INFO)
    assert alert.finding.subject == jb("fresh")
    assert alert.finding.summary.endswith("without inputs; 10 of 10 other DBT MODEL jobs normally have some.")
    assert not world.sweep(3 * DAY + 2).transitions
    assert not world.feel(3 * DAY + 3, *load(3, [], ["new"], name="fresh", kind=job_type("DBT", "MODEL")))
    fill(world.store, *load(4, [], ["new"], name="fresh", kind=job_type("DBT", "MODEL")))
    assert [a.status for a in world.sweep(4 * DAY + 20).transitions] == [Status.RESOLVED]


@pytest.mark.parametrize(
    ("peers", "kind"),
    [(9, job_type("DBT", "MODEL")), (10, job_type("DBT", "SEED")), (10, job_type("SPARK", "MODEL")), (10, None)],
    ids=["too few peers", "another type", "another integration", "no type"],
)
def test_jobs_of_another_sort_and_few_of_ones_own_teach_nothing(peers: int, kind: Json | None) -> None:
    world = World(*models(peers), *load(2, [], ["new"], name="fresh", kind=kind))
    assert not world.sweep(3 * DAY).opened


def test_what_peers_lack_too_is_normal() -> None:
    kind = job_type("AIRFLOW", "TASK")
    bash = [e for n in range(20) for day in range(3) for e in load(day, [], [], name=f"bash{n}", kind=kind)]
    world = World(*bash, *load(2, [], [], name="fresh", kind=kind))
    assert not world.sweep(3 * DAY).opened


def test_what_the_policy_requires_is_missed_from_the_first_run_on() -> None:
    world = World(*load(0, []))
    policy = parse_policy("missing_inputs: {require: ['shop:lo*']}")
    (alert,) = world.sweep(30, policy).opened
    assert alert.finding.severity is Severity.WARNING
    assert alert.finding.summary.endswith("completed without inputs; the policy requires some.")
    assert world.feel(DAY + 20, *load(1, BOTH), policy=policy)[0].status is Status.RESOLVED


def test_a_job_that_reads_nothing_on_sundays_is_learned() -> None:
    world = World(*(e for day in range(20) for e in load(day, () if day % 7 == 6 else BOTH)))
    assert not world.feel(20 * DAY + 20, *load(20, ()))
    fill(world.store, *load(21, ()))
    assert [a.finding.kind for a in world.sweep(21 * DAY + 20).opened] == [AlertKind.MISSING_INPUTS]


def test_a_job_that_goes_by_another_name_now_is_not_missed() -> None:
    world = World(*steady(), *(e for day in range(7, 10) for e in load(day, BOTH, name="load_v2")))
    assert not world.sweep(10 * DAY).opened
    alone = World(*steady(), *(e for day in range(7, 10) for e in load(day, BOTH, ("raw.other",), name="load_v2")))
    assert [a.finding.kind for a in alone.sweep(10 * DAY).opened] == [AlertKind.SILENT_JOB]


def test_a_job_whose_outputs_were_dropped_is_not_missed() -> None:
    gone = table("raw.orders", lifecycleStateChange=facet(lifecycleStateChange="DROP"))
    world = World(*steady(), event("cleanup", minutes=7 * DAY, run=77, outputs=[gone]))
    assert not world.sweep(10 * DAY).opened


def test_a_job_beside_others_that_write_the_same_is_missed() -> None:
    both = [e for day in range(7) for name in ("load", "also") for e in load(day, BOTH, name=name)]
    world = World(*both, *(e for day in range(7, 10) for e in load(day, BOTH, name="also")))
    assert [a.finding.subject for a in world.sweep(10 * DAY).opened] == [jb("load")]
