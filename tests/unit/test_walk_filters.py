"""Walks that keep to namespaces, jobs, evidence or direct derivation; the same over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.index.columns import column_lineage
from processor.index.memory import MemoryStore
from processor.index.traverse import Only, lineage
from processor.index.view import View
from processor.model.identity import Kind
from processor.model.observation import Evidence
from tests.support.api import served
from tests.support.events import NAMESPACE, Json, ds, event, fill, jb, memory, schema, table
from tests.support.events import column_lineage as mapped
from tests.support.histories import events

LAKE = "s3://lake"
WORLD = (
    event("copy", inputs=[table("raw")], outputs=[table("raw", LAKE), table("stg")]),
    event("mart", run=1, inputs=[table("stg")], outputs=[table("mart")]),
    event("report", run=2, inputs=[table("raw", LAKE)], outputs=[table("report")]),
)
COLUMNS = (
    event(
        "direct",
        outputs=[table("a", schema=schema("x"), columnLineage=mapped({"x": [("raw", "x")]}))],
        inputs=[table("raw", schema=schema("x"))],
    ),
    event("indirect", run=1, outputs=[table("b", columnLineage=mapped({"y": [("raw", "x")]}, indirect=True))]),
)


def reached(only: Only) -> set[str]:
    return {str(each.node) for each in lineage(View(memory(*WORLD)), ds("raw"), "down", only=only).nodes}


def test_only_of_a_namespace_and_through_a_job() -> None:
    within = reached(Only(namespaces=frozenset({NAMESPACE})))
    assert {str(ds("stg")), str(ds("mart"))} <= within
    assert str(ds("report")) not in within
    assert reached(Only(jobs=frozenset({jb("copy").id}))) == {
        str(ds("raw")),
        str(jb("copy")),
        str(ds("stg")),
        str(ds("raw", LAKE)),
    }


def test_only_by_an_evidence() -> None:
    assert reached(Only(evidence=Evidence.EXPLICIT)) == {str(ds("raw"))}
    assert reached(Only(evidence=Evidence.INPUTS_OUTPUTS)) == reached(Only())


def test_only_where_the_value_flows() -> None:
    view, start = View(memory(*COLUMNS)), ds("raw").column("x")
    every = {each.node.name for each in column_lineage(view, start, "down").nodes}
    direct = {each.node.name for each in column_lineage(view, start, "down", only=Only(direct=True)).nodes}
    assert (every, direct) == ({"raw", "a", "b"}, {"raw", "a"})
    by_job = column_lineage(view, start, "down", only=Only(jobs=frozenset({jb("indirect").id})))
    assert {each.node.name for each in by_job.nodes} == {"raw", "b"}


@settings(max_examples=40, deadline=None)
@given(st.lists(events(), min_size=1, max_size=6), st.sampled_from(["up", "down"]))
def test_a_filter_takes_away_and_adds_nothing(values: list[Json], direction: str) -> None:
    store = MemoryStore()
    fill(store, *values)
    view = View(store)
    for record in [*view.all_nodes(Kind.DATASET), *view.all_nodes(Kind.JOB)]:
        whole = lineage(view, record.node, direction)
        part = lineage(view, record.node, direction, only=Only(frozenset({LAKE}), evidence=Evidence.INPUTS_OUTPUTS))
        assert {each.node for each in part.nodes} <= {each.node for each in whole.nodes}
        assert set(part.edges) <= set(whole.edges)
        assert lineage(view, record.node, direction, only=Only()) == whole


@pytest.mark.parametrize(
    ("asked", "found"), [({"namespace": LAKE}, 4), ({"evidence": "explicit"}, 1), ({"job": "copy"}, 4)]
)
def test_over_http(asked: dict[str, Any], found: int) -> None:
    node = "/api/v2/nodes/dataset%3Apostgres%3A%2F%2Fwarehouse%3A5432%3Araw"
    with served(memory(*WORLD)) as api:
        answer = api.client.get(f"{node}/downstream", params=asked)
        assert (answer.status_code, len(answer.json()["nodes"])) == (200, found), answer.text
        assert api.client.get(f"{node}/upstream", params={"evidence": "rumor"}).status_code == 400
        assert api.client.get(f"{node}/upstream", params={"job": "nobody"}).status_code == 404
