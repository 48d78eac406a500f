"""The index is a function of the set of events: any order, any batching, any repetition."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from processor.index.digest import digest
from processor.index.memory import MemoryStore
from tests.support.events import NAMESPACE, Json, column_lineage, event, facet, fill, schema, table

TABLES = ["raw.orders", "staging.orders", "marts.orders"]
COLUMNS = [("id",), ("id", "amount:int"), ("amount:INT", "id"), ("id", "amount:bigint", "note"), ()]


@st.composite
def datasets(draw: st.DrawFn, *, output: bool) -> Json:
    facets: dict[str, Any] = {}
    if draw(st.booleans()):
        facets["schema"] = schema(*draw(st.sampled_from(COLUMNS)))
    if draw(st.booleans()):
        facets["documentation"] = facet(description=draw(st.sampled_from(["a", "b", "c"])))
    if draw(st.integers(0, 3)) == 0:
        name = draw(st.sampled_from(["documentation", "ownership"]))
        facets[name] = {**facet(), "_deleted": True}
    if draw(st.integers(0, 3)) == 0:
        identifiers = [{"namespace": "s3://lake", "name": draw(st.sampled_from(["x", "y"])), "type": "TABLE"}]
        facets["symlinks"] = facet(identifiers=identifiers)
    if output and draw(st.integers(0, 3)) == 0:
        change = draw(st.sampled_from(["DROP", "CREATE", "TRUNCATE"]))
        facets["lifecycleStateChange"] = facet(lifecycleStateChange=change)
    if output and draw(st.booleans()):
        source = (draw(st.sampled_from(TABLES)), draw(st.sampled_from(["id", "amount"])))
        facets["columnLineage"] = column_lineage({"id": [source]})
    return table(draw(st.sampled_from(TABLES)), **facets)


@st.composite
def events(draw: st.DrawFn) -> Json:
    job_facets = {}
    if draw(st.booleans()):
        job_facets["ownership"] = facet(owners=[{"name": draw(st.sampled_from(["ann", "bob"]))}])
    if draw(st.integers(0, 3)) == 0:
        inputs = [{"type": "DATASET", "namespace": NAMESPACE, "name": draw(st.sampled_from(TABLES))}]
        entry = {"type": "DATASET", "namespace": NAMESPACE, "name": draw(st.sampled_from(TABLES)), "inputs": inputs}
        job_facets["lineage"] = facet(entries=[entry])
    return event(
        draw(st.sampled_from(["ingest", "model"])),
        draw(st.sampled_from(["START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER", None])),
        draw(st.integers(0, 200)),
        run=draw(st.integers(0, 2)),
        inputs=draw(st.lists(datasets(output=False), max_size=2)),
        outputs=draw(st.lists(datasets(output=True), max_size=2)),
        job_facets=job_facets,
    )


def indexed(history: list[Json], rng: random.Random) -> str:
    store, position = MemoryStore(), 0
    while position < len(history):
        size = rng.randint(1, 5)
        fill(store, *history[position : position + size])
        position += size
    return digest(store)


@given(st.lists(events(), min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_any_order_repetition_and_batching_gives_the_same_index(history: list[Json], rng: random.Random) -> None:
    expected = indexed(history, rng)
    again = [*history, *rng.sample(history, k=len(history) // 2)]
    rng.shuffle(again)
    assert indexed(again, rng) == expected


@given(st.lists(events(), min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_a_history_indexed_twice_announces_nothing_the_second_time(history: list[Json]) -> None:
    store = MemoryStore()
    fill(store, *history)
    assert fill(store, *history) == []
