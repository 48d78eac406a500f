"""The index as it was: asked as of a time, it answers as it would have answered then."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.index.columns import column_lineage
from processor.index.past import PastView
from processor.index.traverse import lineage
from processor.index.view import View
from processor.model.identity import Node
from tests.support.events import Json, ds, event, facet, jb, memory, schema, table, us
from tests.support.events import column_lineage as mapping

DROP = facet(lifecycleStateChange="DROP")


def at(hours: float) -> int:
    return us(hours * 60)


def step(job: str, hours: float, inputs: list[str], outputs: list[Json], run: int = 0) -> Json:
    return event(job, minutes=hours * 60, run=run, inputs=[table(n) for n in inputs], outputs=outputs)


HISTORY = (
    step("one", 0, ["a"], [table("b", schema=schema("id", "old"), columnLineage=mapping({"id": [("a", "x")]}))]),
    step("two", 10, ["b"], [table("c")]),
    step("one", 20, ["a"], [table("b", schema=schema("id"), columnLineage=mapping({"id": [("a", "y")]}))], run=1),
    step("gone", 30, [], [table("c", lifecycleStateChange=DROP)], run=2),
    step("two", 40, ["b"], [table("c")], run=3),
)
STORE = memory(*HISTORY)


def names(view: View, start: Node) -> set[str]:
    return {reached.node.name for reached in lineage(view, start, "down").nodes}


@pytest.mark.parametrize(
    ("hours", "reached"),
    [(1, {"a", "one", "b"}), (11, {"a", "one", "b", "two", "c"}), (31, {"a", "one", "b", "two"})],
)
def test_what_came_later_is_not_there_and_what_was_dropped_then_is_not_walked(hours: float, reached: set[str]) -> None:
    assert names(PastView(STORE, at(hours)), ds("a")) == reached


def test_a_dropped_dataset_that_is_written_again_is_back() -> None:
    assert names(PastView(STORE, at(41)), ds("a")) == names(View(STORE), ds("a"))
    assert "c" in names(View(STORE), ds("a"))


@pytest.mark.parametrize(("hours", "columns"), [(1, ["id", "old"]), (19, ["id", "old"]), (21, ["id"])])
def test_the_schema_that_was_current(hours: float, columns: list[str]) -> None:
    assert [column.path for column in PastView(STORE, at(hours)).columns(ds("b"))] == columns


@pytest.mark.parametrize(("every", "taken_back"), [(1, 40), (24, 20 * 24)])
def test_a_schema_that_came_back_long_ago_is_the_one_that_held_since(every: int, taken_back: int) -> None:
    def stated(hour: int) -> Json:
        columns = ["other"] if taken_back - 8 * every <= hour < taken_back else ["id"]
        return step("one", hour, [], [table("b", schema=schema(*columns))], run=hour)

    store = memory(*map(stated, range(0, taken_back + 60 * every, every)))
    times = (0, taken_back - 10 * every, taken_back - 5 * every, taken_back + 2 * every, taken_back + 30 * every)
    held = [[column.path for column in PastView(store, at(hours)).columns(ds("b"))] for hours in times]
    assert held == [["id"], ["id"], ["other"], ["id"], ["id"]]


@pytest.mark.parametrize(("hours", "source"), [(1, "x"), (19, "x"), (21, "y")])
def test_the_mapping_that_was_current(hours: float, source: str) -> None:
    graph = column_lineage(PastView(STORE, at(hours)), ds("b").column("id"), "up")
    assert [reached.node.field for reached in graph.nodes] == ["id", source]


def test_a_run_that_ended_later_was_running() -> None:
    start = event("long", "START", minutes=0, run=7)
    view = PastView(memory(start, event("long", "COMPLETE", minutes=300, run=7)), at(2))
    history = view.jobs([jb("long").id])[jb("long").id]
    assert (len(history.open), len(history.finished)) == (1, 0)


def test_before_the_first_event_there_is_nothing() -> None:
    assert PastView(STORE, at(-1)).node(ds("a")) is None
    assert not PastView(STORE, at(-1)).lanes(ds("b"))


@given(st.integers(0, 45))
def test_asking_the_past_is_asking_an_index_that_has_read_no_further(hours: int) -> None:
    until = [each for each, when in zip(HISTORY, (0, 10, 20, 30, 40), strict=True) if when <= hours]
    then, past = View(memory(*until)), PastView(STORE, at(hours))
    for start in (ds("a"), ds("b"), jb("two")):
        assert _found(then, start) == _found(past, start)
        assert then.columns(ds("b")) == past.columns(ds("b"))


def _found(view: View, start: Node) -> list[tuple[Node, int]] | None:
    return [(r.node, r.depth) for r in lineage(view, start, "down").nodes] if view.node(start) else None
