"""The alerter as a process of its own, on real Kafka and Valkey."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from processor.alerter.recall import Recall
from processor.alerting_pass import pass_over_alerts
from processor.index.announce import change_of
from processor.index.progress import Progress, encode_progress
from processor.local import KafkaCluster, Valkey
from processor.model.alert import AlertKind, Severity, Status
from processor.model.codec import encode_change
from tests.support.alerting import DROPPED, FULL, LARGEST, Plant, ingest, stage
from tests.support.events import Json, ds, event, fill, schema, table, us
from tests.support.indexing import World
from tests.waiting import GUARD_S, eventually


@pytest.fixture
def plant(kafka: KafkaCluster, redis_url: str, topic_prefix: str, tmp_path: Path) -> Plant:
    return Plant(kafka, redis_url, topic_prefix, tmp_path)


def test_a_change_becomes_an_alert_on_the_topic_and_in_the_log(plant: Plant) -> None:
    fill(plant.store, ingest(0, *FULL), stage())
    with plant.alerter() as process:
        plant.index(ingest(60, *DROPPED))
        plant.wait(lambda: bool(plant.published()))
        (alert,) = plant.published()
        (message,) = plant.read(plant.config.alerts_topic)
        assert message.key() == alert.finding.alert_id.encode()
        assert (alert.finding.kind, alert.status) == (AlertKind.SCHEMA_DRIFT, Status.FIRING)
        assert (alert.finding.severity, alert.version) == (Severity.CRITICAL, 1)
        assert ds("staging.orders").column("amount") in [a.node for a in alert.finding.impact.columns]
        plant.wait(lambda: plant.alerts.pending(1) == [])
        plant.index(ingest(70, *FULL))
        plant.wait(lambda: len(plant.published()) == 2)
        assert [(a.version, a.status) for a in plant.published()] == [(1, Status.FIRING), (2, Status.RESOLVED)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(GUARD_S) == 0
    told = [json.loads(line) for line in plant.log().splitlines() if line.startswith("{")]
    transitions = [t for t in told if t.get("event", "").startswith("alert.")]
    assert [t["event"] for t in transitions] == ["alert.firing", "alert.resolved"]
    assert transitions[0]["summary"].startswith("Column amount was dropped from public.orders by job shop.ingest")


def test_what_is_no_change_becomes_a_dead_letter_and_the_agent_goes_on(plant: Plant) -> None:
    fill(plant.store, ingest(0, *FULL), stage())
    poison = [b"", b"\x00poison", b"\xc3\x01" + bytes(8) + b"x", b"{}", None]
    with plant.alerter():
        for value in poison:
            plant.send(value, None if value is None else b"bad", [("trace", b"\xff\x00")])
        plant.index(ingest(60, *DROPPED))
        plant.wait(lambda: bool(plant.published()))
        plant.wait(lambda: len(plant.read(plant.config.dead_letters_topic)) == len(poison))
        plant.wait(lambda: plant.committed() == plant.produced())
    letters = plant.read(plant.config.dead_letters_topic)
    assert sorted((m.value() or b"-") for m in letters) == sorted(v or b"-" for v in poison)
    headers = [dict(m.headers() or []) for m in letters]
    assert {h["lineage.reason"] for h in headers} == {b"bad_avro", b"null"}
    assert {h["__connect.errors.topic"] for h in headers} == {plant.config.changes_topic.encode()}
    assert {m.key() for m in letters} == {b"bad", b""}
    assert {h["trace"] for h in headers} == {b"\xff\x00"}
    assert all(h["lineage.timestamp"] for h in headers)


@pytest.mark.parametrize(("largest", "size"), [(LARGEST, 3_000_001), (1_000_000, None)])
def test_a_large_record_that_is_no_change_holds_up_no_other(
    kafka: KafkaCluster, redis_url: str, topic_prefix: str, tmp_path: Path, largest: int, size: int | None
) -> None:
    plant = Plant(kafka, redis_url, topic_prefix, tmp_path, topics=False)
    plant.create_topics(dead_letters=largest)
    fill(plant.store, ingest(0, *FULL), stage())
    with plant.alerter():
        plant.send(b"\x00" + random.Random(3).randbytes(3_000_000))
        plant.index(ingest(60, *DROPPED))
        plant.wait(lambda: plant.committed() == plant.produced())
        plant.wait(lambda: len(plant.published()) == 1)
    [letter] = plant.read(plant.config.dead_letters_topic)
    value = letter.value()
    assert (None if value is None else len(value)) == size
    assert dict(letter.headers() or []).get("lineage.left") == (b"3000002" if size is None else None)


def test_after_a_restart_it_goes_on_where_it_stood(plant: Plant) -> None:
    fill(plant.store, ingest(0, *FULL), stage())
    plant.index(ingest(60, *DROPPED))
    with plant.alerter() as process:
        plant.wait(lambda: plant.committed() == plant.produced())
        process.send_signal(signal.SIGTERM)
        assert process.wait(GUARD_S) == 0
    plant.index(ingest(70, *FULL))
    with plant.alerter():
        plant.wait(lambda: plant.committed() == plant.produced())
        plant.wait(lambda: len(plant.published()) == 2)
    assert [a.version for a in plant.published()] == [1, 2]


def test_a_change_that_was_lost_is_found_by_the_sweep(plant: Plant) -> None:
    fill(plant.store, ingest(0, *FULL), stage(), ingest(60, *DROPPED))
    plant.store.set_progress({b"t:0": encode_progress(Progress(us(61), 0, us(61)))})
    with plant.alerter(sweep_every_s=0.5):
        plant.wait(lambda: bool(plant.published()))
        fill(plant.store, ingest(70, *FULL))
        plant.wait(lambda: len(plant.published()) == 2)


def test_alerts_that_redis_lost_are_known_from_their_topic(plant: Plant) -> None:
    fill(plant.store, ingest(0, *FULL), ingest(1, *FULL, dataset="public.other"), stage())
    plant.store.set_progress({b"t:0": encode_progress(Progress(us(71), 0, us(71)))})
    with plant.alerter(sweep_every_s=0.5):
        plant.index(ingest(60, *DROPPED), ingest(61, *DROPPED, dataset="public.other"))
        plant.wait(lambda: len(plant.published()) == 2)
        plant.wait(lambda: plant.alerts.pending(1) == [])
        plant.lose_alerts()
        plant.index(ingest(70, *FULL))
        plant.wait(lambda: len(plant.published()) == 3)
        plant.wait(lambda: len(plant.alerts.firing()) == 1 and plant.alerts.pending(1) == [])
        heard = sorted((a.finding.subject.name, a.version, a.status) for a in plant.published())
    assert heard == [
        ("public.orders", 1, Status.FIRING),
        ("public.orders", 2, Status.RESOLVED),
        ("public.other", 1, Status.FIRING),
    ]


def test_an_alerts_topic_that_is_missing_is_waited_for_and_told_what_fires(plant: Plant) -> None:
    fill(plant.store, ingest(0, *FULL), ingest(1, *FULL, dataset="public.other"), stage())
    topic = plant.config.alerts_topic
    with plant.alerter(sweep_every_s=0.5) as process:
        plant.index(ingest(60, *DROPPED))
        plant.wait(lambda: bool(plant.published()) and plant.alerts.pending(1) == [])
        (first,) = plant.published()
        plant.delete_topic(topic)
        plant.wait(lambda: f"no topic {topic}" in plant.log())
        plant.index(ingest(61, *DROPPED, dataset="public.other"))
        plant.wait(lambda: len(plant.alerts.firing()) == 2)
        plant.create_topic(topic)
        plant.wait(lambda: len(plant.published()) == 2 and plant.alerts.pending(1) == [])
        assert first in plant.published()
        assert {a.finding.alert_id for a in plant.published()} == set(plant.alerts.firing())
        assert process.poll() is None


def test_while_no_indexer_has_told_how_far_it_has_read_nothing_is_judged(plant: Plant) -> None:
    fill(plant.store, ingest(0, *FULL), stage())
    change = change_of(fill(plant.store, ingest(60, *DROPPED))[0], plant.store)
    with plant.alerter(sweep_every_s=0.2):
        plant.send(encode_change(change))
        plant.wait(lambda: plant.waits("react", "index.not_whole"))
        assert plant.published() == []
        plant.tell(us(60))
        plant.wait(lambda: len(plant.published()) == 1)


def test_of_several_alerters_each_alert_comes_once(plant: Plant) -> None:
    names = [f"public.t{number}" for number in range(12)]
    fill(plant.store, *(ingest(0, *FULL, dataset=name) for name in names))
    with plant.alerter(sweep_every_s=1.0), plant.alerter(sweep_every_s=1.0), plant.alerter(sweep_every_s=1.0) as other:
        plant.index(*(ingest(60, *DROPPED, dataset=name) for name in names[:6]))
        plant.wait(lambda: len(plant.published()) == 6)
        other.send_signal(signal.SIGKILL)
        plant.index(*(ingest(60, *DROPPED, dataset=name) for name in names[6:]))
        plant.wait(lambda: len({a.finding.subject.name for a in plant.published()}) == 12)
        plant.wait(lambda: plant.alerts.pending(1) == [])
    assert sorted(a.finding.subject.name for a in plant.published()) == sorted(names)


def load(minutes: int, names: Sequence[str], *columns: str) -> Json:
    """One run that writes all of these."""
    return event("load", minutes=minutes, run=minutes, outputs=[table(name, schema=schema(*columns)) for name in names])


def test_one_cause_is_one_alert_until_all_of_it_is_mended_whoever_dies(plant: Plant) -> None:
    names = [f"public.t{number}" for number in range(4)]
    fill(plant.store, load(0, names, *FULL))
    with plant.alerter(sweep_every_s=0.5) as first, plant.alerter(sweep_every_s=0.5), plant.alerter(sweep_every_s=0.5):
        plant.index(load(60, names, *DROPPED))
        plant.wait(lambda: [a.finding.member_count for a in plant.alerts.firing().values()] == [3])
        (alert,) = plant.alerts.firing().values()
        leader = alert.finding.subject.name
        plant.index(load(70, [leader], *FULL))
        plant.wait(
            lambda: ["is over, but not 3 findings" in a.finding.summary for a in plant.published()][-1:] == [True]
        )
        first.send_signal(signal.SIGKILL)
        plant.lose_alerts()
        left = [name for name in names if name != leader]
        plant.index(load(80, left[:1], *FULL))
        plant.wait(lambda: [a.finding.member_count for a in plant.alerts.firing().values()] == [2])
        plant.index(load(90, left[1:], *FULL))
        plant.wait(lambda: plant.published()[-1].status is Status.RESOLVED and plant.alerts.pending(1) == [])
    told = plant.published()
    assert {a.finding.alert_id for a in told} == {alert.finding.alert_id}
    assert [a.status for a in told].count(Status.RESOLVED) == 1


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    """A Valkey that may be made to hang."""
    with Valkey() as server:
        yield server


@pytest.fixture
def shaky(kafka: KafkaCluster, own_valkey: Valkey, topic_prefix: str, tmp_path: Path) -> Plant:
    return Plant(kafka, own_valkey.url, topic_prefix, tmp_path)


def test_while_redis_does_not_answer_it_waits_and_loses_nothing(shaky: Plant, own_valkey: Valkey) -> None:
    fill(shaky.store, ingest(0, *FULL), stage())
    with shaky.alerter() as process:
        shaky.index(ingest(60, *DROPPED))
        shaky.wait(lambda: len(shaky.published()) == 1)
        back = change_of(fill(shaky.store, ingest(70, *FULL))[0], shaky.store)
        own_valkey.pause()
        shaky.send(encode_change(back))
        shaky.wait(lambda: shaky.waits("react"))
        own_valkey.resume()
        shaky.wait(lambda: len(shaky.published()) == 2)
        shaky.wait(lambda: shaky.committed() == shaky.produced())
        assert process.poll() is None
    assert shaky.read(shaky.config.dead_letters_topic) == []


def test_asked_to_end_while_redis_does_not_answer_it_ends(shaky: Plant, own_valkey: Valkey) -> None:
    fill(shaky.store, ingest(0, *FULL), stage())
    change = change_of(fill(shaky.store, ingest(60, *DROPPED))[0], shaky.store)
    shaky.tell(us(60))
    with shaky.alerter() as process:
        shaky.wait(lambda: "alerter.started" in shaky.log())
        own_valkey.pause()
        shaky.send(encode_change(change))
        shaky.wait(lambda: shaky.waits("react"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(GUARD_S) == 0
    own_valkey.resume()
    assert shaky.committed() == 0
    with shaky.alerter():
        shaky.wait(lambda: len(shaky.published()) == 1)


def test_asked_to_end_while_a_thread_hangs_it_ends_by_force(plant: Plant) -> None:
    fill(plant.store, ingest(0, *FULL))
    plant.store.set_progress({b"t:0": encode_progress(Progress(us(61), 0, us(61)))})
    with plant.alerter(hangs=True, shutdown_timeout_s=5.0) as process:
        plant.wait(lambda: "sweep hangs" in plant.log())
        process.send_signal(signal.SIGTERM)
        assert process.wait(GUARD_S) == 3


def test_it_waits_for_topics_that_are_not_there_yet(kafka: KafkaCluster, redis_url: str, tmp_path: Path) -> None:
    plant = Plant(kafka, redis_url, "late-", tmp_path, topics=False)
    fill(plant.store, ingest(0, *FULL), stage())
    with plant.alerter() as process:
        plant.wait(lambda: "alerter.waits" in plant.log())
        assert "no topic late-alerts, late-changes, late-dead-letters" in plant.log()
        plant.create_topics()
        plant.index(ingest(60, *DROPPED))
        plant.wait(lambda: len(plant.published()) == 1)
        assert process.poll() is None


def test_a_broker_that_comes_back_finds_it_waiting(redis_url: str, tmp_path: Path) -> None:
    with KafkaCluster() as own:
        plant = Plant(own, redis_url, "back-", tmp_path)
        fill(plant.store, ingest(0, *FULL), stage())
        with plant.alerter() as process:
            plant.index(ingest(60, *DROPPED))
            plant.wait(lambda: len(plant.published()) == 1)
            own.kill(0)
            plant.store.set_progress({b"t:0": encode_progress(Progress(us(71), 0, us(71)))})
            own.restart(0)
            plant.index(ingest(70, *FULL))
            plant.wait(lambda: len(plant.published()) == 2)
            assert process.poll() is None


def test_without_a_broker_it_is_not_ready_and_still_ends(own_valkey: Valkey) -> None:
    with KafkaCluster() as own:
        world = World.make(own.bootstrap, own_valkey.url, "gone-", shutdown_timeout_s=5.0)
        with world.process("run", "--role", "alerter") as alerter:
            assert eventually(lambda: alerter.get("/readyz")[0] == 200), alerter.text
            own.kill(0)
            assert eventually(lambda: alerter.get("/readyz")[0] == 503), alerter.text
            alerter.send(signal.SIGTERM)
            assert alerter.wait() in (0, 3)


def test_a_pass_publishes_only_while_it_leads(plant: Plant) -> None:
    world = World.make(
        plant.child.bootstrap,
        plant.child.redis_url,
        plant.child.topic_prefix,
        redis_prefix=plant.child.redis_prefix,
    )
    settings = world.settings
    fill(plant.store, ingest(0, *FULL), stage(), ingest(60, *DROPPED))
    plant.store.set_progress({b"t:0": encode_progress(Progress(us(61), 0, us(61)))})
    assert plant.alerts.lease("another", 60_000)
    assert Recall(plant.alerts, plant.child.open_log()).refresh() is False
    with ThreadPoolExecutor(1) as threads:
        passing = threads.submit(pass_over_alerts, settings)
        plant.wait(lambda: len(plant.alerts.pending(10)) == 1)
        assert plant.published() == []
        plant.alerts.release("another")
        assert passing.result() is not None
    assert [a.version for a in plant.published()] == [1]
    assert plant.alerts.lease("another", 60_000)
