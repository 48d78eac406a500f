"""`/api/graph`: what Grafana's Node Graph panel draws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from processor.alerter.life import fire
from processor.alerter.state import MemoryAlerts
from processor.api.nodegraph import Drawing, Fields
from processor.model.alert import AlertKind, Finding, Severity
from tests.support.api import Served, served
from tests.support.events import PIPELINE, ds, event, jb, memory, table


@pytest.fixture
def api() -> Iterator[Served]:
    with served(memory(*PIPELINE)) as there:
        yield there


def drawn(api: Served, **params: Any) -> Drawing:  # noqa: ANN401  parameters as a client gives them
    answer = api.client.get("/api/graph/data", params=params)
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=Drawing, strict=True)


def titles(drawing: Drawing) -> set[str]:
    return {node.title for node in drawing.nodes}


def test_a_drawing_has_what_is_up_and_down(api: Served) -> None:
    both = drawn(api, node=str(ds("stg")), depth=10)
    up, down = (drawn(api, node=str(ds("stg")), direction=way, depth=10) for way in ("up", "down"))
    assert {"raw", "stage", "stg"} <= titles(up)
    assert "mart" not in titles(up)
    assert {"stg", "mart"} <= titles(down)
    assert titles(both) == titles(up) | titles(down)
    assert len({node.id for node in both.nodes}) == len(both.nodes)
    assert len({edge.id for edge in both.edges}) == len(both.edges)


def test_every_edge_joins_nodes_of_the_drawing_along_the_data(api: Served) -> None:
    drawing = drawn(api, node="stg", depth=1)
    by_id = {node.id: node.detail__node for node in drawing.nodes}
    edges = {(by_id[edge.source], by_id[edge.target], edge.mainStat) for edge in drawing.edges}
    assert (str(ds("raw")), str(jb("stage")), "reads") in edges
    assert (str(jb("stage")), str(ds("stg")), "writes") in edges
    cut = drawn(api, node="raw", depth=10, limit=2)
    assert cut.truncated
    assert {end for edge in cut.edges for end in (edge.source, edge.target)} <= {node.id for node in cut.nodes}


def test_a_column_is_drawn_with_its_job(api: Served) -> None:
    drawing = drawn(api, node=str(ds("stg").column("id")))
    assert {node.mainStat for node in drawing.nodes} == {"column"}
    assert {edge.mainStat for edge in drawing.edges} == {"derives"}
    assert "stage" in {edge.secondaryStat for edge in drawing.edges}


def test_every_field_of_the_answer_is_described(api: Served) -> None:
    fields = msgspec.json.decode(api.client.get("/api/graph/fields").content, type=Fields)
    whole = api.client.get("/api/graph/data", params={"node": "stg"}).json()
    assert set(whole["nodes"][0]) == {field.field_name for field in fields.nodes_fields}
    assert set(whole["edges"][0]) == {field.field_name for field in fields.edges_fields}


def test_a_circle_is_that_of_the_gravest_alert() -> None:
    alerts = MemoryAlerts()
    for number, severity in enumerate([Severity.INFO, Severity.CRITICAL]):
        step = fire(
            None, Finding(f"{number:024x}", AlertKind.SCHEMA_DRIFT, severity, ds("stg"), "gone", 1), "https://r"
        )
        assert step is not None
        alerts.step(step)
    with served(memory(*PIPELINE), alerts) as api:
        nodes = {node.title: node for node in drawn(api, node="stg").nodes}
    assert (nodes["stg"].arc__critical, nodes["stg"].secondaryStat) == (1, "2 firing")
    assert (nodes["raw"].arc__calm, nodes["raw"].secondaryStat) == (1, "")
    arcs = [(n.arc__critical, n.arc__warning, n.arc__info, n.arc__calm) for n in nodes.values()]
    assert {sum(parts) for parts in arcs} == {1}


def test_nothing_is_drawn_until_a_node_is_named(api: Served) -> None:
    assert drawn(api) == drawn(api, node="") == Drawing([], [])


@pytest.mark.parametrize(
    ("params", "parameter"),
    [
        ({"node": "stg", "direction": "sideways"}, "direction"),
        ({"node": "stg", "depth": 0}, "depth"),
        ({"node": "stg", "limit": 0}, "limit"),
        ({"node": "stg", "at": "never"}, "at"),
    ],
)
def test_what_cannot_be_used_is_named(api: Served, params: dict[str, Any], parameter: str) -> None:
    answer = api.client.get("/api/graph/data", params=params)
    assert (answer.status_code, answer.json()["parameter"]) == (400, parameter)


def test_what_looks_percent_encoded_in_a_name_is_part_of_it() -> None:
    with served(memory(event("load", outputs=[table("sales 100%20"), table("sales 100 ")]))) as there:
        assert titles(drawn(there, node="sales 100%20")) >= {"sales 100%20"}


def test_an_unknown_node_is_not_found_and_health_asks_nobody(api: Served) -> None:
    assert api.client.get("/api/graph/data", params={"node": "nothing"}).status_code == 404
    assert api.client.get("/api/health").json() == {"status": "ok"}
