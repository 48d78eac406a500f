"""What every store of the index keeps of runs and histories, and until when: the twin, Valkey, and a Valkey Cluster."""

from __future__ import annotations

import random
from collections.abc import Callable

from processor.index.connect import connect
from processor.index.digest import digest
from processor.index.expiry import Keep
from processor.index.memory import MemoryStore
from processor.index.redis import RedisStore
from processor.index.reduce import reduce
from processor.index.store import Store
from processor.index.view import View
from processor.model.history import HOUR_US, RECENT_HOURS
from processor.model.identity import Kind
from processor.model.observation import Place
from tests.support.events import (
    column_lineage,
    ds,
    event,
    fill,
    jb,
    observe,
    run_id,
    schema,
    table,
    us,
)


def test_an_open_run_is_listed_until_it_ends_even_when_its_start_comes_last(store: Store) -> None:
    fill(store, event("nightly", "START", 0, run=7))
    assert [job for job, _ in View(store).open_runs()] == [jb("nightly")]
    fill(store, event("nightly", "COMPLETE", 9, run=7), event("other", "COMPLETE", 9, run=8))
    fill(store, event("other", "START", 1, run=8))
    assert list(View(store).open_runs()) == []


def test_the_end_of_a_run_that_was_open_for_very_long_closes_it(store: Store) -> None:
    fill(store, event("train", "START", 0, run=1))
    fill(store, event("train", "COMPLETE", 90 * 24 * 60, run=1))
    assert list(View(store).open_runs()) == []


def test_runs_expire_by_the_time_of_the_events_on_every_store_alike(store: Store) -> None:
    twin, day = MemoryStore(), 24 * 60
    history = [
        *(event(f"job_{n % 3}", "START", n * day, run=n) for n in range(0, 150, 2)),
        *(
            event(f"job_{n % 3}", "COMPLETE", n * day + 60, run=n, outputs=[table(f"t{n % 5}")])
            for n in range(0, 150, 4)
        ),
        event("silent", "START", 0, run=900),
        event("silent", "COMPLETE", 85 * day, run=900),
        event("stray", "COMPLETE", 0, run=901),
        event("stray", "OTHER", 45 * day, run=901),
        event("clock", "COMPLETE", 200 * day, run=902),
    ]
    by_time = sorted(history, key=lambda told: str(told["eventTime"]))
    by_job = sorted(by_time, key=lambda told: str(told["job"]))
    for read_first, happened in zip([*by_job, *by_time[:40]], [*by_time, *by_time[:40]], strict=True):
        fill(store, read_first)
        fill(twin, happened)
    assert digest(store) == digest(twin)
    assert sorted(store.keys()) == sorted(twin.keys())
    assert store.late_events == twin.late_events > 0
    assert View(store).run(jb("clock"), run_id(902)) is not None
    assert View(store).run(jb("job_0"), run_id(0)) is None


def test_many_runs_of_a_job_expire_some_at_a_time_and_the_digest_leaves_out_what_is_left(store: Store) -> None:
    def left() -> int:
        return sum(key.record == "r" for key in list(store.keys()))

    day, at_once = 24 * 60, MemoryStore()
    many = [event("busy", "COMPLETE", n / 10, run=n) for n in range(1_200)]
    following, another = (event("busy", "COMPLETE", n * day, run=5_000 + n) for n in (50, 51))
    fill(store, *many)
    fill(store, following)
    assert left() == 1_200 + 1 - 501
    fill(at_once, *many, following)
    assert digest(store) == digest(at_once)
    fill(store, another)
    fill(store, another)
    assert left() == 2


def test_a_silent_run_is_put_together_with_its_end_while_it_is_open(store: Store) -> None:
    day = 24 * 60
    fill(store, event("train", "START", 0, run=1, inputs=[table("features")]))
    fill(store, event("train", "COMPLETE", 79 * day, run=1, outputs=[table("model")]))
    (run,) = View(store).jobs([jb("train").id])[jb("train").id].finished
    assert (run.started_us, run.inputs, run.outputs) == (us(0), 1, 1)


