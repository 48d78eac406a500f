"""What expires of a job does so by what its own events say: the index is the same in every order within the lateness.

The events of different jobs come in any order at all, as partitions do that are read at different speeds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from processor.index.digest import clocks, digest
from processor.index.expiry import EPOCH_DAYS, unexpired
from processor.index.keys import Key
from processor.index.memory import MemoryStore
from processor.index.reduce import reduce
from processor.index.view import View
from processor.model.history import RECENT_RUNS
from tests.support.events import Json, event, jb, observe, table

MINUTES = 24 * 60
BUCKETS = 1
"""One, which all jobs share."""
JOBS = ("nightly", "hourly", "weekly")


class Told(NamedTuple):
    """An event that a run sent on some day."""

    day: float
    run: int
    state: str | None
    job: str = "nightly"
    output: str | None = None

    def event(self) -> Json:
        outputs = [table(self.output)] if self.output else []
        return event(self.job, self.state, self.day * MINUTES, run=self.run, outputs=outputs)


events = st.builds(
    Told,
    day=st.floats(0, 365, allow_nan=False).map(lambda day: round(day, 2)),
    run=st.integers(0, 3),
    state=st.sampled_from(["START", "RUNNING", "COMPLETE", "FAIL", "OTHER"]),
    job=st.sampled_from(JOBS),
    output=st.sampled_from([None, "a", "b"]),
)


def arrived(history: Sequence[Told], rng: random.Random) -> list[Told]:
    """Some of it twice; no event an epoch later than its job's newest; the jobs one after another, or mixed."""
    again = [*history, *rng.sample(history, k=len(history) // 2)]
    delayed = sorted(again, key=lambda told: told.day + rng.uniform(0, EPOCH_DAYS - 0.01))
    by_job = [[told for told in delayed if told.job == job] for job in rng.sample(JOBS, k=len(JOBS))]
    return list(rng.choice((one_after_another, mixed))(by_job, rng))


def one_after_another(by_job: Sequence[list[Told]], _rng: random.Random) -> Iterator[Told]:
    for of_job in by_job:
        yield from of_job


def mixed(by_job: Sequence[list[Told]], rng: random.Random) -> Iterator[Told]:
    """Each job's in its own order, whatever the others have come to."""
    left = [list(of_job) for of_job in by_job if of_job]
    while left:
        of_job = rng.choice(left)
        yield of_job.pop(0)
        left = [each for each in left if each]


def indexed(history: Sequence[Told], sizes: Callable[[], int]) -> MemoryStore:
    store, position = MemoryStore(BUCKETS), 0
    while position < len(history):
        page = history[position : position + sizes()]
        store.apply(reduce([(observe(told.event()), None) for told in page], BUCKETS))
        position += len(page)
    return store


def one_by_one(history: Sequence[Told]) -> MemoryStore:
    """As things happened."""
    return indexed(sorted(history, key=lambda told: told.day), lambda: 1)


def kept(store: MemoryStore) -> list[tuple[str, str, bytes]]:
    """What is there of runs."""
    return [(key.record, key.owner, name) for key, there in runs(store) for name in there]


def live(store: MemoryStore) -> list[tuple[str, str, bytes]]:
    """What is there of runs and has not expired."""
    clocks_us = clocks(store)
    found = ((key, unexpired(key.record, key.owner, there, clocks_us, store.keep)) for key, there in runs(store))
    return [(key.record, key.owner, name) for key, there in found for name in there]


def runs(store: MemoryStore) -> list[tuple[Key, dict[bytes, bytes]]]:
    keys = [key for key in list(store.keys()) if key.record in ("r", "open")]
    return list(zip(keys, store.fetch(keys), strict=True))


LONG_SILENT = [Told(0, 0, "START"), Told(79, 0, "RUNNING", output="a"), Told(88, 0, "COMPLETE"), Told(91, 1, "START")]
STRAY_AFTER_THE_END = [Told(0, 0, "START"), Told(9, 0, "COMPLETE"), Told(21, 0, "OTHER"), Told(39, 0, "OTHER")]


ONE_IS_READ_WHOLE_FIRST = [Told(1, 0, "COMPLETE", "hourly"), Told(364, 1, "COMPLETE", "nightly")]


@given(st.lists(events, min_size=1, max_size=14), st.randoms(use_true_random=False))
@example(LONG_SILENT, random.Random(1))
@example(STRAY_AFTER_THE_END, random.Random(2))
@example(ONE_IS_READ_WHOLE_FIRST, random.Random(3))
@settings(max_examples=300, deadline=None)
def test_any_order_within_the_lateness_leaves_the_same_and_no_more_than_that(
    history: list[Told], rng: random.Random
) -> None:
    found = [indexed(arrived(history, rng), lambda: rng.choice((1, 3, 20))) for _ in range(2)]
    assert {digest(store) for store in found} == {digest(one_by_one(history))}
    assert all(kept(store) == live(store) for store in found)


@given(st.lists(events, min_size=1, max_size=14), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_reading_everything_again_changes_nothing(history: list[Told], rng: random.Random) -> None:
    inorder = sorted(history, key=lambda told: told.day)
    store = indexed(inorder, lambda: rng.randint(1, 4))
    before = digest(store)
    for told in inorder:
        store.apply(reduce([(observe(told.event()), None)], store.buckets))
    assert digest(store) == before


def a_year(job: str) -> list[Told]:
    """A run every other day; every seventh does not end."""
    return [
        Told(day + hour, day, state, job, output)
        for day in range(0, 365, 2)
        for hour, state, output in ((0.1, "START", None), (0.2, "COMPLETE", "a" if day % 20 else "b"))
        if state == "START" or day % 14
    ]


@pytest.mark.parametrize("size", [1, 50, 1000])
@pytest.mark.parametrize("deliver", [one_after_another, mixed])
def test_a_year_is_the_same_whichever_partition_is_read_first(
    deliver: Callable[[Sequence[list[Told]], random.Random], Iterator[Told]], size: int
) -> None:
    by_job = [[told for told in a_year(job) for _ in range(2)] for job in JOBS]
    history = [told for of_job in by_job for told in of_job]
    store = indexed(list(deliver(by_job, random.Random(size))), lambda: size)
    assert digest(store) == digest(one_by_one(history))
    assert kept(store) == live(store)
    assert {len(View(store).jobs([jb(job).id])[jb(job).id].finished) for job in JOBS} == {RECENT_RUNS}
    ended = [key for key, there in runs(store) if key.record == "r" and b"e" in there]
    assert 0 < len(ended) <= len(JOBS) * 40 // 2, "no more than forty days of a run every other day"
    assert store.late_events == 0


def test_a_job_that_went_silent_keeps_what_it_had_whatever_the_others_tell() -> None:
    silent = [Told(day, day, state, "weekly") for day in range(5) for state in ("START", "COMPLETE")]
    alone, among_others = one_by_one(silent), one_by_one([*silent, *a_year("nightly")])
    assert len(runs(alone)) == 5
    assert [each for each in runs(alone) if each not in runs(among_others)] == []
