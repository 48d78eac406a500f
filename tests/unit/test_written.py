"""What is known to be written is left out, and only for as long as nobody can doubt it."""

from __future__ import annotations

import random

import pytest

from processor.index.digest import digest
from processor.index.memory import MemoryStore
from processor.index.reduce import reduce
from processor.index.store import Batch
from processor.index.written import Written
from processor.model.errors import DependencyError
from tests.support.events import event, memory, observe, table
from tests.support.indexing import pipelines

BUCKETS = 8
EDGES = {"o", "i"}


def reduced(written: Written | None, *minutes: float, generation: int = 1) -> Batch:
    """A batch of events that say the same at these times."""
    said = [event("load", "COMPLETE", at, run=int(at), inputs=[table("a")], outputs=[table("b")]) for at in minutes]
    memory = written and written.of(generation, BUCKETS)
    return reduce([(observe(each), None) for each in said], BUCKETS, written=memory)


def records(batch: Batch) -> set[str]:
    joined = {suffix.partition(":")[0] for part in batch.values() for suffix, _, _ in part.parts.hashes()}
    return joined | {settle.run.record for part in batch.values() for settle in part.settles}


@pytest.fixture
def written() -> Written:
    """It knows that the statement was seen in the first hour, from the tenth minute on."""
    made = Written()
    assert records(reduced(made, 10)) >= EDGES
    made.learn()
    return made


def test_what_is_known_is_left_out_and_what_keeps_a_time_is_not(written: Written) -> None:
    assert not records(reduced(written, 20, 30)) & {*EDGES, "w", "reg.job"}
    assert records(reduced(written, 20)) >= {"n", "r"}


def test_nothing_is_known_before_the_store_has_answered() -> None:
    written = Written()
    reduced(written, 10)
    assert records(reduced(written, 20)) >= EDGES


@pytest.mark.parametrize("minutes", [(5.0,), (70.0,), (20.0, 70.0)])
def test_another_hour_and_an_earlier_time_are_news(written: Written, minutes: tuple[float, ...]) -> None:
    assert records(reduced(written, *minutes)) >= EDGES


def test_a_start_is_news_in_an_hour_in_which_only_an_end_was_seen() -> None:
    store, written = MemoryStore(BUCKETS), Written()
    ends = event("load", "COMPLETE", 10, run=1, outputs=[table("b")])
    starts = event("load", "START", 20, run=2, outputs=[table("b")])
    for each in (ends, starts):
        store.apply(reduce([(observe(each), None)], BUCKETS, written=written.of(1, BUCKETS)))
        written.learn()
    assert digest(store) == digest(memory(ends, starts))


def test_a_store_that_does_not_answer_empties_it(written: Written) -> None:
    with pytest.raises(DependencyError), written.doubting():
        raise DependencyError("Redis", "gone")
    assert records(reduced(written, 20)) >= EDGES


def test_what_was_claimed_in_vain_is_not_learned(written: Written) -> None:
    reduced(written, 70)
    with pytest.raises(DependencyError), written.doubting():
        raise DependencyError("Redis", "gone")
    written.learn()
    assert records(reduced(written, 70)) >= EDGES


def test_another_generation_empties_it(written: Written) -> None:
    assert records(reduced(written, 20, generation=2)) >= EDGES


def test_other_partitions_empty_it(written: Written) -> None:
    written.forget()
    assert records(reduced(written, 20)) >= EDGES


def test_it_changes_nothing_of_the_index_in_any_order() -> None:
    seen = [observe(each) for each in pipelines(400, jobs=7)]
    whole = MemoryStore(BUCKETS)
    whole.apply(reduce([(each, None) for each in seen], BUCKETS))
    for seed in range(5):
        store, written, chance = MemoryStore(BUCKETS), Written(budget_bytes=300_000), random.Random(seed)
        told = [*seen, *chance.sample(seen, 100)]
        chance.shuffle(told)
        while told:
            batch, told = told[:37], told[37:]
            store.apply(reduce([(each, None) for each in batch], BUCKETS, written=written.of(1, BUCKETS)))
            written.learn()
        assert digest(store) == digest(whole)
