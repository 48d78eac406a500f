"""`/api/v2/diff`: what became different between two times, as the command line tells it, in parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from processor.api import forms
from processor.index.difference import difference
from processor.render.difference import document, things
from tests.support.api import Served, got, served
from tests.support.events import Json, at, column_lineage, event, memory, schema, table, us


def run(job: str, hours: float, inputs: list[str], outputs: list[Json], number: int) -> Json:
    return event(job, minutes=hours * 60, run=number, inputs=[table(n) for n in inputs], outputs=outputs)


STORE = memory(
    run("load", 0, ["a", "extra"], [table("b", schema=schema("id:int", "old"))], 0),
    run("load", 10, ["a"], [table("b", schema=schema("id:text", "new"))], 1),
    run("report", 12, ["b"], [table("c", columnLineage=column_lineage({"x": [("b", "id")]}))], 2),
)
ALL = {"from": at(5 * 60), "to": at(25 * 60)}
SORTS = ("nodes_came", "nodes_went", "edges_came", "edges_ended", "schemas_changed")


@pytest.fixture
def api() -> Iterator[Served]:
    with served(STORE) as there:
        yield there


def test_it_is_told_as_the_command_line_tells_it(api: Served) -> None:
    answer = got(api, "/api/v2/diff", forms.DifferenceAnswer, **ALL)
    told = things(difference(STORE, us(5 * 60), us(25 * 60)))
    assert {name: answer[name] for name in ("from", "to", *SORTS)} == document(told, us(5 * 60), us(25 * 60))
    assert (answer["total"], answer["truncated"], answer["next"]) == (len(told), False, None)
    assert [node["name"] for node in answer["nodes_came"]] == ["c", "report"]
    assert [edge["from"]["name"] for edge in answer["edges_ended"]] == ["extra"]
    [changed] = answer["schemas_changed"]
    assert {(each["path"], each["change"]) for each in changed["changes"]} == {
        ("id", "RETYPED"),
        ("new", "ADDED"),
        ("old", "REMOVED"),
    }


def test_of_one_node_only_what_touches_it_is_told(api: Served) -> None:
    answer = got(api, "/api/v2/diff", forms.DifferenceAnswer, node="c", **ALL)
    assert {edge["to"]["name"] for edge in answer["edges_came"]} == {"c"}
    assert answer["schemas_changed"] == []
    assert api.client.get("/api/v2/diff", params={**ALL, "node": "nothing"}).status_code == 404


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_its_parts_are_the_whole(api: Served, limit: int) -> None:
    whole, parts = got(api, "/api/v2/diff", **ALL), [got(api, "/api/v2/diff", limit=limit, **ALL)]
    while parts[-1]["truncated"]:
        cursor = parts[-1]["next"]
        parts.append(got(api, "/api/v2/diff", forms.DifferenceAnswer, limit=limit, cursor=cursor, **ALL))
    assert all(part["total"] == whole["total"] for part in parts)
    assert all(sum(len(part[name]) for name in SORTS) == limit for part in parts[:-1])
    together = {name: [each for part in parts for each in part[name]] for name in SORTS}
    assert together == {name: whole[name] for name in SORTS}


def test_an_age_means_the_same_in_every_part(api: Served) -> None:
    asked = {"from": "520w", "limit": 1}
    first = got(api, "/api/v2/diff", **asked)
    second = got(api, "/api/v2/diff", cursor=first["next"], **asked)
    assert (second["from"], second["to"]) == (first["from"], first["to"])


def test_a_cursor_is_of_one_question(api: Served) -> None:
    following = got(api, "/api/v2/diff", limit=1, **ALL)["next"]
    wrong: list[dict[str, Any]] = [
        {**ALL, "cursor": following, "node": "b"},
        {**ALL, "cursor": following, "to": at(24 * 60)},
        {**ALL, "cursor": "gqJhYgE"},
        {**ALL, "cursor": "%%%"},
    ]
    for params in wrong:
        refused = api.client.get("/api/v2/diff", params=params)
        assert (refused.status_code, refused.json()["parameter"]) == (400, "cursor")


@pytest.mark.parametrize(
    ("query", "parameter", "said"),
    [
        ("", "from", "it is missing"),
        ("from=yesterday", "from", "'yesterday' is no time; write it like 2026-11-22T08:12:37Z, or as an age"),
        ("from=2d&to=soon", "to", "'soon' is no time"),
        ("from=1d&to=2d", "from", "1d is not before to=2d"),
        ("from=now", "from", "now is not before to=now"),
        ("from=2d&node=", "node", "it is empty"),
        ("from=2d&limit=0", "limit", "give a whole number of at least 1"),
        ("since=2d", "since", "there is no such parameter"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(api: Served, query: str, parameter: str, said: str) -> None:
    answer = api.client.get(f"/api/v2/diff?{query}")
    told = answer.json()
    assert (answer.status_code, told["parameter"]) == (400, parameter)
    assert told["detail"].startswith(f"{parameter}: {said}"), told


def test_what_has_not_changed_is_not_sent_again(api: Served) -> None:
    etag = api.client.get("/api/v2/diff", params=ALL).headers["etag"]
    assert api.client.get("/api/v2/diff", params=ALL, headers={"If-None-Match": etag}).status_code == 304
