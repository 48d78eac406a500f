"""What joins in a store come to: the same as in the twin, whatever comes together or one after the other."""

from __future__ import annotations

import random

import pytest

from processor.index.digest import digest
from processor.index.memory import MemoryStore
from processor.index.plan import REVIVED
from processor.index.store import Store
from processor.index.view import View
from processor.model.history import HOUR_US, STARTED_DAYS
from tests.support.events import event, facet, fill, jb, memory, schema, table, us

_ORDERS = table("raw.orders", schema=schema("id"))


@pytest.mark.parametrize(
    "batches",
    [
        [range(3), range(3, 9)],
        [range(3), range(2, 6)],
        [range(9), range(8, 30)],
        [range(4, 9), range(6)],
        [range(20), [2, 25]],
    ],
    ids=["later", "from the last hour on", "more than are kept", "earlier as well", "around"],
)
def test_the_newest_hours_are_kept_of_what_two_batches_say(store: Store, batches: list[list[int]]) -> None:
    told = [[event("etl", "COMPLETE", 60 * hour, run=hour, outputs=[_ORDERS]) for hour in each] for each in batches]
    for each in told:
        fill(store, *each)
    assert digest(store) == digest(memory(*(value for each in told for value in each)))


@pytest.mark.parametrize(
    "batches",
    [
        [[0, 1], [1, 2]],
        [[3], [2, 26, 50]],
        [[30, 75], [0, 76]],
        [[0, 20, 100], [170, 180]],
        [[180], [0, 20, 100, 190]],
        [[200], [0], [7 * 24 + 17], [8 * 24 + 18]],
        [[9 * 24], [0]],
    ],
    ids=["a day", "other days", "both ways", "a week", "a week, backwards", "its ends", "longer ago"],
)
def test_the_hours_of_starts_are_kept_of_what_batches_say(store: Store, batches: list[list[int]]) -> None:
    told = [[event("etl", "START", 60 * hour, run=hour) for hour in each] for each in batches]
    for each in told:
        fill(store, *each)
    hours, first = {hour for each in batches for hour in each}, us(0) // HOUR_US
    oldest = ((first + max(hours)) // 24 - STARTED_DAYS + 1) * 24
    (record,) = View(store).nodes([jb("etl").id]).values()
    assert record.started_hours == tuple(sorted((first + h for h in hours if first + h >= oldest), reverse=True))
    assert digest(store) == digest(memory(*(value for each in told for value in each)))


def test_of_many_runs_in_one_batch_the_same_are_kept_and_told(store: Store) -> None:
    chance, twin = random.Random(7), MemoryStore()
    for first in (0, 25, 50):
        runs = [
            event(
                "etl",
                chance.choice(["COMPLETE", "FAIL"]),
                chance.choice([first, first + at]),
                run=first + at,
                outputs=[_ORDERS] * (at % 2),
            )
            for at in range(40)
        ]
        assert sorted(fill(store, *runs)) == sorted(fill(twin, *runs))
        assert digest(store) == digest(twin)


def test_a_run_that_ends_twice_in_one_batch_is_held_against_another_run(store: Store) -> None:
    twin, day = MemoryStore(), 24 * 60
    first = event("etl", "COMPLETE", 0, run=1, outputs=[_ORDERS])
    ends = [
        event("etl", "COMPLETE", at * day, run=2, outputs=[of])
        for at, of in ((1, _ORDERS), (120, table("raw.returns")))
    ]
    for batch in ([first], ends):
        assert sorted(fill(store, *batch)) == sorted(fill(twin, *batch))


def test_of_runs_that_ended_at_once_the_same_is_the_newest(store: Store) -> None:
    twin, jobs = MemoryStore(), [f"etl{number}" for number in range(9)]
    ended = [event(job, minutes=1, run=run, outputs=[_ORDERS] * (run % 2)) for job in jobs for run in range(8)]
    for batch in (ended, [event(job, minutes=2, run=9, outputs=[_ORDERS]) for job in jobs]):
        assert sorted(fill(store, *batch)) == sorted(fill(twin, *batch))


def test_what_two_statements_of_a_batch_bring_is_told_of_the_earlier_event(store: Store) -> None:
    twin = MemoryStore()
    later = event("etl", minutes=120, run=2, outputs=[table("raw.orders")])
    earlier = event("etl", minutes=0, run=1, outputs=[_ORDERS])
    assert sorted(fill(store, later, earlier)) == sorted(fill(twin, later, earlier))


def test_a_drop_is_undone_once(store: Store) -> None:
    dropped = table("raw.orders", lifecycleStateChange=facet(lifecycleStateChange="DROP"))
    first, again, more = (event("etl", minutes=at, run=1, outputs=[_ORDERS]) for at in (0, 120, 180))
    fill(store, first, event("admin", minutes=60, run=2, outputs=[dropped]))
    assert any(REVIVED in entry.payload for entry in fill(store, again))
    assert not any(REVIVED in entry.payload for entry in fill(store, more))


def test_a_job_of_more_inputs_than_are_read_at_once_is_joined_whole(store: Store) -> None:
    many = [table(f"raw.t{number}") for number in range(2_100)]
    told = [event("etl", minutes=60 * hour, run=hour, inputs=many) for hour in (3, 1)]
    for each in told:
        fill(store, each)
    assert digest(store) == digest(memory(*told))


def test_what_a_later_event_says_of_a_job_takes_the_place_of_what_was_said(store: Store) -> None:
    told = [event("etl", minutes=at, run=at, job_facets={"documentation": facet(description=str(at))}) for at in (0, 5)]
    for each in told:
        fill(store, each)
    assert digest(store) == digest(memory(*told))


def test_a_run_of_several_epochs_in_one_batch_is_one(store: Store) -> None:
    twin, days = MemoryStore(), 24 * 60
    told = [event("etl", "START", 0, run=1), event("etl", "COMPLETE", 12 * days, run=1, outputs=[_ORDERS])]
    for each in told:
        fill(twin, each)
    fill(store, *told)
    assert digest(store) == digest(twin)
