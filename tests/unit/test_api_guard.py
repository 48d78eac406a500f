"""Who may ask, and what every answer carries."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from processor.telemetry.metrics import REGISTRY
from tests.support.api import served
from tests.support.events import event

READ, WRITE, BOTH = "r" * 16, "w" * 16, "b" * 16
TOKENS: dict[str, Any] = {"read_tokens": (READ, BOTH), "write_tokens": (WRITE, BOTH)}
DOCUMENT = "/api/v2/openapi.json"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("token", "reads", "writes"),
    [("", 401, 401), ("x" * 16, 401, 401), (READ, 200, 403), (WRITE, 403, 201), (BOTH, 200, 201)],
)
def test_each_token_has_its_scope(token: str, reads: int, writes: int) -> None:
    with served(**TOKENS) as api:
        assert api.client.get(DOCUMENT, headers=bearer(token)).status_code == reads
        answer = api.client.post("/api/v1/lineage", json=event(), headers=bearer(token))
        assert answer.status_code == writes
        assert len(api.kafka.sent) == (writes == 201)


def test_a_missing_token_is_asked_for_in_both_forms() -> None:
    with served(**TOKENS) as api:
        answer = api.client.get(DOCUMENT)
        assert (answer.headers["www-authenticate"], answer.json()["status"]) == ("Bearer", 401)
        assert api.client.get("/api/v1/namespaces").json()["code"] == 401
        assert api.client.get(DOCUMENT, headers={"Authorization": f"Basic {READ}"}).status_code == 401


def test_tokens_of_one_scope_alone_close_the_other() -> None:
    with served(write_tokens=(WRITE,)) as api:
        assert api.client.get(DOCUMENT).status_code == 401


def test_a_read_only_api_takes_nothing() -> None:
    with served(read_only=True) as api:
        assert api.client.get(DOCUMENT).status_code == 200
        assert api.client.post("/api/v1/lineage", json=event()).status_code == 403
        assert api.kafka.sent == []


def test_pages_of_other_origins_may_ask_only_where_that_is_set() -> None:
    origin = {"Origin": "https://ui.example.com"}
    asking = {**origin, "Access-Control-Request-Method": "GET"}
    with served() as api:
        assert "access-control-allow-origin" not in api.client.get(DOCUMENT, headers=origin).headers
    with served(cors_origins=("https://ui.example.com",), **TOKENS) as api:
        assert api.client.options(DOCUMENT, headers=asking).status_code == 204
        answer = api.client.get(DOCUMENT, headers={**origin, **bearer(READ)})
        assert answer.headers["access-control-allow-origin"] == "https://ui.example.com"
        other = api.client.get(DOCUMENT, headers={"Origin": "https://other.example.com", **bearer(READ)})
        assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/lineage", "GET, HEAD, OPTIONS, POST"),
        ("/api/v1/namespaces/shop", "GET, HEAD, OPTIONS, PUT"),
        ("/api/v1/namespaces/shop/datasets/orders", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("/api/v1/namespaces/shop/jobs/load/tags/x", "DELETE, OPTIONS, POST"),
        ("/api/v2/events", "OPTIONS, POST"),
        ("/api/v2/changes", "GET, OPTIONS"),
    ],
)
def test_who_asks_what_may_be_done_is_told_all_of_it(path: str, methods: str) -> None:
    with served() as api:
        answer = api.client.options(path)
        assert (answer.status_code, answer.headers["allow"], answer.content) == (204, methods, b"")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/namespaces/shop/datasets/orders", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("/api/v2/nodes", "GET, HEAD, OPTIONS"),
        ("/api/v2/changes", "GET, OPTIONS"),
    ],
)
def test_who_asks_in_a_way_that_there_is_not_is_told_which_there_are(path: str, methods: str) -> None:
    with served() as api:
        answer = api.client.patch(path)
        assert (answer.status_code, answer.headers.get_list("allow")) == (405, [methods])


def test_answers_forbid_a_browser_to_guess_and_to_frame() -> None:
    with served() as api:
        for answer in (api.client.get(DOCUMENT), api.client.get("/nowhere")):
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_a_request_is_logged_without_its_body_its_query_and_its_token() -> None:
    with served(**TOKENS) as api, capture_logs() as lines:
        api.client.post("/api/v1/lineage?secret=query", content=b"secret body", headers=bearer(BOTH))
    [line] = [line for line in lines if line["event"] == "request"]
    assert (line["route"], line["status"], line["method"]) == ("/api/v1/lineage", 400, "POST")
    assert "secret" not in str(lines)
    assert BOTH not in str(lines)


def test_requests_are_counted_by_route_whatever_was_asked_for() -> None:
    with served() as api:
        for number in range(3):
            api.client.get(f"/nowhere/{number}")
    counted = {
        sample.labels["route"]
        for metric in REGISTRY.collect()
        if metric.name == "lineage_processor_http_requests"
        for sample in metric.samples
    }
    assert not [route for route in counted if "nowhere" in route]


def test_only_the_head_of_an_answer() -> None:
    with served() as api:
        whole, head = (ask("/api/v2/nodes") for ask in (api.client.get, api.client.head))
        assert (head.status_code, head.headers["etag"]) == (200, whole.headers["etag"])
        assert api.client.head("/api/v2/nodes", headers={"If-None-Match": head.headers["etag"]}).status_code == 304
        for endless in ("/api/v2/changes", "/api/v2/changes/", "/api/v2//alerts/stream"):
            assert api.client.head(endless).status_code == 405
        assert api.client.head("/api/v2/events").status_code == 405


@pytest.mark.parametrize(
    "path", ["/nowhere", "/api/v2", "/api/v2/none", "/api/v2/none/at/all", "/api/v2/nodes/dataset:s3://x:y"]
)
def test_a_path_that_leads_nowhere_is_a_problem_document(path: str) -> None:
    with served() as api:
        answer = api.client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "%2F" in answer.json()["detail"]


def test_what_is_not_there_and_what_is_not_done() -> None:
    with served() as api:
        assert api.client.get("/nowhere").json()["status"] == 404
        assert api.client.delete("/api/v2/events").status_code == 405
