"""Events over HTTP: held to the contract, all or nothing, and claimed only when Kafka has them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from processor.api.body import unpacked
from processor.api.problems import ProblemError
from tests.support.api import Served, served
from tests.support.events import event, table

GOOD = event("load", inputs=[table("raw")], outputs=[table("stg")])
PATHS = ("/api/v1/lineage", "/api/v2/events")


@pytest.fixture
def api() -> Iterator[Served]:
    with served() as there:
        yield there


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


@pytest.mark.parametrize("path", PATHS)
def test_one_event_and_an_array_are_sent_as_they_came(api: Served, path: str) -> None:
    one = json.dumps(GOOD).encode()
    assert api.client.post(path, content=one).status_code == 201
    assert api.client.post(path, content=b"\xef\xbb\xbf [ " + one + b",\n" + one + b"]").status_code == 201
    assert [record.value for record in api.kafka.sent] == [one, one, one]
    assert {record.key for record in api.kafka.sent} == {b"run:shop/load"}


def test_what_was_taken_is_told(api: Served) -> None:
    odd = event("load", outputs=[table("stg", schema={"fields": 42})])
    answer = api.client.post("/api/v2/events", json=[GOOD, odd])
    assert answer.status_code == 201
    assert answer.json()["accepted"] == 2
    [dropped] = answer.json()["dropped"]
    assert (dropped["event"], dropped["facet"], dropped["pointer"][:18]) == (1, "schema", "/outputs/0/facets/")


def test_marquez_answers_with_nothing(api: Served) -> None:
    assert api.client.post("/api/v1/lineage", json=GOOD).content == b""


@pytest.mark.parametrize(
    ("body", "reason", "pointer"),
    [
        (b"", "empty", ""),
        (b"hello", "not_json", ""),
        (b"[{", "not_json", ""),
        (b"[" * 100_000, "not_json", ""),
        (b'{"a":' * 100_000, "too_deep", ""),
        (b"[1]", "not_json", ""),
        (json.dumps(without("eventTime")).encode(), "contract", "/eventTime"),
        (json.dumps({**GOOD, "run": {"runId": "1"}}).encode(), "bad_run_id", "/run/runId"),
        (json.dumps({**GOOD, "eventTime": "yesterday"}).encode(), "bad_time", "/eventTime"),
        (json.dumps({**GOOD, "eventTime": "9999-12-31T23:59:59Z"}).encode(), "future_time", "/eventTime"),
    ],
)
def test_what_breaks_the_contract_is_refused_with_reason_and_pointer(
    api: Served, body: bytes, reason: str, pointer: str
) -> None:
    answer = api.client.post("/api/v2/events", content=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["reason"], answer.json()["pointer"]) == (reason, pointer)
    assert api.kafka.sent == []


def test_one_bad_event_of_an_array_refuses_all_and_is_named(api: Served) -> None:
    answer = api.client.post("/api/v1/lineage", json=[GOOD, GOOD, without("producer"), {}])
    assert answer.status_code == 400
    assert (answer.json()["code"], answer.json()["event"], answer.json()["pointer"]) == (400, 2, "/producer")
    assert [each["event"] for each in answer.json()["errors"]] == [2, 3]
    assert api.kafka.sent == []


def test_an_empty_array_is_nothing_to_do(api: Served) -> None:
    assert api.client.post("/api/v2/events", json=[]).json() == {"accepted": 0, "dropped": []}


def test_kafka_away_claims_nothing(api: Served) -> None:
    api.kafka.is_away = True
    answer = api.client.post("/api/v1/lineage", json=GOOD)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_packed_bodies(api: Served, encoding: str) -> None:
    body = gzip.compress(json.dumps([GOOD, GOOD]).encode())
    answer = api.client.post("/api/v1/lineage", content=body, headers={"Content-Encoding": encoding})
    assert answer.status_code == 201
    assert len(api.kafka.sent) == 2


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("br", b"{}", 415),
        ("gzip", b"{}", 400),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-4], 400),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"more", 400),
        ("gzip", gzip.compress(b" " * 100_000, mtime=0), 413),
        ("identity", b" " * 100_000, 413),
    ],
)
def test_bodies_that_are_not_what_they_may_be(encoding: str, body: bytes, status: int) -> None:
    with served(max_body_bytes=50_000) as api:
        answer = api.client.post("/api/v2/events", content=body, headers={"Content-Encoding": encoding})
        assert (answer.status_code, api.kafka.sent) == (status, [])


def test_a_body_of_unknown_length_is_cut_off() -> None:
    with served(max_body_bytes=50_000) as api:
        answer = api.client.post("/api/v2/events", content=(b" " * 1000 for _ in range(1000)))
        assert answer.status_code == 413


def test_all_bodies_in_hand_are_bounded_and_counted_off_again() -> None:
    with served(max_held_bytes=2000) as api:
        assert api.client.post("/api/v2/events", content=b" " * 2001).status_code == 503
        for _ in range(3):
            assert api.client.post("/api/v2/events", json=GOOD).status_code == 201


def test_too_many_events_in_one_request() -> None:
    with served(max_events=2) as api:
        assert api.client.post("/api/v2/events", json=[GOOD] * 3).status_code == 413
        assert api.client.post("/api/v2/events", json=[GOOD] * 2).status_code == 201


def test_a_bomb_is_not_unpacked_whole() -> None:
    with pytest.raises(ProblemError) as caught:
        unpacked(gzip.compress(b"\0" * 100_000_000), 1000)
    assert caught.value.status == 413
