"""Marquez's writing calls: the event that each becomes, its answer, and what is read once the event is indexed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from processor.render.times import rfc3339
from tests.support.api import Served, served
from tests.support.events import NAMESPACE, PIPELINE, at, memory, run_id, table, us
from tests.support.marquez_writing import DATASETS, JOBS, WHOLE, events, index, plain, told, writable


@pytest.fixture
def api() -> Iterator[Served]:
    with writable() as there:
        yield there


# Datasets


def test_a_dataset_with_all_that_may_be_said_of_it(api: Served) -> None:
    answer = told(api, "PUT", f"{DATASETS}/new", WHOLE)
    assert (answer["type"], answer["sourceName"], answer["description"]) == ("STREAM", "my-source", "New.")
    assert [(f["name"], f["type"], f["tags"], f["description"]) for f in answer["fields"]] == [
        ("id", "INTEGER", ["key"], "Its id."),
        ("total", None, [], None),
    ]
    assert answer["tags"] == ["pii"]
    index(api)
    assert plain(told(api, "GET", f"{DATASETS}/new")) == plain(answer)


def test_a_dataset_without_fields_keeps_its_own_and_with_none_has_none(api: Served) -> None:
    told(api, "PUT", f"{DATASETS}/new", WHOLE)
    index(api)
    told(api, "PUT", f"{DATASETS}/new", {"type": "STREAM"})
    index(api)
    assert [field["name"] for field in told(api, "GET", f"{DATASETS}/new")["fields"]] == ["id", "total"]
    assert told(api, "PUT", f"{DATASETS}/new", {"type": "STREAM", "fields": []})["fields"] == []
    index(api)
    assert told(api, "GET", f"{DATASETS}/new")["fields"] == []
    [version] = told(api, "GET", f"{DATASETS}/new/versions")["versions"]
    assert [field["description"] for field in version["fields"]] == ["Its id.", None]


@pytest.mark.parametrize(
    ("fields", "told_then"),
    [
        ([{"name": "id"}], "Its id."),
        ([{"name": "id", "description": "Another."}], "Another."),
        ([{"name": "id", "description": ""}], None),
    ],
)
def test_what_a_column_is_stays_until_it_is_said_anew(
    api: Served, fields: list[dict[str, str]], told_then: str | None
) -> None:
    told(api, "PUT", f"{DATASETS}/new", WHOLE)
    index(api)
    told(api, "PUT", f"{DATASETS}/new", {"type": "STREAM", "fields": fields})
    index(api)
    assert told(api, "GET", f"{DATASETS}/new")["fields"][0]["description"] == told_then


def test_a_dataset_that_a_run_wrote_is_its_output(api: Served) -> None:
    told(api, "PUT", f"{DATASETS}/new", {**WHOLE, "runId": run_id(9)})
    [sent] = events(api)
    assert (sent["eventType"], sent["run"]["runId"], sent["job"]["name"]) == ("OTHER", run_id(9), "stage")
    index(api)
    assert {"namespace": NAMESPACE, "name": "new"} in told(api, "GET", f"{JOBS}/stage")["outputs"]


def test_a_dataset_that_is_deleted_is_dropped_and_created_again_is_there(api: Served) -> None:
    told(api, "PUT", f"{DATASETS}/new", WHOLE)
    index(api)
    answer = told(api, "DELETE", f"{DATASETS}/new")
    assert (answer["name"], answer["deleted"], answer["lastLifecycleState"]) == ("new", True, "DROP")
    index(api)
    assert plain(told(api, "GET", f"{DATASETS}/new")) == plain(answer)
    told(api, "PUT", f"{DATASETS}/new", WHOLE)
    index(api)
    assert told(api, "GET", f"{DATASETS}/new")["deleted"] is False


@pytest.mark.parametrize("name", ["%20", "%09%C2%A0", "x" * 4097])
@pytest.mark.parametrize(
    ("method", "path", "what"),
    [
        ("PUT", "namespaces/{}", "namespace"),
        ("PUT", "sources/{}", "source"),
        ("PUT", "tags/{}", "tag"),
        ("POST", f"{DATASETS}/stg/tags/{{}}", "tag"),
        ("DELETE", f"{JOBS}/stage/tags/{{}}", "tag"),
    ],
)
def test_what_is_no_name_names_nothing(api: Served, method: str, path: str, what: str, name: str) -> None:
    answer = told(api, method, path.format(name), {} if method == "PUT" else None, status=400)
    assert (answer["parameter"], answer["message"].partition(": ")[0]) == (what, what)
    assert api.kafka.sent == []


# Jobs and runs


def test_a_job_with_all_that_may_be_said_of_it(api: Served) -> None:
    stated = {
        "type": "STREAM",
        "inputs": [{"namespace": NAMESPACE, "name": "stg"}],
        "outputs": [{"namespace": NAMESPACE, "name": "new"}],
        "location": "https://example.com/new",
        "description": "New.",
        "context": {"SQL": "select 1"},
    }
    answer = told(api, "PUT", f"{JOBS}/new", stated)
    assert {name: answer[name] for name in stated.keys() - {"context"}}.items() <= stated.items()
    index(api)
    there = told(api, "GET", f"{JOBS}/new")
    assert plain(there) == plain(answer)
    assert there["facets"]["sql"]["query"] == "select 1"


def test_a_job_stated_for_a_run_is_what_that_run_did(api: Served) -> None:
    told(api, "PUT", f"{JOBS}/stage", {"type": "BATCH", "inputs": [table("more")], "runId": run_id(9)})
    assert (events(api)[0]["eventType"], events(api)[0]["run"]["runId"]) == ("OTHER", run_id(9))
    index(api)
    assert {"namespace": NAMESPACE, "name": "more"} in told(api, "GET", f"{JOBS}/stage")["inputs"]


def test_a_run_from_its_creation_to_its_end(api: Served) -> None:
    nominal = "2026-03-01T06:00:00.000000Z"
    new = told(api, "POST", f"{JOBS}/stage/runs", {"nominalStartTime": nominal, "args": {"a": "1"}}, 201)
    assert (new["state"], new["nominalStartTime"], new["args"], new["startedAt"]) == ("NEW", nominal, {"a": "1"}, None)
    assert events(api)[0]["run"]["facets"]["executionParameters"]["parameters"] == [{"key": "a", "value": "1"}]
    run = f"jobs/runs/{new['id']}"
    index(api)
    [listed] = told(api, "GET", f"{JOBS}?lastRunStates=NEW")["jobs"]
    assert (listed["latestRun"]["id"], listed["latestRun"]["startedAt"]) == (new["id"], None)
    assert [each["state"] for each in told(api, "GET", f"{JOBS}/stage/runs")["runs"]] == ["NEW", "COMPLETED"]
    started_us = time.time_ns() // 1000
    begun = told(api, "POST", f"{run}/start?at={rfc3339(started_us)}")
    assert (begun["state"], begun["startedAt"]) == ("RUNNING", rfc3339(started_us))
    index(api)
    ended = told(api, "POST", f"{run}/complete?at={rfc3339(started_us + 3_600_000_000)}")
    assert (ended["state"], ended["durationMs"], ended["nominalStartTime"]) == ("COMPLETED", 3_600_000, nominal)
    index(api)
    there = told(api, "GET", run)
    assert [there[name] for name in ("id", "state", "durationMs")] == [ended[n] for n in ("id", "state", "durationMs")]
    assert told(api, "POST", f"{run}/start")["state"] == "COMPLETED"


@pytest.mark.parametrize(
    ("call", "type_", "state"),
    [("fail", "FAIL", "FAILED"), ("abort", "ABORT", "ABORTED"), ("start", "START", "RUNNING")],
)
def test_a_run_is_found_by_its_id_alone(api: Served, call: str, type_: str, state: str) -> None:
    assert told(api, "POST", f"jobs/runs/{run_id(9).upper()}/{call}?at={at(20)}")["state"] == state
    assert (events(api)[0]["eventType"], events(api)[0]["job"]["name"]) == (type_, "stage")
    index(api)
    assert told(api, "GET", f"jobs/runs/{run_id(9).upper()}")["state"] == state


def test_of_two_ends_the_later_one_counts_whichever_is_told_last(api: Served) -> None:
    told(api, "POST", f"jobs/runs/{run_id(9)}/complete?at={at(30)}")
    index(api)
    answer = told(api, "POST", f"jobs/runs/{run_id(9)}/fail?at={at(20)}")
    index(api)
    there = told(api, "GET", f"jobs/runs/{run_id(9)}")
    assert (answer["state"], answer["endedAt"]) == (there["state"], there["endedAt"]) == ("COMPLETED", rfc3339(us(30)))


# What no event says


def test_what_nothing_is_kept_of_is_answered_and_nothing_is_claimed(api: Served) -> None:
    space = told(api, "PUT", "namespaces/new", {"ownerName": "me", "description": "Mine."})
    assert (space["name"], space["ownerName"], space["description"]) == ("new", "anonymous", None)
    source = told(api, "PUT", "sources/my-source", {"type": "POSTGRESQL", "connectionUrl": "jdbc:postgresql://h/d"})
    assert (source["name"], source["connectionUrl"]) == ("my-source", "my-source")
    assert told(api, "PUT", "tags/pii", {"description": "Personal."}) == {"name": "pii", "description": None}
    assert api.kafka.sent == []


# As any event


CALLS = [
    ("PUT", f"{DATASETS}/new", WHOLE, 200),
    ("POST", f"{DATASETS}/stg/tags/pii", None, 200),
    ("DELETE", f"{DATASETS}/stg", None, 200),
    ("PUT", f"{JOBS}/new", {"type": "BATCH"}, 200),
    ("POST", f"{JOBS}/stage/runs", {}, 201),
    ("POST", f"jobs/runs/{run_id(9)}/complete", None, 200),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), CALLS)
def test_nothing_is_claimed_while_kafka_is_away(
    api: Served, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    api.kafka.is_away = True
    answer = api.client.request(method, f"/api/v1/{path}", json=body)
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (503, "2", 503)
    api.kafka.is_away = False
    told(api, method, path, body, status)
    assert len(api.kafka.sent) == 1


@pytest.mark.parametrize(("method", "path", "body"), [*(call[:3] for call in CALLS), ("PUT", "namespaces/new", {})])
def test_a_read_only_api_and_a_reader_s_token_write_nothing(
    method: str, path: str, body: dict[str, Any] | None
) -> None:
    with served(memory(*PIPELINE), read_only=True) as api:
        told(api, method, path, body, 403)
    reader, writer = "r" * 16, "w" * 16
    with served(memory(*PIPELINE), read_tokens=(reader,), write_tokens=(writer,)) as api:
        answer = api.client.request(method, f"/api/v1/{path}", json=body, headers={"Authorization": f"Bearer {reader}"})
        assert (answer.status_code, api.kafka.sent) == (403, [])


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("PUT", f"{DATASETS}/new", {}, "type"),
        ("PUT", f"{DATASETS}/new", {"type": "FILE"}, "type: 'FILE' is none of DB_TABLE, STREAM"),
        ("PUT", f"{JOBS}/new", {"type": "FILE"}, "type: 'FILE' is none of BATCH, STREAM, SERVICE"),
        ("PUT", f"{DATASETS}/new", {**WHOLE, "tags": [""]}, "tags: give a text of at least 1 character"),
        ("PUT", f"{DATASETS}/new", {**WHOLE, "fields": [{"name": "id", "tags": [""]}]}, "fields: "),
        ("PUT", f"{DATASETS}/new", [], "body"),
        ("PUT", f"{DATASETS}/%20", WHOLE, "/dataset/name"),
        ("PUT", f"{DATASETS}/new", {**WHOLE, "description": "x" * 70_000}, "over 65536 bytes"),
        ("PUT", f"{DATASETS}/new", {**WHOLE, "runId": "1"}, "runId"),
        ("PUT", f"{JOBS}/new", {"type": "BATCH", "inputs": [{"namespace": "a", "name": ""}]}, "/inputs/0/name"),
        ("POST", f"{JOBS}/stage/runs", {"id": "1"}, "/run/runId"),
        ("POST", f"{JOBS}/stage/runs", {"nominalStartTime": "soon"}, "nominalStartTime: "),
        ("POST", f"{JOBS}/stage/runs", {"nominalStartTime": at(0), "nominalEndTime": "1"}, "nominalEndTime: "),
        ("POST", f"jobs/runs/{run_id(9)}/start?at=then", None, "at: "),
    ],
)
def test_what_cannot_be_an_event_is_refused_whole(api: Served, method: str, path: str, body: Any, said: str) -> None:  # noqa: ANN401
    assert said in told(api, method, path, body, 400)["message"]
    assert api.kafka.sent == []


def test_a_body_is_bounded() -> None:
    with served(max_body_bytes=100) as api:
        told(api, "PUT", f"{DATASETS}/new", WHOLE, 413)
