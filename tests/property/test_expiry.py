"""What expires does so by what the events say, so the index is the same in every order within the allowed lateness."""

from __future__ import annotations

import random
from typing import NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st

from processor.index.digest import clocks, digest
from processor.index.expiry import EPOCH_DAYS, unexpired
from processor.index.memory import MemoryStore
from processor.index.reduce import reduce
from processor.index.store import Key
from tests.support.events import Json, event, observe, table

MINUTES = 24 * 60


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
    day=st.floats(0, 250, allow_nan=False).map(lambda day: round(day, 2)),
    run=st.integers(0, 3),
    state=st.sampled_from(["START", "RUNNING", "COMPLETE", "FAIL", "OTHER"]),
    job=st.sampled_from(["nightly", "hourly"]),
    output=st.sampled_from([None, "a", "b"]),
)


def arrived(history: list[Told], rng: random.Random) -> list[Told]:
    """The events in some order in which none comes later than an epoch, some of them twice."""
    again = [*history, *rng.sample(history, k=len(history) // 2)]
    return sorted(again, key=lambda told: told.day + rng.uniform(0, EPOCH_DAYS - 0.01))


def indexed(history: list[Told], rng: random.Random) -> MemoryStore:
    store, position = MemoryStore(buckets=1), 0
    while position < len(history):
        size = rng.randint(1, 4)
        page = history[position : position + size]
        store.apply(reduce([(observe(told.event()), None) for told in page], store.buckets))
        position += size
    return store


def kept(store: MemoryStore) -> list[tuple[str, str, bytes]]:
    """What is there of runs."""
    return [(key.record, key.owner, name) for key, there in runs(store) for name in there]


def live(store: MemoryStore) -> list[tuple[str, str, bytes]]:
    """What is there of runs and has not expired."""
    (clock_us,) = clocks(store)
    found = ((key, unexpired(key.record, key.owner, there, clock_us, store.keep)) for key, there in runs(store))
    return [(key.record, key.owner, name) for key, there in found for name in there]


def runs(store: MemoryStore) -> list[tuple[Key, dict[bytes, bytes]]]:
    keys = [key for key in list(store.keys()) if key.record in ("r", "open")]
    return list(zip(keys, store.fetch(keys), strict=True))


LONG_SILENT = [Told(0, 0, "START"), Told(79, 0, "RUNNING", output="a"), Told(88, 0, "COMPLETE"), Told(91, 1, "START")]
STRAY_AFTER_THE_END = [Told(0, 0, "START"), Told(9, 0, "COMPLETE"), Told(21, 0, "OTHER"), Told(39, 0, "OTHER")]


@given(st.lists(events, min_size=1, max_size=14), st.randoms(use_true_random=False))
@example(LONG_SILENT, random.Random(1))
@example(STRAY_AFTER_THE_END, random.Random(2))
@settings(max_examples=400, deadline=None)
def test_any_order_within_the_lateness_leaves_the_same_and_no_more_than_that(
    history: list[Told], rng: random.Random
) -> None:
    first, second = (indexed(arrived(history, rng), rng) for _ in range(2))
    assert digest(first) == digest(second)
    assert kept(first) == live(first)


@given(st.lists(events, min_size=1, max_size=14), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_reading_everything_again_changes_nothing(history: list[Told], rng: random.Random) -> None:
    inorder = sorted(history, key=lambda told: told.day)
    store = indexed(inorder, rng)
    before = digest(store)
    for told in inorder:
        store.apply(reduce([(observe(told.event()), None)], store.buckets))
    assert digest(store) == before
