"""The alerter killed between any two of its steps, and started again: every alert comes as if nothing had happened."""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from processor.alerter.points import Point
from processor.alerter.reconcile import reconcile
from processor.alerter.records import alert_record
from processor.alerter.sinks.config import WEBHOOK
from processor.alerter.state import MemoryAlerts
from processor.detect.policy import Policy
from processor.index.progress import Progress, encode_progress
from processor.index.view import View
from processor.local import KafkaCluster, Valkey
from processor.model.alert import Alert, Status
from processor.model.codec import decode_alert
from tests.support.alerting import DROPPED, FULL, Plant, ingest
from tests.support.events import Json, memory, us
from tests.support.mortal import KILLED, alert, forked, running

_AT_ONCE = 5
BAD = b"\x00 is no change"
BEFORE = [
    *(ingest(n, *FULL, dataset=f"t{n}") for n in range(8)),
    *(ingest(10 + n, *DROPPED, dataset=f"t{n}") for n in range(4)),
]
AFTER = [
    *(ingest(20 + n, *DROPPED, dataset=f"t{n}") for n in range(4, 8)),
    *(ingest(30 + n, *FULL, dataset=f"t{n}") for n in range(2)),
]
LOST = (Point.RESTORED, Point.KNOWN)
"""Here the alerts in Redis are gone before the alerter starts."""
OLD = (Point.ENDING, Point.FORGOTTEN)
"""Here resolved alerts are forgotten at once."""


def judged(*events: Json) -> dict[str, Alert]:
    """What a sweep over an oracle's index finds."""
    alerts = MemoryAlerts()
    reconcile(View(memory(*events)), alerts, Policy(), us(60))
    return alerts.firing()


class Consumer:
    """Reads the alerts topic as anyone may: drops what it had by alert and version; a tombstone ends an alert."""

    def __init__(self, plant: Plant) -> None:
        self.lives: dict[bytes, list[Alert]] = defaultdict(list)
        self.last: dict[bytes, Alert | None] = {}
        for message in plant.read(plant.config.alerts_topic):
            key, value = bytes(message.key() or b""), message.value()
            self.take(key, decode_alert(bytes(value)) if value else None)

    def take(self, key: bytes, said: Alert | None) -> None:
        self.last[key] = said
        had = self.lives[key]
        if said is None:
            had.clear()
        elif said.version > len(had):
            had.append(said)
        else:
            assert said_of(had[said.version - 1]) == said_of(said)


def said_of(told: Alert) -> tuple[object, ...]:
    return told.status, told.version, told.started_us, told.ends_us, told.finding.severity


def publish(plant: Plant) -> None:
    """Judge what is indexed and publish it, as an alerter did that is gone."""
    reconcile(View(plant.store), plant.alerts, Policy(), us(15))
    for waiting in plant.alerts.pending(100):
        record = alert_record(plant.config.alerts_topic, waiting.alert)
        plant.producer.produce(record.topic, record.value, record.key)
        plant.alerts.confirm([waiting])
    assert plant.producer.flush(30) == 0


class Hook:
    """A webhook that many alerters are told of, each by its path."""

    def __init__(self) -> None:
        heard: dict[str, set[str]] = defaultdict(set)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                heard[self.path].add(self.headers["Idempotency-Key"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.heard = heard
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    made = Hook()
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


def plant_of(kafka: KafkaCluster, redis_url: str, point: Point, folder: Path, hook: Hook) -> Plant:
    """Alerts that fire, changes that are to be read, and, for some points, a Redis that has lost the alerts."""
    made = Plant(kafka, redis_url, f"{point}-", folder)
    kept_days = 0.0 if point in OLD else made.child.keep_resolved_days
    made.child = replace(made.child, session_ms=1200, lease_s=2.0, sweep_every_s=0.3, keep_resolved_days=kept_days)
    made.child = replace(made.child, webhook_url=f"{hook.url}/{point}")
    made.index(*BEFORE)
    publish(made)
    made.store.set_progress({b"t:0": encode_progress(Progress(us(60), 0, time.time_ns() // 1000))})
    made.index(*AFTER)
    made.send(BAD)
    if point in LOST:
        made.lose_alerts()
    return made


def kill_and_start_again(plant: Plant, point: Point) -> None:
    log = plant.folder / "alerter.log"
    assert forked(log, alert, plant.child, point) == KILLED
    with running(log, alert, plant.child, None):
        plant.wait(lambda: plant.committed() == plant.produced())
        plant.wait(lambda: plant.alerts.firing().keys() == judged(*BEFORE, *AFTER).keys())
        plant.wait(lambda: plant.alerts.pending(1) == [] and plant.alerts.known() != {})
        plant.wait(lambda: plant.child.alerts().untold(WEBHOOK) == 0)
        if point in OLD:
            plant.wait(lambda: list(Consumer(plant).last.values()).count(None) == 2)


@pytest.fixture(scope="module")
def passed(
    kafka: KafkaCluster, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory, hook: Hook
) -> Iterator[dict[Point, Future[Plant]]]:
    """Every point at once, each with topics and an index of its own: most of the time is spent waiting."""
    with valkey.client() as client:
        client.flushall()

    def suffer(point: Point) -> Plant:
        plant = plant_of(kafka, valkey.url, point, tmp_path_factory.mktemp(point), hook)
        kill_and_start_again(plant, point)
        return plant

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        yield {point: threads.submit(suffer, point) for point in Point}


@pytest.mark.parametrize("point", Point)
def test_killed_at_any_point_and_started_again(passed: dict[Point, Future[Plant]], point: Point, hook: Hook) -> None:
    plant = passed[point].result()
    check(plant)
    values = (message.value() for message in plant.read(plant.config.alerts_topic))
    said = [decode_alert(bytes(value)) for value in values if value]
    before = {f"{alert_id}:1" for alert_id in judged(*BEFORE)}
    # Once for each that is forgotten and fires anew is enough: the key is the same.
    assert {f"{told.finding.alert_id}:{told.version}" for told in said} - before == hook.heard[f"/{point}"] - before


def check(plant: Plant) -> None:
    heard = Consumer(plant)
    firing = {key.decode() for key, told in heard.last.items() if told and told.status is Status.FIRING}
    assert firing == judged(*BEFORE, *AFTER).keys()
    for life in heard.lives.values():
        assert [told.version for told in life] == list(range(1, len(life) + 1))
        assert [told.status for told in life] == list(itertools.islice(itertools.cycle(Status), len(life)))
    kept = {told.finding.alert_id: said_of(told) for told in plant.alerts.all()}
    assert kept == {key.decode(): said_of(told) for key, told in heard.last.items() if told}
    assert len(heard.last) == 8
    assert {m.value() for m in plant.read(plant.config.dead_letters_topic)} == {BAD}
