"""The indexer while Kafka or Redis is away: it waits, says so, and goes on where it stood."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from processor.local import KafkaCluster, Valkey
from tests.support.indexing import Running, World, encoded, pipelines
from tests.waiting import eventually

SLOW = {"batch_size": 20, "redis_timeout_s": 1.0}


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey that a test may end, and that keeps its data."""
    with Valkey(data_dir=tmp_path / "valkey", settings={"appendfsync": "always"}) as server:
        yield server


@pytest.fixture
def own_kafka() -> Iterator[KafkaCluster]:
    """A broker that a test may end."""
    with KafkaCluster() as cluster:
        yield cluster


def waits_for(running: Running, dependency: str) -> bool:
    return dependency in {line["dependency"] for line in running.logged("waiting for a dependency")}


def test_redis_ends_in_the_middle_and_comes_back(kafka: KafkaCluster, own_valkey: Valkey, topic_prefix: str) -> None:
    world = World.make(kafka.bootstrap, own_valkey.url, topic_prefix, **SLOW)
    events = encoded(pipelines(3000))
    world.produce(events[:2000])
    with world.process("run", "--role", "indexer") as running:
        assert eventually(lambda: world.behind() < 2000), running.text
        own_valkey.kill()
        world.produce(events[2000:])  # it may have been at its end
        assert eventually(lambda: running.misses("redis")), running.text
        behind = world.behind()
        assert running.get("/livez")[0] == 200
        own_valkey.restart()
        assert eventually(lambda: world.behind() == 0), running.text
        assert eventually(running.is_ready), running.text
        assert running.logged("partitions lost") == []
        running.send(signal.SIGTERM)
        assert running.wait() == 0, running.text
    assert behind >= 1000
    assert world.dead_letters() == []
    assert world.digest() == world.oracle()
    assert world.outbox() == 0


def test_redis_freezes_in_the_middle(kafka: KafkaCluster, own_valkey: Valkey, topic_prefix: str) -> None:
    world = World.make(kafka.bootstrap, own_valkey.url, topic_prefix, **SLOW)
    events = encoded(pipelines(2000))
    world.produce(events[:1500])
    with world.process("run", "--role", "indexer") as running:
        assert eventually(lambda: world.behind() < 1500), running.text
        own_valkey.pause()
        world.produce(events[1500:])  # it may have been at its end
        assert eventually(lambda: running.misses("redis")), running.text
        own_valkey.resume()
        assert eventually(lambda: world.behind() == 0), running.text
    assert world.dead_letters() == []
    assert world.digest() == world.oracle()
    assert world.outbox() == 0


def test_redis_is_full(kafka: KafkaCluster, own_valkey: Valkey, topic_prefix: str) -> None:
    world = World.make(kafka.bootstrap, own_valkey.url, topic_prefix, **SLOW)
    with own_valkey.client() as client, world.process("run", "--role", "indexer") as running:
        assert eventually(running.is_ready), running.text
        client.config_set("maxmemory", "1mb")
        world.produce(encoded(pipelines(500)))
        assert eventually(lambda: running.misses("redis")), running.text
        client.config_set("maxmemory", "0")
        assert eventually(lambda: world.behind() == 0), running.text
    assert world.dead_letters() == []
    assert world.digest() == world.oracle()


def test_redis_is_away_at_the_start(kafka: KafkaCluster, own_valkey: Valkey, topic_prefix: str) -> None:
    world = World.make(kafka.bootstrap, own_valkey.url, topic_prefix)
    world.produce(encoded(pipelines(100)))
    own_valkey.kill()
    with world.process("run", "--role", "indexer") as running:
        assert eventually(lambda: waits_for(running, "Redis")), running.text
        assert running.misses("redis")
        own_valkey.restart()
        assert eventually(lambda: world.behind() == 0), running.text
    assert world.digest() == world.oracle()


