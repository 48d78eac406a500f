"""`/api/v2`: what is asked is answered as the command line answers it, in the form that the document describes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from processor.alerter.life import fire
from processor.alerter.state import MemoryAlerts
from processor.api import forms
from processor.index.memory import MemoryStore
from processor.index.view import View
from processor.judging.verdicts import Impacted
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.errors import DependencyError
from processor.model.identity import Node
from processor.render.describe import describe
from tests.support.api import Served, got, served
from tests.support.events import NAMESPACE, PIPELINE, at, ds, event, facet, jb, memory, table


@pytest.fixture
def api() -> Iterator[Served]:
    with served(memory(*PIPELINE)) as there:
        yield there


def path(node: Node | str, more: str = "") -> str:
    return f"/api/v2/nodes/{quote(str(node), safe='')}{more}"


def names(document: Any) -> set[str]:  # noqa: ANN401  any JSON
    return {node["name"] for node in document["nodes"]}


@pytest.mark.parametrize("node", [ds("stg"), jb("stage"), ds("stg").column("id")])
def test_a_node_is_told_as_the_command_line_tells_it(api: Served, node: Node) -> None:
    assert got(api, path(node), forms.Described) == msgspec.to_builtins(describe(View(api.store), node))


def test_a_column_is_told_with_its_description() -> None:
    fields = [{"name": "id", "type": "int", "description": "Which order."}]
    with served(memory(event(outputs=[table("t", schema=facet(fields=fields))]))) as api:
        assert got(api, path(ds("t").column("id")), forms.Described)["description"] == "Which order."


def test_a_trailing_part_of_a_name_will_do(api: Served) -> None:
    assert got(api, path("stg"))["name"] == "stg"
    assert got(api, path("stg.id"))["field"] == "id"


def test_what_is_up_and_down(api: Served) -> None:
    down = got(api, path(ds("raw"), "/downstream"), forms.LineageGraph)
    assert {"stg", "stage", "mart"} <= names(down)
    assert got(api, path(ds("raw"), "/downstream"), depth=1)["nodes"][-1]["depth"] == 1
    assert "raw" in names(got(api, path(ds("stg"), "/upstream"), forms.LineageGraph))
    by_column = got(api, path(ds("raw"), "/downstream"), forms.LineageGraph, columns=True)
    assert {node["kind"] for node in by_column["nodes"]} == {"column"}
    assert got(api, path(ds("raw").column("id"), "/downstream"))["edges"][0]["type"] == "derives"


def test_a_walk_that_is_cut_says_so_and_how_far_it_is_complete(api: Served) -> None:
    cut = got(api, path(ds("raw"), "/downstream"), forms.LineageGraph, limit=2)
    assert (cut["truncated"], cut["complete_to_depth"], len(cut["nodes"])) == (True, 0, 2)
    assert "`next` as the `cursor`" in cut["go_on"]


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
@pytest.mark.parametrize(("way", "also"), [("downstream", {}), ("upstream", {}), ("downstream", {"columns": True})])
def test_the_parts_of_a_walk_are_the_whole(api: Served, limit: int, way: str, also: dict[str, Any]) -> None:
    asked = path(ds("raw" if way == "downstream" else "forecast"), f"/{way}")
    whole, parts = got(api, asked, **also), [got(api, asked, forms.LineageGraph, limit=limit, **also)]
    while parts[-1]["next"] is not None:
        parts.append(got(api, asked, forms.LineageGraph, limit=limit, cursor=parts[-1]["next"], **also))
    for each in ("nodes", "edges"):
        found = [repr(one) for part in parts for one in part[each]]
        assert sorted(found) == sorted(map(repr, whole[each]))
    assert (parts[-1]["truncated"], "go_on" in parts[-1]) == (False, False)


def test_a_cursor_is_of_one_question(api: Served) -> None:
    down = path(ds("raw"), "/downstream")
    following = got(api, down, limit=1)["next"]
    for other in (path(ds("stg"), "/downstream"), path(ds("raw"), "/upstream")):
        refused = api.client.get(other, params={"limit": 1, "cursor": following})
        assert (refused.status_code, refused.json()["parameter"]) == (400, "cursor")
    assert api.client.get(down, params={"limit": 1, "depth": 3, "cursor": following}).status_code == 400
    for none in ("x", "%%%", "gqJhYgE"):
        assert api.client.get(down, params={"cursor": none}).status_code == 400


def test_an_impact_that_is_cut_says_how_to_have_all(api: Served) -> None:
    cut = got(api, path(ds("raw"), "/impact"), forms.ImpactAnswer, limit=1)
    assert (cut["truncated"], cut["go_on"]) == (True, f"{cut['total']} are met: ask again with limit={cut['total']}")


def test_a_node_as_it_was_before_it_was(api: Served) -> None:
    answer = api.client.get(path(ds("raw")), params={"at": at(-60 * 24)})
    assert answer.status_code == 404


def test_impact_schemas_runs_and_ways(api: Served) -> None:
    broken = got(api, path(ds("raw"), "/impact"), Impacted, columns=["amount"])
    assert [each["node"]["field"] for each in broken["columns"]][:1] == ["total"]
    assert "team-stage" in broken["owners"]
    assert got(api, path(ds("raw").column("amount"), "/impact")) == broken
    history = got(api, path(ds("raw"), "/schemas"), forms.History)
    assert [column["path"] for column in history["columns"]] == ["id", "amount"]
    runs = got(api, path(jb("stage"), "/runs"), forms.Runs)
    assert [run["state"] for run in runs["runs"]] == ["COMPLETE"]
    ways = got(api, "/api/v2/paths", forms.Ways, **{"from": "raw", "to": "stg"})
    assert names(ways) == {"raw", "stage", "stg"}


@pytest.mark.parametrize(
    ("url", "parameter"),
    [
        ("/api/v2/nodes/raw/downstream?depth=0", "depth"),
        ("/api/v2/nodes/raw/downstream?depth=deep", "depth"),
        ("/api/v2/nodes/raw/downstream?limit=100000", "limit"),
        ("/api/v2/nodes/raw/downstream?columns=perhaps", "columns"),
        ("/api/v2/nodes/raw/downstream?at=yesterday", "at"),
        ("/api/v2/nodes/raw?at=0000-01-01T00:00:00Z", "at"),
        ("/api/v2/nodes/%FF", "node"),
        ("/api/v2/nodes/stage/schemas", "node"),
        ("/api/v2/nodes/raw/runs", "node"),
        ("/api/v2/nodes/stage/impact", "node"),
        ("/api/v2/nodes?kind=column", "kind"),
        ("/api/v2/nodes?kind=table", "kind"),
        ("/api/v2/nodes?cursor=!", "cursor"),
        ("/api/v2/nodes?cursor=kgECkwE", "cursor"),
        ("/api/v2/search", "q"),
        ("/api/v2/search?q=", "q"),
        ("/api/v2/search?q=a&offset=-1", "offset"),
        ("/api/v2/alerts?severity=fatal", "severity"),
        ("/api/v2/paths?from=raw", "to"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(api: Served, url: str, parameter: str) -> None:
    answer = api.client.get(url)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["parameter"] == parameter


def test_what_is_unknown_is_answered_with_what_is_near(api: Served) -> None:
    answer = api.client.get(path("dataset:postgres://warehouse:5432:stgg"))
    assert answer.status_code == 404
    assert str(ds("stg")) in answer.json()["near"]


def test_what_is_ambiguous_is_answered_with_the_candidates() -> None:
    store = memory(event(outputs=[table("a.orders"), table("b.orders")]))
    with served(store) as api:
        answer = api.client.get(path("orders"))
        assert answer.status_code == 400
        assert answer.json()["candidates"] == [str(ds("a.orders")), str(ds("b.orders"))]


@pytest.mark.parametrize("name", ["a/b", "a//b", "../../etc", "ü %2F", "a?b#c", "{x}", ".", "a\x00b\n", "a:b:c"])
def test_any_name_can_be_asked_for(name: str) -> None:
    with served(memory(event(outputs=[table(name)]))) as api:
        assert got(api, path(ds(name)))["name"] == name
        assert names(got(api, path(ds(name), "/upstream"))) == {name, "load_orders"}


def test_lists_come_in_pages_that_hold_each_thing_once() -> None:
    store = memory(*(event(f"job_{n}", run=n, outputs=[table(f"t.{n:02}")]) for n in range(25)))
    with served(store) as api:
        found, cursor = list[str](), None
        while True:
            part = got(
                api, "/api/v2/nodes", forms.NodePage, kind="dataset", limit=10, **({"cursor": cursor} if cursor else {})
            )
            found += [node["name"] for node in part["nodes"]]
            cursor = part["next"]
            if cursor is None:
                break
        assert found == [f"t.{n:02}" for n in range(25)]
        assert part["total"] == 25
        assert got(api, "/api/v2/nodes", namespace="shop", limit=1)["total"] == 25
        assert got(api, "/api/v2/nodes", namespace=NAMESPACE.upper().replace("POSTGRES", "postgres"))["total"] == 25
        assert got(api, "/api/v2/namespaces", forms.NamespaceList)["namespaces"][1] == {
            "name": "shop",
            "datasets": 0,
            "jobs": 25,
        }


def test_search_finds_any_part_of_a_name_and_the_whole_one_first() -> None:
    store = memory(event("orders_job", outputs=[table("a.pre_orders"), table("b.orders"), table("orders"), table("x")]))
    with served(store) as api:
        found = got(api, "/api/v2/search", forms.SearchPage, q="ORDERS")
        assert [node["name"] for node in found["nodes"]] == ["orders", "b.orders", "orders_job", "a.pre_orders"]
        assert [n["name"] for n in got(api, "/api/v2/search", q="orders", kind="job")["nodes"]] == ["orders_job"]
        part = got(api, "/api/v2/search", q="orders", limit=3)
        assert (part["next"], part["total"]) == ("3", 4)
        assert [n["name"] for n in got(api, "/api/v2/search", q="orders", offset=3)["nodes"]] == ["a.pre_orders"]


def test_what_has_not_changed_is_not_sent_again(api: Served) -> None:
    first = api.client.get(path(ds("raw")))
    etag = first.headers["etag"]
    again = api.client.get(path(ds("raw")), headers={"If-None-Match": f'"other", {etag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert api.client.get(path(ds("stg")), headers={"If-None-Match": etag}).status_code == 200


def finding(number: int, severity: Severity) -> Finding:
    return Finding(
        f"{number:024x}", AlertKind.ORPHAN_DATASET, severity, ds("raw" if number % 2 else "stg"), "gone", number
    )


def test_alerts_are_listed_the_gravest_first_and_told_one_by_one() -> None:
    alerts = MemoryAlerts()
    for number, severity in enumerate([Severity.INFO, Severity.CRITICAL, Severity.WARNING, Severity.INFO]):
        step = fire(None, finding(number, severity), "https://runbooks")
        assert step is not None
        alerts.step(step)
    with served(memory(*PIPELINE), alerts) as api:
        whole = got(api, "/api/v2/alerts", forms.AlertPage)
        assert [alert["severity"] for alert in whole["alerts"]] == ["critical", "warning", "info", "info"]
        part = got(api, "/api/v2/alerts", limit=3)
        rest = got(api, "/api/v2/alerts", limit=3, cursor=part["next"])
        assert part["alerts"] + rest["alerts"] == whole["alerts"]
        assert len(got(api, "/api/v2/alerts", severity=["info", "critical"])["alerts"]) == 3
        assert len(got(api, "/api/v2/alerts", subject="raw")["alerts"]) == 2
        assert got(api, "/api/v2/alerts", kind="stuck_run")["alerts"] == []
        one = whole["alerts"][0]
        assert got(api, f"/api/v2/alerts/{one['alert_id']}") == one
        assert api.client.get("/api/v2/alerts/none").status_code == 404


def test_the_beginning_of_an_alerts_id_will_do_and_of_several_is_answered_with_the_candidates() -> None:
    alerts = MemoryAlerts()
    for ending in ("aa", "bb"):
        step = fire(None, replace(finding(1, Severity.INFO), alert_id=f"abcd{ending}"), "https://runbooks")
        assert step is not None
        alerts.step(step)
    with served(memory(*PIPELINE), alerts) as api:
        for about in ("alerts", "why"):
            answer = api.client.get(f"/api/v2/{about}/abcd")
            assert (answer.status_code, sorted(answer.json()["candidates"])) == (400, ["abcdaa", "abcdbb"])
            assert answer.json()["parameter"] == "alert_id"
            assert got(api, f"/api/v2/{about}/abcda") == got(api, f"/api/v2/{about}/abcdaa")
            assert api.client.get(f"/api/v2/{about}/abc").status_code == 404


def test_what_came_later_than_the_time_asked_about_is_said_to_have(api: Served) -> None:
    for about, said in ((ds("stg"), f"first seen {at(0)[:10]}"), (ds("stg").column("total"), "not known at that time")):
        answer = api.client.get(path(about, "/upstream"), params={"at": "2020-01-01T00:00:00Z"})
        assert answer.status_code == 404
        assert said in answer.json()["detail"]
    none = api.client.get(path("none"), params={"at": "2020-01-01T00:00:00Z"})
    assert (none.status_code, none.json()["detail"]) == (404, "unknown: none")


class Slow(MemoryStore):
    """A store that takes its time."""

    def fetch_records(self, ids: Any, portions: Any) -> Any:  # noqa: ANN401  as the store has it
        time.sleep(0.3)
        return super().fetch_records(ids, portions)


class Away(MemoryStore):
    """A store that does not answer."""

    def sizes(self, record: str) -> Any:  # noqa: ANN401  as the store has it
        raise DependencyError("Redis", f"no answer for {record}, password=secret")

    def fetch_records(self, ids: Any, portions: Any) -> Any:  # noqa: ANN401  as the store has it
        raise DependencyError("Redis", f"no answer for {len(ids)} and {len(portions)}, password=secret")


def test_a_question_that_takes_too_long_ends_and_its_thread_answers_the_next() -> None:
    with served(Slow(), timeout_s=0.2) as api:
        for _ in range(2):
            assert api.client.get(path("raw")).status_code == 504
    with served(Slow(), timeout_s=60) as api:
        assert api.client.get(path("raw")).status_code == 404


def test_more_questions_than_may_wait_are_turned_away() -> None:
    with served(Slow(), threads=1, waiting=-1) as api:
        answer = api.client.get(path("raw"))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_redis_away_is_told_without_its_secrets() -> None:
    with served(Away()) as api:
        for url in (path("raw"), "/api/v2/nodes"):
            answer = api.client.get(url)
            assert (answer.status_code, "secret" in answer.text) == (503, False)
            assert int(answer.headers["retry-after"]) > 0
