"""Tags that are set and taken off by Marquez's writing calls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from processor.api.marquez import things, writing
from processor.index.view import View
from processor.model.identity import Kind
from processor.render.times import rfc3339
from tests.support.api import Served, served
from tests.support.bounds import bounded
from tests.support.events import NAMESPACE, PIPELINE, event, facet, fill, memory, run_id, schema, table
from tests.support.marquez_writing import DATASETS, JOBS, SOON, WHOLE, events, index, tags, told, writable


@pytest.fixture
def api() -> Iterator[Served]:
    with writable() as there:
        yield there


def test_a_tag_is_an_event_and_the_answer_has_it_already(api: Served) -> None:
    answer = told(api, "POST", f"{DATASETS}/stg/tags/pii")
    assert answer["tags"] == ["pii", "stated"]
    [sent] = events(api)
    assert sent["dataset"]["facets"]["tags@pii"]["tags"] == [{"key": "pii", "value": "true", "source": "USER"}]
    assert api.kafka.sent[0].key == f"dataset:{NAMESPACE}/stg".encode()
    index(api)
    assert told(api, "GET", f"{DATASETS}/stg")["tags"] == answer["tags"]
    assert [tag["name"] for tag in told(api, "GET", "tags")["tags"]] == ["pii", "stated"]
    assert api.client.get("/api/v2/search?q=&tag=PII").json()["nodes"][0]["name"] == "stg"


def test_two_tags_set_at_once_both_stand_and_a_job_that_states_its_own_takes_none_away(api: Served) -> None:
    told(api, "POST", f"{DATASETS}/stg/tags/one")
    told(api, "POST", f"{DATASETS}/stg/tags/two")
    told(api, "POST", f"{DATASETS}/stg/fields/id/tags/one")
    index(api)
    assert tags(api) == (["one", "stated", "two"], {"id": ["one"], "total": []})
    later = table("stg", tags=facet(tags=[{"key": "newer", "value": "true"}]))
    fill(api.store, {**event("stage", outputs=[later]), "eventTime": SOON})
    assert tags(api)[0] == ["newer", "one", "two"]


def test_a_tag_that_was_taken_off_stays_off_until_it_is_set_again(api: Served) -> None:
    assert told(api, "DELETE", f"{DATASETS}/stg/tags/stated")["tags"] == []
    index(api)
    again = table("stg", tags=facet(tags=[{"key": "stated", "value": "true"}]))
    fill(api.store, {**event("stage", outputs=[again]), "eventTime": SOON})
    assert tags(api)[0] == []
    told(api, "POST", f"{DATASETS}/stg/tags/stated")
    index(api)
    assert tags(api)[0] == ["stated"]


def in_s(seconds: float) -> str:
    return rfc3339(time.time_ns() // 1000 + int(seconds * 1_000_000))


def ahead(api: Served, seconds: float) -> None:
    """Index what was sent as a process sends it whose clock leads."""
    fill(api.store, *({**each, "eventTime": in_s(seconds)} for each in events(api)))
    api.kafka.sent.clear()


def test_a_change_counts_after_what_is_known_though_another_clock_leads(api: Served) -> None:
    told(api, "POST", f"{DATASETS}/stg/tags/pii")
    told(api, "POST", f"{JOBS}/stage/tags/pii")
    told(api, "PUT", f"{DATASETS}/new", WHOLE)
    ahead(api, 3600)
    told(api, "DELETE", f"{DATASETS}/stg/tags/pii")
    told(api, "DELETE", f"{JOBS}/stage/tags/pii")
    told(api, "DELETE", f"{DATASETS}/new")
    index(api)
    assert (tags(api)[0], told(api, "GET", f"{JOBS}/stage")["tags"]) == (["stated"], [])
    assert told(api, "GET", f"{DATASETS}/new")["deleted"] is True


def test_a_lead_of_days_is_no_clocks_and_is_not_followed(api: Served) -> None:
    told(api, "POST", f"{DATASETS}/stg/tags/pii")
    ahead(api, 2 * 86_400)
    told(api, "DELETE", f"{DATASETS}/stg/tags/pii")
    assert events(api)[0]["eventTime"] < in_s(3600)


@pytest.mark.parametrize("tag", ["a@b", "100% é", "a/b", "x" * 300])
def test_any_tag_of_a_column_or_a_job(api: Served, tag: str) -> None:
    path = quote(tag, safe="")
    assert told(api, "POST", f"{DATASETS}/stg/fields/id/tags/{path}")["fields"][0]["tags"] == [tag]
    assert told(api, "POST", f"{JOBS}/stage/tags/{path}")["tags"] == [tag]
    index(api)
    assert tags(api) == (["stated"], {"id": [tag], "total": []})
    assert told(api, "GET", f"{JOBS}/stage")["tags"] == [tag]
    assert told(api, "DELETE", f"{DATASETS}/stg/fields/id/tags/{path}")["fields"][0]["tags"] == []
    assert told(api, "DELETE", f"{JOBS}/stage/tags/{path}")["tags"] == []
    index(api)
    assert (tags(api)[1], told(api, "GET", f"{JOBS}/stage")["tags"]) == ({"id": [], "total": []}, [])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{DATASETS}/none/tags/pii"),
        ("DELETE", f"{DATASETS}/none/tags/pii"),
        ("POST", f"{DATASETS}/stg/fields/none/tags/pii"),
        ("POST", f"{JOBS}/none/tags/pii"),
        ("DELETE", f"{DATASETS}/none"),
        ("POST", f"jobs/runs/{run_id(99)}/start"),
    ],
)
def test_what_is_not_there_is_not_changed(api: Served, method: str, path: str) -> None:
    assert "not found" in told(api, method, path, status=404)["message"]
    assert api.kafka.sent == []


def test_what_may_have_been_sent_just_now_is_looked_for_until_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, store, late = [1000.0], memory(*PIPELINE), event("new", outputs=[table("late")])

    async def sleep(pause_s: float) -> None:
        now_s[0] += pause_s
        if now_s[0] >= 1005:
            fill(store, late)

    monkeypatch.setattr(writing, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(writing, "time", SimpleNamespace(monotonic=lambda: now_s[0], time_ns=time.time_ns))
    with served(store, patience_s=5.0) as api:
        assert told(api, "POST", f"{DATASETS}/late/tags/pii")["tags"] == ["pii"]
        assert told(api, "POST", f"{DATASETS}/none/tags/pii", status=404)["message"] == "Dataset 'none' not found."
        assert now_s == [1010.0]


@bounded(10, 1024)
def test_the_tags_of_very_many_columns_are_told_in_one_pass() -> None:
    names = [f"c{number}" for number in range(20_000)]
    stated: dict[str, Any] = {
        f"tags@{start}": facet(tags=[{"key": f"of {name}", "field": name} for name in names[start : start + 500]])
        for start in range(0, len(names), 500)
    }
    view = View(memory(event("j", outputs=[table("wide", schema=schema(*names), **stated)])))
    [form] = things.datasets(view, list(view.all_nodes(Kind.DATASET)))
    assert [field["tags"] for field in form["fields"]] == [[f"of {field['name']}"] for field in form["fields"]]
