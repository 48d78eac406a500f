"""Whoever listens for alerts hears each once, though Kafka goes away meanwhile and comes back."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from confluent_kafka import Producer

from processor.alerter.life import fire
from processor.local import KafkaCluster
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.codec import encode_alert
from processor.settings_sources import environment_for_child
from tests.support.command import COMMAND
from tests.support.events import jb
from tests.support.indexing import World
from tests.waiting import eventually

_STREAM = "/api/v2/alerts/stream"


@pytest.fixture(scope="module")
def mortal() -> Iterator[KafkaCluster]:
    """A Kafka of this module's own, for it goes away."""
    with KafkaCluster() as cluster:
        yield cluster


@pytest.fixture
def world(mortal: KafkaCluster, redis_url: str, topic_prefix: str) -> World:
    return World.make(mortal.bootstrap, redis_url, topic_prefix)


def publish(world: World, number: int) -> str:
    """Put an alert on the topic; its id."""
    finding = Finding(f"{number:024x}", AlertKind.SILENT_JOB, Severity.WARNING, jb("load"), "It is late.", number)
    step = fire(None, finding, "docs")
    assert step is not None
    producer = Producer({"bootstrap.servers": world.settings.kafka["bootstrap.servers"]})
    producer.produce(world.settings.topics.alerts, encode_alert(step.alert), finding.alert_id)
    assert producer.flush(60) == 0
    return finding.alert_id


def told(lines: list[str]) -> list[str]:
    return [str(json.loads(line)["alert_id"]) for line in lines]


def test_a_stream_outlives_an_outage_and_tells_each_alert_once(mortal: KafkaCluster, world: World) -> None:
    with world.process("run", "--role", "api") as api:
        assert eventually(lambda: bool(api.logged("serving the API"))), api.text
        address = urlsplit(str(api.logged("serving the API")[0]["url"])).netloc
        stream = Stream(address)
        assert stream.next()["event"] == "start"
        first = publish(world, 1)
        heard = stream.next()
        assert json.loads(heard["data"])["alert_id"] == first
        mortal.kill(0)
        turned_away = HTTPConnection(address, timeout=60)
        turned_away.request("GET", _STREAM)
        assert turned_away.getresponse().status == 503
        assert api.get("/livez")[0] == 200
        mortal.restart(0)
        second = publish(world, 2)
        assert json.loads(stream.next()["data"])["alert_id"] == second
        again = Stream(address, **{"Last-Event-ID": heard["id"]})
        assert json.loads(again.next()["data"])["alert_id"] == second
        for each in (stream, again):
            each.close()


class Stream:
    """Server-sent events of the alerts, one after another."""

    def __init__(self, address: str, **headers: str) -> None:
        self._connection = HTTPConnection(address, timeout=60)
        self._connection.request("GET", _STREAM, headers=headers)
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200

    def next(self) -> dict[str, str]:
        """The next event, by its members."""
        event: dict[str, str] = {}
        while "data" not in event:
            line = self._answer.readline().decode().rstrip("\n")
            name, _, value = line.partition(": ")
            event |= {name: value} if name else {}
        return event

    def close(self) -> None:
        self._answer.close()
        self._connection.close()


def test_a_follower_says_that_kafka_is_gone_and_back_and_tells_each_alert_once(
    mortal: KafkaCluster, world: World
) -> None:
    command = [*COMMAND, "alerts", "--follow", "-o", "ndjson"]
    settings = environment_for_child(world.settings.to_environment())
    with subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            _follow_through(running, mortal, world)
        finally:
            running.kill()


def _follow_through(running: subprocess.Popen[str], mortal: KafkaCluster, world: World) -> None:
    assert running.stdout is not None
    assert running.stderr is not None
    assert "waiting for what fires" in running.stderr.readline()
    first = publish(world, 1)
    assert told([running.stdout.readline()]) == [first]
    mortal.kill(0)
    assert "Kafka does not answer" in running.stderr.readline()
    mortal.restart(0)
    assert "Kafka answers again" in running.stderr.readline()
    second = publish(world, 2)
    assert told([running.stdout.readline()]) == [second]
    running.send_signal(signal.SIGINT)
    out, said = running.communicate(timeout=60)
    assert (running.returncode, out) == (0, ""), said
    assert "to go on from here: --follow --after " in said
