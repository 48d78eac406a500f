"""`lineage run --role api` on real Kafka and Valkey: events from OpenLineage's own client, answered when kept."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest
from marquez_client import MarquezClient  # type: ignore[import-untyped]
from marquez_client.errors import APIError  # type: ignore[import-untyped]
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.transport.http import HttpCompression, HttpConfig, HttpTransport

from processor.local import KafkaCluster
from tests.support.events import NAMESPACE, at, run_id
from tests.support.indexing import Running, World, encoded, pipelines
from tests.waiting import eventually


@dataclass
class Served:
    """An API that runs."""

    world: World
    running: Running
    url: str

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], Any]:
        """Status, headers and body of an answer."""
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, json.loads(data) if data else None
        finally:
            connection.close()


@contextmanager
def serving(world: World) -> Iterator[Served]:
    with world.process("run", "--role", "api") as running:
        assert eventually(lambda: bool(running.logged("serving the API"))), running.text
        assert eventually(running.is_ready), running.text
        yield Served(world, running, str(running.logged("serving the API")[0]["url"]))
        running.send(signal.SIGTERM)
        assert running.wait() == 0, running.text


@pytest.fixture
def world(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> World:
    return World.make(kafka.bootstrap, redis_url, topic_prefix)


def test_openlineage_python_by_http(world: World) -> None:
    event = RunEvent(
        eventType=RunState.COMPLETE,
        eventTime=at(0),
        run=Run(runId=run_id(0)),
        job=Job("shop", "load"),
        producer="https://example.com",
        inputs=[InputDataset("postgres://shop", "raw")],
        outputs=[OutputDataset("postgres://shop", "stg")],
    )
    with serving(world) as api:
        for compression in (None, HttpCompression.GZIP):
            transport = HttpTransport(HttpConfig(url=api.url, compression=compression))
            client = OpenLineageClient(transport=transport)
            client.emit(event)
            client.close()
        one, other = world.read(world.settings.topics.events)
        assert one.key == b"run:shop/load"
        assert one.value == other.value
        world.catch_up()
        assert world.behind() == 0


def test_a_batch_is_kept_before_it_is_confirmed_and_one_bad_event_stops_it(world: World) -> None:
    events = encoded(pipelines(100))
    with serving(world) as api:
        assert api.ask("POST", "/api/v2/events", b"[" + b",".join(events) + b"]")[0] == 201
        assert sorted(each.value or b"" for each in world.read(world.settings.topics.events)) == sorted(events)
        status, _, problem = api.ask("POST", "/api/v2/events", b"[" + events[0] + b",{}]")
        assert (status, problem["event"]) == (400, 1)
        assert len(world.read(world.settings.topics.events)) == 100
        assert api.running.metric("lineage_processor_http_events_total") == 100


def test_questions_are_answered_from_the_index_that_the_events_made(world: World) -> None:
    with serving(world) as api:
        assert api.ask("GET", "/api/v2/nodes")[2]["total"] == 0
        assert api.ask("POST", "/api/v2/events", b"[" + b",".join(encoded(pipelines(80))) + b"]")[0] == 201
        world.catch_up()
        assert eventually(lambda: api.ask("GET", "/api/v2/nodes?kind=dataset")[2]["total"] == 80)
        status, headers, down = api.ask("GET", "/api/v2/nodes/raw.t3/downstream")
        assert (status, [node["name"] for node in down["nodes"]]) == (200, ["raw.t3", "marts.t3", "job_3"])
        assert api.ask("GET", "/api/v2/nodes/raw.t3/downstream", None, **{"If-None-Match": headers["etag"]})[0] == 304
        assert api.ask("GET", "/api/v2/nodes/job_3/runs")[2]["runs"][0]["state"] == "COMPLETE"
        assert api.ask("GET", "/api/v2/alerts")[2]["alerts"] == []


def test_marquez_python_asks_unchanged(world: World) -> None:
    events = encoded(pipelines(80))
    with serving(world) as api:
        assert api.ask("POST", "/api/v1/lineage", b"[" + b",".join(events) + b"]")[0] == 201
        world.catch_up()
        marquez = MarquezClient(url=api.url)
        assert eventually(lambda: len(marquez.list_namespaces()["namespaces"]) == 2)
        space = NAMESPACE
        assert marquez.get_namespace(space)["name"] == space
        assert marquez.list_datasets(space)["totalCount"] == 80
        table = marquez.get_dataset(space, "marts.t3")
        assert [field["name"] for field in table["fields"]] == ["id", "amount", "extra_0"]
        [version] = marquez.list_dataset_versions(space, "marts.t3")["versions"]
        assert marquez.get_dataset_version(space, "marts.t3", version["version"])["fields"] == table["fields"]
        assert marquez.get_job("shop", "job_3")["outputs"] == [{"namespace": space, "name": "marts.t3"}]
        assert len(marquez.list_jobs("shop", limit=7)["jobs"]) == 7
        [run] = marquez.list_job_runs("shop", "job_3")["runs"]
        assert marquez.get_job_run(run["id"])["state"] == "COMPLETED"
        graph = marquez.get_column_lineage_by_dataset(space, "marts.t3", depth=5)["graph"]
        assert {node["data"]["field"] for node in graph} == {"id", "amount", "extra_0"}
        assert marquez.get_column_lineage_by_dataset_field(space, "marts.t3", "amount", with_downstream=True)["graph"]
        assert marquez.get_column_lineage_by_job("shop", "job_3")["graph"]
        assert marquez.list_sources()["sources"][0]["name"] == space
        assert marquez.list_tags() == {"tags": []}
        assert marquez.list_events()["events"] == []
        with pytest.raises(APIError):
            marquez.get_job("shop", "none")


def events_of(answer: HTTPResponse, count: int) -> list[dict[str, str]]:
    """So many server-sent events that carry data."""
    found, event = list[dict[str, str]](), dict[str, str]()
    while len(found) < count:
        line = answer.readline().decode().rstrip("\n")
        name, _, value = line.partition(": ")
        if line:
            event[name] = value
        elif "data" in event:
            found, event = [*found, event], {}
    return found


def listened(api: Served, path: str, count: int, **headers: str) -> list[dict[str, str]]:
    connection = HTTPConnection(urlsplit(api.url).netloc, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("content-type")) == (200, "text/event-stream; charset=utf-8")
        return events_of(answer, count)
    finally:
        connection.close()


def test_changes_come_as_they_happen_and_a_listener_that_comes_back_misses_nothing(world: World) -> None:
    with serving(world) as api:
        assert api.ask("POST", "/api/v2/events", b"[" + b",".join(encoded(pipelines(40))) + b"]")[0] == 201
        world.catch_up()
        changes = world.changes()
        every = listened(api, "/api/v2/changes?from_start=true", len(changes) + 1)
        told = [json.loads(event["data"])["change_id"] for event in every[1:]]
        assert sorted(told) == sorted(change.change_id for change in changes)
        middle = len(every) // 2
        rest = listened(api, "/api/v2/changes", len(every) - middle - 1, **{"Last-Event-ID": every[middle]["id"]})
        again = [json.loads(event["data"])["change_id"] for event in every[1 : middle + 1] + rest]
        assert sorted(again) == sorted(told)
        assert api.ask("GET", "/api/v2/changes?last_event_id=x")[0] == 400


def test_a_listener_that_is_there_when_it_stops_does_not_hold_it_up(world: World) -> None:
    with serving(world) as api:
        connection = HTTPConnection(urlsplit(api.url).netloc, timeout=60)
        connection.request("GET", "/api/v2/alerts/stream")
        answer = connection.getresponse()
        [start] = events_of(answer, 1)
        assert (start["event"], start["id"]) == ("start", "0:0,1:0,2:0")
        api.running.send(signal.SIGTERM)
        assert api.running.wait() == 0, api.running.text
        answer.read()
        connection.close()
        assert not api.running.logged("a request failed")


def test_kafka_frozen_is_told_within_the_time_and_nothing_is_claimed(
    kafka: KafkaCluster, redis_url: str, topic_prefix: str
) -> None:
    world = World.make(kafka.bootstrap, redis_url, topic_prefix, api={"port": 0, "send_timeout_s": 2.0})
    [event] = encoded(pipelines(1))
    with serving(world) as api:
        assert eventually(lambda: api.ask("POST", "/api/v1/lineage", event)[0] == 201)  # its time is short
        kafka.pause(0)
        try:
            status, headers, _ = api.ask("POST", "/api/v1/lineage", event)
            assert (status, headers["retry-after"]) == (503, "2")
            assert api.running.get("/livez")[0] == 200
        finally:
            kafka.resume(0)
        assert eventually(lambda: api.ask("POST", "/api/v1/lineage", event)[0] == 201)


def test_a_port_that_is_taken_is_said_and_ends_it(world: World) -> None:
    with serving(world) as api:
        port = urlsplit(api.url).port
        second = World(world.settings.changed(api=world.settings.api.model_copy(update={"port": port})))
        with second.process("run", "--role", "api") as running:
            assert running.wait() == 2
            assert "LINEAGE_API__PORT" in running.text


def test_all_roles_run_together(world: World) -> None:
    with world.process("run") as running:
        assert eventually(lambda: bool(running.logged("serving the API"))), running.text
        url = str(running.logged("serving the API")[0]["url"])
        api = Served(world, running, url)
        assert eventually(lambda: api.ask("GET", "/api/v2/openapi.json")[0] == 200)
        os.kill(running.process.pid, signal.SIGTERM)
        assert running.wait() == 0, running.text