def test_kafka_is_away_at_the_start_and_again_later(own_kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> None:
    world = World.make(own_kafka.bootstrap, redis_url, topic_prefix)
    world.produce(encoded(pipelines(200)))
    own_kafka.kill(0)
    with world.process("run", "--role", "indexer") as running:
        assert eventually(lambda: waits_for(running, "Kafka")), running.text
        assert running.misses("kafka")
        assert running.get("/livez")[0] == 200
        own_kafka.restart(0)
        assert eventually(lambda: world.behind() == 0), running.text
        assert eventually(running.is_ready), running.text
        own_kafka.kill(0)
        assert eventually(lambda: running.misses("kafka")), running.text
        own_kafka.restart(0)
        world.produce(encoded(pipelines(400)))
        assert eventually(lambda: world.behind() == 0), running.text
        assert eventually(running.is_ready), running.text
        running.send(signal.SIGTERM)
        assert running.wait() == 0, running.text
    assert world.digest() == world.oracle()
    assert world.outbox() == 0


def test_asked_to_end_while_it_waits_for_kafka(redis_url: str, topic_prefix: str, own_kafka: KafkaCluster) -> None:
    world = World.make(own_kafka.bootstrap, redis_url, topic_prefix)
    own_kafka.kill(0)
    with world.process("run", "--role", "indexer") as running:
        assert eventually(lambda: running.misses("kafka")), running.text
        running.send(signal.SIGTERM)
        assert running.wait() == 0, running.text


def test_asked_to_end_while_kafka_is_gone(redis_url: str, topic_prefix: str, own_kafka: KafkaCluster) -> None:
    world = World.make(own_kafka.bootstrap, redis_url, topic_prefix, shutdown_timeout_s=8.0)
    world.produce(encoded(pipelines(100)))
    with world.process("run", "--role", "indexer") as running:
        assert eventually(lambda: world.behind() == 0), running.text
        own_kafka.kill(0)
        assert eventually(lambda: running.misses("kafka")), running.text
        running.send(signal.SIGTERM)
        assert running.wait() == 0, running.text


def test_nothing_is_committed_before_its_dead_letter_is_confirmed(
    kafka: KafkaCluster, redis_url: str, topic_prefix: str
) -> None:
    letters = f"{topic_prefix}dead_letters"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    world = World.make(kafka.bootstrap, redis_url, topic_prefix)
    large = bytes(range(256)) * 20
    with world.process("run", "--role", "indexer") as running:
        assert eventually(running.is_ready), running.text
        _allow(admin, letters, 200)  # a worker that starts refuses such a topic
        world.produce([large])
        assert eventually(lambda: running.misses("kafka")), running.text
        assert world.behind() == 1
        assert world.dead_letters() == []
        _allow(admin, letters, 100_000)
        assert eventually(lambda: world.behind() == 0), running.text
        assert eventually(running.is_ready), running.text
    assert [letter.value for letter in world.dead_letters()] == [large]


def test_killed_again_and_again_it_ends_with_the_same_index(
    kafka: KafkaCluster, redis_url: str, topic_prefix: str
) -> None:
    world = World.make(kafka.bootstrap, redis_url, topic_prefix, batch_size=100, group_instance_id="one")
    world.produce(encoded(pipelines(6000)))
    for left in (5500, 4000, 2000):
        with world.process("run", "--role", "indexer") as running:
            assert eventually(lambda: world.behind() < left), running.text  # noqa: B023  called at once
            running.send(signal.SIGKILL)
            running.wait()
    with world.process("run", "--role", "indexer", "--until-caught-up") as running:
        assert running.wait() == 0, running.text
    assert world.behind() == 0
    assert world.digest() == world.oracle()
    assert world.outbox() == 0


def _allow(admin: AdminClient, topic: str, size: int) -> None:
    from confluent_kafka.admin import (  # type: ignore[attr-defined]  # noqa: PLC0415  public, but its stubs do not say so
        AlterConfigOpType,
        ConfigEntry,
        ConfigResource,
    )

    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    [done] = admin.incremental_alter_configs([resource]).values()
    done.result(30)
