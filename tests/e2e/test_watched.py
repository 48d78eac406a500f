"""The processor as it is watched: real Prometheus and Alertmanager, the rules of deploy/prometheus, and five incidents.

The rules are loaded `SCALE` times faster than they are written (`tests/support/prometheus.py`); how long each waits is
what promtool's tests are about. Here it is seen that each arrives in Alertmanager with its labels and its runbook, and
ends.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.generate.dashboards import dashboards
from deploy.generate.rules import groups
from processor.local import KafkaCluster, Valkey
from processor.local.ports import free_ports
from processor.telemetry.labels import label_of
from tests.support.alerting import DROPPED, FULL, ingest
from tests.support.alertmanager import Alertmanager
from tests.support.dashboards import expressions
from tests.support.events import START, Json, event, table
from tests.support.indexing import Running, World, encoded
from tests.support.prometheus import Prometheus, faster
from tests.support.promql import exposed
from tests.waiting import eventually

GUARD_S = 180.0
RUNBOOKS = "https://wiki.example/runbooks"
SILENT_NAMESPACE = "nightly"


@dataclass(slots=True)
class Watched:
    """A whole installation: what runs, and who watches it."""

    world: World
    redis: Valkey
    prometheus: Prometheus
    manager: Alertmanager
    indexer: Running
    others: tuple[Running, Running]
    stack: ExitStack

    def start_indexer(self) -> None:
        """Start an indexer where the one before listened."""
        self.indexer = self.stack.enter_context(self.world.process("run", "--role", "indexer"))

    def standing(self, name: str) -> list[Json]:
        """The alerts of that name that stand in Alertmanager."""
        time.sleep(0.2)  # the asking is not to be what the machine is busy with
        with urlopen(f"{self.manager.url}/api/v2/alerts?active=true", timeout=30) as answer:  # noqa: S310  our own
            return [alert for alert in json.load(answer) if alert["labels"]["alertname"] == name]

    def arrives(self, name: str, meanwhile: Callable[[], object] = lambda: None) -> Json:
        """The alert of that name, once it stands; something may have to go on meanwhile."""
        seen: list[Json] = []

        def stands() -> bool:
            meanwhile()
            seen.extend(self.standing(name))
            return bool(seen)

        assert eventually(stands, guard_s=GUARD_S), self.trouble(name)
        return seen[0]

    def ends(self, name: str) -> None:
        """Wait until no alert of that name stands any more."""
        assert eventually(lambda: not self.standing(name), guard_s=GUARD_S), self.trouble(name)

    def trouble(self, name: str) -> str:
        """What helps to understand why it did not come or go."""
        state = self.prometheus.query(
            '{__name__=~"ALERTS|up|lineage_processor_(condition|ready|namespace_silence_ratio)"}'
        )
        shown = "\n".join(f"{each['metric']} {each['value'][1]}" for each in state)
        return f"{name}\n{shown}\n{self.indexer.text[-2000:]}\n{self.others[0].text[-2000:]}"


def minutes_now() -> float:
    return (time.time() - START.timestamp()) / 60


def nightly(minutes: float, number: int) -> list[Json]:
    """One run of a job in a namespace of its own."""
    sides: dict[str, Any] = {"inputs": [table("raw.day")], "outputs": [table("day")]}
    begun = event("load_day", "START", minutes, run=10_000 + number)
    ended = event("load_day", "COMPLETE", minutes + 1, run=10_000 + number, **sides)
    return [{**each, "job": {**each["job"], "namespace": SILENT_NAMESPACE}} for each in (begun, ended)]


def history() -> list[Json]:
    """Two weeks of a job that ran every six hours until two days ago, and a table that is as it always was."""
    now = minutes_now()
    runs = [each for i in range(32) for each in nightly(now - 2 * 1440 - i * 360, i)]
    return [*runs, ingest(now - 120, *FULL), ingest(now - 60, *FULL)]


@pytest.fixture(scope="module")
def watched(kafka: KafkaCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    manager, ports = Alertmanager(folder), free_ports(3)
    http = dict(zip(("indexer_port", "alerter_port", "api_port"), ports, strict=True))
    with ExitStack() as stack:
        redis = stack.enter_context(Valkey(data_dir=tmp_path_factory.mktemp("valkey"), settings={"maxmemory": "500mb"}))
        world = World.make(
            kafka.bootstrap,
            redis.url,
            "watched-",
            http=http,
            reconcile_interval_s=1.0,
            redis_timeout_s=1.0,
            runbooks_url=RUNBOOKS,
            reject_limit={"share": 1.0},
            sinks={"alertmanager_urls": (manager.url,), "resend_s": 15.0},
        )
        world.produce(encoded(history()))
        stack.enter_context(manager.running())
        prometheus = Prometheus(folder, [f"127.0.0.1:{port}" for port in ports], manager.url, faster(groups()))
        stack.enter_context(prometheus.running())
        indexer = stack.enter_context(world.process("run", "--role", "indexer"))
        assert eventually(lambda: world.behind() == 0, guard_s=GUARD_S), indexer.text
        alerter, api = (stack.enter_context(world.process("run", "--role", role)) for role in ("alerter", "api"))
        roles = (indexer, alerter, api)
        assert eventually(lambda: all(role.is_ready() for role in roles), guard_s=GUARD_S), alerter.text
        yield Watched(world, redis, prometheus, manager, indexer, (alerter, api), stack)


def is_told(alert: Json, **labels: str) -> bool:
    """Whether an alert of the rules has its labels, a sentence and its page."""
    name = alert["labels"]["alertname"]
    assert alert["labels"].items() >= labels.items(), alert
    assert alert["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
    return bool(alert["annotations"]["summary"] and alert["annotations"]["description"])


def test_a_namespace_gone_silent_arrives_and_ends_with_its_next_run(watched: Watched) -> None:
    assert is_told(watched.arrives("LineageNamespaceSilent"), severity="warning", namespace=SILENT_NAMESPACE)
    told = watched.arrives("silent_job")
    assert told["labels"]["namespace"] == SILENT_NAMESPACE
    assert told["annotations"]["runbook_url"] == f"{RUNBOOKS}/silent_job.md"
    watched.world.produce(encoded(nightly(minutes_now() - 2, 100)))
    watched.ends("LineageNamespaceSilent")
    watched.ends("silent_job")


def test_a_drift_arrives_from_the_alerter_and_from_the_rules_and_ends_when_it_is_taken_back(watched: Watched) -> None:
    watched.world.produce(encoded([ingest(minutes_now() - 5, *DROPPED)]))
    told = watched.arrives("schema_drift")
    assert (told["labels"]["severity"], told["labels"]["subject"].rpartition(":")[2]) == ("critical", "public.orders")
    assert told["annotations"]["runbook_url"] == f"{RUNBOOKS}/schema_drift.md"
    assert is_told(watched.arrives("LineageDriftsFiring"), severity="warning")
    watched.world.produce(encoded([ingest(minutes_now() - 1, *FULL)]))
    watched.ends("schema_drift")
    watched.ends("LineageDriftsFiring")


def test_a_burst_of_dead_letters_arrives_and_ends_after_it(watched: Watched) -> None:
    def burst() -> None:
        watched.world.produce([b"not json"] * 20)

    assert is_told(watched.arrives("LineageDeadLetters", burst), severity="warning")
    watched.ends("LineageDeadLetters")


def test_a_killed_redis_arrives_and_ends_when_it_is_back(watched: Watched) -> None:
    watched.redis.kill()
    assert is_told(watched.arrives("LineageRedisUnreachable"), severity="critical")
    watched.redis.restart()
    watched.ends("LineageRedisUnreachable")


def test_a_stopped_indexer_arrives_and_ends_when_one_runs_again(watched: Watched) -> None:
    watched.indexer.send(signal.SIGTERM)
    assert watched.indexer.wait() == 0, watched.indexer.text
    assert is_told(watched.arrives("LineageRoleMissing"), severity="critical", role="indexer")
    assert is_told(watched.arrives("LineageProcessorDown"), severity="warning", role="indexer")
    watched.start_indexer()
    watched.ends("LineageRoleMissing")
    watched.ends("LineageProcessorDown")


def test_every_expression_of_a_dashboard_yields_something(watched: Watched) -> None:
    wanted = {each for text in dashboards().values() for each in expressions(json.loads(text))}

    def without() -> set[str]:
        watched.world.produce(encoded([ingest(minutes_now(), *FULL)]))
        time.sleep(1)
        return {each for each in wanted if not watched.prometheus.query(each)}

    assert eventually(lambda: not without(), guard_s=GUARD_S), without()


def test_every_label_of_a_live_process_has_one_of_its_values(watched: Watched) -> None:
    known, seen = exposed(), set[str]()
    for role in (watched.indexer, *watched.others):
        for family in text_string_to_metric_families(role.get("/metrics")[1]):
            for sample in (each for each in family.samples if each.name in known):
                seen.add(known[sample.name].name)
                for name, value in sample.labels.items():
                    values = frozenset[str]() if name == "le" else label_of(known[sample.name].name, name).values
                    assert not values or value in values, sample
    assert seen >= {f"lineage_processor_{name}" for name in ("events_total", "alert_transitions_total", "condition")}
