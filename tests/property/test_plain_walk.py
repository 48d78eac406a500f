"""The walk of most questions, in one pass over what was read in one go: what it answers, the walk by levels answers."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from processor.index.plain import plain_graph
from processor.index.traverse import Direction, Only, lineage, look_around
from processor.index.view import View
from processor.model.identity import Kind, Node
from processor.model.observation import Evidence
from tests.support.events import Json, ds, event, facet, memory, table
from tests.support.histories import events

_ANY = Only(evidence=~Evidence(0))
"""A filter that everything passes: a walk that is filtered goes by levels."""

_SYMLINKS = facet(identifiers=[{"namespace": "db://prod", "name": "other", "type": "TABLE"}])
_DROP = facet(lifecycleStateChange="DROP")
_TABLES = st.sampled_from(["t0", "t1", "t2", "t3", "t4"]).map(table)
_PLAIN = st.builds(
    lambda number, inputs, outputs: event(f"j{number}", run=number, inputs=inputs, outputs=outputs),
    st.integers(0, 6),
    st.lists(_TABLES, max_size=3),
    st.lists(_TABLES, max_size=3),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_PLAIN | events(), min_size=1, max_size=10), st.integers(0, 5), st.sampled_from([1, 4, 1000]))
@example([event("j", inputs=[table("a")], outputs=[table("b", symlinks=_SYMLINKS)])], 2, 1000)
@example(
    [event("j", inputs=[table("a")], outputs=[table("b", lifecycleStateChange=facet(lifecycleStateChange="DROP"))])],
    2,
    9,
)
def test_every_walk_answers_as_the_one_by_levels(values: list[Json], depth: int, limit: int) -> None:
    view = View(memory(*values))
    for start in _starts(view):
        for direction in Direction:
            told = lineage(view, start, direction, depth=depth, limit=limit)
            assert told == lineage(view, start, direction, depth=depth, limit=limit, only=_ANY)


@settings(max_examples=75, deadline=None)
@given(
    st.lists(_PLAIN | events(), min_size=1, max_size=10),
    st.integers(0, 3),
    st.sampled_from([0, 2, 3, 1000]),
    st.integers(0, 4),
    st.sampled_from([0, 1, 4, 1000]),
)
def test_what_other_walks_have_read_changes_no_answer(
    values: list[Json], read_depth: int, read_limit: int, depth: int, limit: int
) -> None:
    view = View(memory(*values))
    starts = _starts(view)
    for direction in Direction:
        shared = view.walking()
        look_around(shared, starts[::2], direction, depth=read_depth, limit=read_limit)
        for start in starts:
            told = lineage(shared, start, direction, depth=depth, limit=limit)
            assert told == lineage(view, start, direction, depth=depth, limit=limit, only=_ANY)


def _starts(view: View) -> list[Node]:
    known = [record.node for kind in (Kind.DATASET, Kind.JOB) for record in view.all_nodes(kind)]
    return [ds("absent"), *known]


@pytest.mark.parametrize(
    ("output", "is_plain"),
    [(table("b"), True), (table("b", symlinks=_SYMLINKS), False), (table("b", lifecycleStateChange=_DROP), False)],
)
def test_what_inputs_and_outputs_alone_decide_is_plain(output: Json, *, is_plain: bool) -> None:
    view = View(memory(event("j", inputs=[table("a")], outputs=[output]))).walking()
    look_around(view, [ds("a")], "down", depth=5, limit=10)
    found = plain_graph(view.around("o"), ds("a"), "o", depth=5, limit=10)
    assert (found is not None) is is_plain
    assert found is None or found == lineage(view, ds("a"), "down", depth=5, only=_ANY)
