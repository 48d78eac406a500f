"""Questions asked wrongly are told so, in the words of whoever asks, with what is near."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from processor.model.wording import NODE_FORMS
from tests.support.api import Served, served
from tests.support.events import column_lineage, event, memory, schema, table

BELOW = table("stg.orders", columnLineage=column_lineage({"id": [("raw.orders", "id")]}))
EMPTY_NODE = f"it is empty; a NODE is {NODE_FORMS}"
LOADED = event("load", inputs=[table("raw.orders", schema=schema("id", "amount:int"))], outputs=[BELOW])


@pytest.fixture(scope="module")
def api() -> Iterator[Served]:
    with served(memory(LOADED)) as served_:
        yield served_


def problem(api: Served, path: str, status: int = 400) -> dict[str, Any]:
    answer = api.client.get(path)
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    return document


@pytest.mark.parametrize(
    ("path", "parameter", "said"),
    [
        ("nodes/raw.orders/downstream?depth=abc", "depth", "give a whole number, not a text"),
        ("nodes/raw.orders/downstream?depth=0", "depth", "give a whole number of at least 1"),
        ("nodes?kind=column", "kind", "'column' is none of dataset, job"),
        ("nodes/raw.orders/downstream?columns=maybe", "columns", "give true or false, not a text"),
        (
            "nodes/raw.orders/upstream?evidence=x",
            "evidence",
            "'x' is none of explicit, column, inputs_outputs, declared",
        ),
        ("alerts?severity=bad", "severity", "'bad' is none of critical, warning, info"),
        ("search?q=" + 501 * "x", "q", "give a text of at most 500 characters"),
        ("gates/provenance?node=raw.orders&min_trust=7", "min_trust", "give a number of at most 1"),
        ("search?q=orders&limt=3", "limt", "did you mean limit?"),
        ("namespaces?x=1", "x", "there are none here"),
        ("paths?from=raw.orders&to=stg.orders&dept=2", "dept", "did you mean depth?"),
        ("paths?from=&to=stg.orders", "from", EMPTY_NODE),
        ("paths?from=stg.orders&to=", "to", EMPTY_NODE),
        ("alerts?subject=", "subject", EMPTY_NODE),
        ("nodes/raw.orders/downstream?job=load&job=", "job", EMPTY_NODE),
        ("nodes/%20/schemas", "node", EMPTY_NODE),
        ("gates/provenance?node=%20", "node", EMPTY_NODE),
        ("why/%20", "node", EMPTY_NODE),
        ("nodes/dataset:", "node", f"a name is missing after dataset:; a NODE is {NODE_FORMS}"),
        ("why/job:%20", "node", f"a name is missing after job:; a NODE is {NODE_FORMS}"),
        ("paths?from=column:&to=stg.orders", "from", f"a name is missing after column:; a NODE is {NODE_FORMS}"),
        ("alerts?subject=dataset:", "subject", f"a name is missing after dataset:; a NODE is {NODE_FORMS}"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named_and_told_in_plain_words(
    api: Served, path: str, parameter: str, said: str
) -> None:
    told = problem(api, f"/api/v2/{path}")
    assert (told["parameter"], told["detail"].removeprefix(f"{parameter}: ").endswith(said)) == (parameter, True), told


def test_marquez_takes_parameters_that_it_does_not_know(api: Served) -> None:
    assert api.client.get("/api/v1/namespaces?sort=name&limit=5").status_code == 200


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("nodes/{}", "node"),
        ("nodes/load/upstream?job={}", "job"),
        ("paths?from={}&to=load", "from"),
        ("paths?from=load&to={}", "to"),
        ("alerts?subject={}", "subject"),
        ("diff?from=1d&node={}", "node"),
    ],
)
@pytest.mark.parametrize(("name", "status"), [("orders", 400), ("nothing_like_it", 404)])
def test_where_a_name_stood_that_is_not_one_nodes_is_told(
    api: Served, path: str, parameter: str, name: str, status: int
) -> None:
    assert problem(api, f"/api/v2/{path.format(name)}", status)["parameter"] == parameter


def test_a_long_unknown_name_is_told_in_short(api: Served) -> None:
    for path in (f"nodes/{'x' * 8_000}", f"nodes/dataset:{'x' * 8_000}", f"paths?to=stg.orders&from={'x' * 8_000}"):
        told = problem(api, f"/api/v2/{path}", 404)
        assert (told["detail"].endswith("xxx…"), len(told["detail"]) < 300) == (True, True)


def test_what_is_near_is_of_the_kind_that_was_asked_for_where_there_is_any(api: Served) -> None:
    near = {
        "job:shop:lode": ["job:shop:load"],
        "job:shop:raw.order": ["dataset:postgres://warehouse:5432:raw.orders"],
        "column:postgres://warehouse:5432:raw.orders:amont": ["column:postgres://warehouse:5432:raw.orders:amount"],
    }
    for asked, told in near.items():
        assert problem(api, f"/api/v2/nodes/{quote(asked, safe='')}", 404)["near"][:1] == told
    assert problem(api, "/api/v2/search?q=raw.orderz&kind=dataset", 200)["near"][0].startswith("dataset:")


@pytest.mark.parametrize(
    ("column", "near", "said"),
    [("amont", ["amount"], "has no column amont"), ("nosuch", [], "has no column nosuch; it has amount, id")],
)
def test_the_impact_of_a_column_that_there_is_not(api: Served, column: str, near: list[str], said: str) -> None:
    told = problem(api, f"/api/v2/nodes/raw.orders/impact?columns=id&columns={column}", 404)
    assert told["parameter"] == "columns"
    assert [name.rpartition(":")[2] for name in told["near"]] == near
    assert told["detail"].endswith(said)


@pytest.mark.parametrize(
    ("body", "parameter", "said"),
    [
        (b'{"fail_on":"x"}', "fail_on", "'x' is none of breaking, possible, any, never"),
        (b'{"foo":1}', "body", "it has no member `foo`"),
        (b"[1]", "body", "give an object, not a list"),
        (b'{"schema":["id"],"dataset":3}', "dataset", "give a text or nothing, not a whole number"),
        (b'{"schema":["id"]}', "dataset", "name the dataset that the schema is of: `dataset`, a NODE"),
        (b'{"schema":["id"],"dataset":""}', "dataset", EMPTY_NODE),
        (b'{"schema":["id"],"dataset":"job:"}', "dataset", f"a name is missing after job:; a NODE is {NODE_FORMS}"),
        (b'{"schema":["id"],"dataset":"orders"}', "dataset", "ambiguous: orders fits 2 nodes"),
        (b'{"manifest":{"nodes":{}}}', "manifest", "its member `metadata` is missing"),
    ],
)
def test_a_body_that_is_no_question_is_told_in_plain_words(api: Served, body: bytes, parameter: str, said: str) -> None:
    answer = api.client.post("/api/v2/gates/impact", content=body)
    told = answer.json()
    assert (answer.status_code, told["parameter"], told["detail"].endswith(said)) == (400, parameter, True), told
