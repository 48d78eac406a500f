"""`/api/v2/gates/…` and `/api/v2/coverage`, and the module that asks them from a program."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import msgspec
import pytest

from processor import gate
from processor.api import forms
from processor.judging.verdicts import CoverageVerdict, Grade, ImpactVerdict, ProvenanceVerdict
from processor.model.identity import Kind
from tests.support.api import Served, served
from tests.support.dbt import manifest, model
from tests.support.events import NAMESPACE, PIPELINE, ds, memory

IMPACT = "/api/v2/gates/impact"
TOKEN = "sixteen-or-more-characters"  # noqa: S105  of a test


@pytest.fixture
def api() -> Iterator[Served]:
    with served(memory(*PIPELINE)) as there:
        yield there


def test_provenance_names_every_source_and_the_way(api: Served) -> None:
    answer = api.client.get("/api/v2/gates/provenance", params={"node": "forecast", "allow": ["nowhere"]})
    verdict = msgspec.json.decode(answer.content, type=ProvenanceVerdict)
    assert (answer.status_code, verdict.ok, verdict.trust) == (200, False, 0.0)
    assert [step.name for step in verdict.path] == ["forecast", "model", "mart", "mart", "stg", "stage", "raw"]
    assert "outside its allowed sources" in verdict.reason
    fine = api.client.get("/api/v2/gates/provenance", params={"node": "stg", "allow": [f"{NAMESPACE}:raw"]})
    assert fine.json() | {"sources": []} == {
        **fine.json(),
        "ok": True,
        "path": [],
        "reason": "",
        "sources": [],
    }


def test_a_column_is_judged_by_what_it_is_made_from(api: Served) -> None:
    answer = api.client.get("/api/v2/gates/provenance", params={"node": "mart.revenue", "allow": [f"{NAMESPACE}:raw"]})
    verdict = msgspec.json.decode(answer.content, type=ProvenanceVerdict)
    assert verdict.ok
    assert (verdict.subject.kind, verdict.sources[0].source.name) == (Kind.COLUMN, "raw")


def test_impact_says_what_a_change_breaks_and_changes_nothing(api: Served) -> None:
    for packed in (False, True):
        body = msgspec.json.encode({"dataset": "raw", "schema": ["id"]})
        headers = {"Content-Encoding": "gzip"} if packed else {}
        answer = api.client.post(IMPACT, content=gzip.compress(body) if packed else body, headers=headers)
        verdict = msgspec.json.decode(answer.content, type=ImpactVerdict)
        assert (answer.status_code, verdict.ok, verdict.changes[0].grade) == (200, False, Grade.BREAKING)
    assert api.kafka.sent == []


def test_coverage_is_measured_and_held_to_the_target(api: Served) -> None:
    told = api.client.get("/api/v2/coverage")
    found = msgspec.json.decode(told.content, type=forms.CoverageAnswer)
    assert (found.total, found.coverage.datasets.total) == (1, 4)
    assert api.client.get("/api/v2/coverage", headers={"If-None-Match": told.headers["ETag"]}).status_code == 304
    held = api.client.get("/api/v2/gates/coverage", params={"fail_under": 75})
    assert msgspec.json.decode(held.content, type=CoverageVerdict).ok
    missed = api.client.get("/api/v2/gates/coverage", params={"fail_under": 76, "namespace": NAMESPACE})
    assert (missed.json()["ok"], missed.json()["below"]) == (False, ["datasets 75 %"])


@pytest.mark.parametrize(
    ("url", "parameter"),
    [
        ("/api/v2/gates/provenance", "node"),
        ("/api/v2/gates/provenance?node=", "node"),
        ("/api/v2/gates/provenance?node=raw&min_trust=2", "min_trust"),
        ("/api/v2/gates/provenance?node=raw&max_age_hours=0", "max_age_hours"),
        ("/api/v2/gates/provenance?node=raw&allow=", "allow"),
        ("/api/v2/gates/coverage?fail_under=x", "fail_under"),
        ("/api/v2/coverage?limit=0", "limit"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(api: Served, url: str, parameter: str) -> None:
    answer = api.client.get(url)
    assert (answer.status_code, answer.json()["parameter"]) == (400, parameter)


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        (b"{", None),
        (b"[]", "body"),
        (b"{}", "manifest"),
        (b'{"manifest": 4}', "manifest"),
        (b'{"schema": 4, "dataset": "raw"}', "schema"),
        (b'{"schema": ["id"]}', "dataset"),
        (b'{"schema": ["id"], "dataset": "raw", "fail_on": "never ever"}', "fail_on"),
        (b'{"schema": ["id"], "dataset": "raw", "colour": 1}', "body"),
    ],
)
def test_a_body_that_cannot_be_used_is_refused(api: Served, body: bytes, parameter: str | None) -> None:
    answer = api.client.post(IMPACT, content=body)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().get("parameter") == parameter


def test_what_is_unknown_is_answered_with_what_is_near(api: Served) -> None:
    unknown = api.client.get("/api/v2/gates/provenance", params={"node": "forecasts"})
    assert (unknown.status_code, str(ds("forecast")) in unknown.json()["near"]) == (404, True)
    namespace = api.client.get("/api/v2/coverage", params={"namespace": "warehouse"})
    assert (namespace.status_code, namespace.json()["near"]) == (404, [NAMESPACE])


def test_a_question_needs_the_right_to_read_and_no_other() -> None:
    body = {"dataset": "raw", "schema": ["id", "amount"]}
    with served(memory(*PIPELINE), read_tokens=(TOKEN,), write_tokens=(TOKEN[::-1],), read_only=True) as api:
        for token, status in ((TOKEN, 200), (TOKEN[::-1], 403), ("", 401)):
            headers = {"Authorization": f"Bearer {token}"}
            assert api.client.post(IMPACT, json=body, headers=headers).status_code == status


# The module, against the API: a server that hands on to it


class Handing:
    """The API on a port."""

    def __init__(self, api: Served) -> None:
        self.busy = 0
        self.redirect = ""
        self.drips = False
        self.tokens: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.hand_on(b"")

            def do_POST(self) -> None:
                self.hand_on(self.rfile.read(int(self.headers["Content-Length"])))

            def hand_on(self, body: bytes) -> None:
                outer.tokens.append(self.headers.get("Authorization", ""))
                if outer.redirect or outer.busy:
                    self.send_response(302 if outer.redirect else 503)
                    self.send_header("Location" if outer.redirect else "Retry-After", outer.redirect or "0")
                    self.end_headers()
                    outer.busy -= 1
                    return
                if outer.drips:
                    self.drip()
                    return
                answer = api.client.request(self.command, self.path, content=body)
                self.send_response(answer.status_code)
                self.end_headers()
                self.wfile.write(answer.content)

            def drip(self) -> None:
                self.send_response(200)
                self.end_headers()
                with contextlib.suppress(OSError):
                    while outer.drips:
                        self.wfile.write(b" ")
                        time.sleep(0.02)

            def log_message(self, *_: Any) -> None:  # noqa: ANN401  as the standard library calls it
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def handing(api: Served) -> Iterator[Handing]:
    there = Handing(api)
    thread = threading.Thread(target=there.server.serve_forever)
    thread.start()
    try:
        yield there
    finally:
        there.server.shutdown()
        thread.join()
        there.server.server_close()


def test_a_training_script_is_refused_with_the_path(handing: Handing) -> None:
    with pytest.raises(gate.UntrustedSource, match=r"outside its allowed sources .*forecast ← model ← mart") as refused:
        gate.require_trusted("forecast", allow=["nowhere"], url=handing.url, token=TOKEN)
    assert refused.value.path[-1] == ds("raw")
    assert refused.value.trust == 0
    assert handing.tokens == [f"Bearer {TOKEN}"]
    assert gate.require_trusted("stg", allow=[f"{NAMESPACE}:*"], min_trust=0.5, url=handing.url).ok


def test_a_change_and_too_little_coverage_are_refused(handing: Handing) -> None:
    with pytest.raises(gate.BreakingChange, match="Column amount of raw would be dropped") as refused:
        gate.require_impact(schema=["id"], dataset="raw", url=handing.url)
    assert refused.value.verdict.changes[0].impact.columns
    assert gate.require_impact(manifest=manifest(model("new")), url=handing.url).notes
    with pytest.raises(gate.LowCoverage, match="below 95 %: datasets 75 %"):
        gate.require_coverage(url=handing.url)


def test_who_asks_wrongly_is_told_what_is_near(handing: Handing) -> None:
    with pytest.raises(gate.UsageError, match=rf"near it: .*{ds('forecast')}"):
        gate.require_trusted("forecasts", url=handing.url)
    with pytest.raises(gate.UsageError, match="min_trust"):
        gate.require_trusted("forecast", min_trust=3, url=handing.url)
    with pytest.raises(gate.UsageError, match="one text"):
        gate.require_trusted("forecast", allow="raw", url=handing.url)
    with pytest.raises(gate.UsageError, match="cannot be read"):
        gate.require_impact(manifest="no-such-file.json", url=handing.url)


def test_who_is_busy_is_asked_again_and_a_gate_that_cannot_tell_lets_nobody_pass(handing: Handing) -> None:
    handing.busy = 2
    assert gate.require_coverage(10, url=handing.url).ok
    handing.redirect = "http://127.0.0.1:1/elsewhere"
    with pytest.raises(gate.DependencyError, match="302"):
        gate.require_coverage(10, url=handing.url, token=TOKEN)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(gate.DependencyError, match="does not answer"):
        gate.require_coverage(10, url=f"http://127.0.0.1:{port}", timeout_s=5)


def test_an_answer_that_drips_in_has_so_long_in_all(handing: Handing) -> None:
    handing.drips = True
    with pytest.raises(gate.DependencyError, match="does not answer: it takes too long"):
        gate.require_coverage(url=handing.url, timeout_s=0.3)
    handing.drips = False
