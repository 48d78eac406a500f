"""The index forgets what it was told: it is noticed, and read again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from processor.local import KafkaCluster, Valkey
from tests.support.indexing import World, encoded, pipelines
from tests.waiting import eventually

SMALL = {"batch_size": 50}
WENT_BACK = "the index lacks what had been read into it (a failover, an old snapshot, or emptied); reading that again"
BAD = [b"not json", b"[", b"\xff"]


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey that a test may empty and end."""
    with Valkey(data_dir=tmp_path / "valkey") as server:
        yield server


def empty(server: Valkey) -> None:
    with server.client() as client:
        client.flushall()


def is_as_if_nothing_had_happened(world: World) -> bool:
    return world.behind() == 0 and world.digest() == world.oracle() and world.outbox() == 0


def test_a_server_that_is_emptied_while_events_come_in(
    kafka: KafkaCluster, own_valkey: Valkey, topic_prefix: str
) -> None:
    world = World.make(kafka.bootstrap, own_valkey.url, topic_prefix, **SMALL)
    world.produce([*encoded(pipelines(800)), *BAD])
    with world.process("run", "--role", "indexer") as running:
        assert eventually(lambda: world.behind() < 500), running.text
        empty(own_valkey)
        world.produce(encoded(pipelines(1000))[800:])
        assert eventually(lambda: is_as_if_nothing_had_happened(world)), running.text
        assert running.logged(WENT_BACK), running.text
        assert running.metric("lineage_processor_records_reread_total") > 0
        assert running.metric("lineage_processor_records_lost_total") == 0
    assert sorted(each.value or b"" for each in world.dead_letters()) == sorted(BAD)


def test_a_server_that_is_emptied_while_nothing_comes_in(
    kafka: KafkaCluster, own_valkey: Valkey, topic_prefix: str
) -> None:
    world = World.make(kafka.bootstrap, own_valkey.url, topic_prefix, **SMALL)
    world.produce([*encoded(pipelines(200)), *BAD])
    with world.process("run", "--role", "indexer") as running:
        assert eventually(lambda: is_as_if_nothing_had_happened(world)), running.text
        empty(own_valkey)
        assert eventually(lambda: is_as_if_nothing_had_happened(world)), running.text
    assert len(world.dead_letters()) == len(BAD)


def test_a_new_empty_server_under_a_group_that_has_committed(
    kafka: KafkaCluster, own_valkey: Valkey, topic_prefix: str
) -> None:
    world = World.make(kafka.bootstrap, own_valkey.url, topic_prefix, **SMALL)
    world.produce(encoded(pipelines(200)))
    world.catch_up()
    empty(own_valkey)
    world.produce(encoded(pipelines(220))[200:])
    world.catch_up()
    assert world.digest() == world.oracle()


def test_an_old_snapshot_is_brought_up_to_date(kafka: KafkaCluster, tmp_path: Path, topic_prefix: str) -> None:
    folder = tmp_path / "valkey"
    with Valkey(data_dir=folder, settings={"appendonly": "no"}) as server:
        world = World.make(kafka.bootstrap, server.url, topic_prefix, **SMALL)
        world.produce(encoded(pipelines(150)))
        world.catch_up()
        with server.client() as client:
            client.save()
        with world.process("run", "--role", "indexer") as running:
            world.produce(encoded(pipelines(300))[150:])
            assert eventually(lambda: world.behind() == 0), running.text
            server.kill()
            server.restart()
            assert eventually(lambda: is_as_if_nothing_had_happened(world)), running.text
            assert running.logged(WENT_BACK), running.text


def test_what_kafka_no_longer_retains_is_said_and_counted(
    kafka: KafkaCluster, own_valkey: Valkey, topic_prefix: str
) -> None:
    world = World.make(kafka.bootstrap, own_valkey.url, topic_prefix, **SMALL)
    world.produce(encoded(pipelines(200)))
    with world.process("run", "--role", "indexer") as running:
        assert eventually(lambda: world.behind() == 0), running.text
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        gone = TopicPartition(world.settings.topics.events, 0, 30)
        for future in admin.delete_records([gone]).values():
            future.result()
        empty(own_valkey)
        assert eventually(lambda: running.metric("lineage_processor_records_lost_total") == 30), running.text
        world.sent = [each for each in world.sent if each.partition.number != 0 or each.offset >= 30]
        assert eventually(lambda: is_as_if_nothing_had_happened(world)), running.text
        running.send(signal.SIGTERM)
        assert running.wait() == 0
    with world.process("run", "--role", "indexer", "--until-caught-up") as running:
        assert running.wait() == 0, running.text
        assert "no longer in Kafka" not in running.text