def test_an_event_dated_far_ahead_expires_nothing(store: Store) -> None:
    fill(store, event("nightly", "START", 0, run=1))
    ahead = [(observe(event("nightly", "OTHER", 10**7, run=2)), Place("events", 0, 5, us(60)))]
    store.apply(reduce(ahead, store.buckets, us(120)))
    assert View(store).run(jb("nightly"), run_id(1)) is not None
    fill(store, event("nightly", "COMPLETE", 90, run=1))
    assert [run.run_id for run in View(store).jobs([jb("nightly").id])[jb("nightly").id].open] == [run_id(2)]
    assert store.late_events == 0


def test_a_history_keeps_its_newest_versions_and_what_is_current(make_store: Callable[[], Store]) -> None:
    store, twin = make_store(), MemoryStore()
    day, mapped = 24 * 60, column_lineage({"id": [("shop.orders", "id")]})
    versions = [schema("id", f"extra_{n}") for n in range(300)]
    first = event("ingest", "COMPLETE", 0, outputs=[table("raw.orders", schema=schema("id"), columnLineage=mapped)])
    future = event("ahead", "COMPLETE", 500 * day, run=1, outputs=[table("raw.orders", schema=schema("id"))])
    for hour, each in enumerate([None, *versions]):
        made = table("raw.orders", schema=each, columnLineage=column_lineage({"id": [(f"shop.t{hour}", "id")]}))
        value = first if each is None else event("ingest", "COMPLETE", hour * 60, run=hour, outputs=[made])
        fill(store, value)
        fill(twin, value)
    fill(store, future)
    fill(twin, future)
    assert digest(store) == digest(twin)
    by_observer = {lane.observer.name: lane for lane in View(store).lanes(ds("raw.orders"))}
    kept = by_observer["ingest"].versions
    assert [v.columns[1].path for v in kept] == [f"extra_{n}" for n in range(44, 300)]
    assert len(by_observer["ahead"].versions) == 1
    assert len(View(store).mappings([jb("ingest").id])[jb("ingest").id]) == 256


def test_nodes_whose_ids_begin_as_versions_do_are_all_kept(redis_url: str) -> None:
    keep, names = Keep(versions=2), (f"t{number}" for number in range(5_000))
    tables = [table(name) for name in names if ds(name).id.startswith(b"v")][:9]
    for store in (MemoryStore(1, keep), RedisStore(connect(redis_url), buckets=1, keep=keep)):
        for hour, each in enumerate(tables):
            fill(store, event("ingest", "COMPLETE", hour * 60, run=hour, outputs=[each]))
        assert View(store).count(Kind.DATASET) == len(tables) == 9


def test_of_two_lanes_that_grow_in_one_batch_each_keeps_its_newest(redis_url: str) -> None:
    keep = Keep(versions=2)
    store, twin = RedisStore(connect(redis_url), buckets=1, keep=keep), MemoryStore(1, keep)
    for hour in range(4):
        made = [table("raw.orders", schema=schema(f"column_{hour}"))]
        batch = [event(job, "COMPLETE", hour * 60, run=hour, outputs=made) for job in ("one", "other")]
        fill(store, *batch)
        fill(twin, *batch)
    assert [len(lane.versions) for lane in View(store).lanes(ds("raw.orders"))] == [2, 2]
    assert digest(store) == digest(twin)


def test_the_newest_hours_of_writes_and_of_schemas_are_kept(store: Store) -> None:
    made, hours = table("raw.orders", schema=schema("id")), list(range(40))
    random.Random(3).shuffle(hours)
    for some in (hours[:3], hours[3:30], hours[30:]):
        fill(store, *(event("ingest", "COMPLETE", hour * 60, run=hour, outputs=[made]) for hour in some))
    fill(store, event("ingest", "FAIL", 50 * 60, run=50, outputs=[made]))
    first = us(0) // HOUR_US
    record, (lane,) = View(store).node(ds("raw.orders")), View(store).lanes(ds("raw.orders"))
    assert record is not None
    assert record.written_hours == tuple(first + hour for hour in range(39, 39 - RECENT_HOURS, -1))
    assert lane.versions[0].first_seen_us == us(0)
    assert lane.versions[0].hours == (first + 50, *record.written_hours[:-1])
