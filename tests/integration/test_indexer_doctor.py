"""What the doctor finds in a whole world, in a broken one, and in none."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from processor.doctor import Check, diagnose
from processor.index.layout import FORMAT_VERSION
from processor.local import KafkaCluster, Valkey
from processor.local.ports import free_ports
from processor.settings import Settings
from tests.support.indexing import World, encoded, pipelines


def by_name(settings: Settings) -> dict[str, Check]:
    return {check.name: check for check in diagnose(settings)}


def failing(settings: Settings) -> set[str]:
    return {check.name for check in diagnose(settings) if check.ok is False}


def test_a_whole_world(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> None:
    world = World.make(kafka.bootstrap, redis_url, topic_prefix)
    world.produce(encoded(pipelines(10)))
    world.catch_up()
    found = by_name(world.settings)
    assert {name for name, check in found.items() if not check.ok} == set()
    assert f"format {FORMAT_VERSION}" in found["index"].detail
    assert found["lag"].detail.startswith("0 records behind")


def test_records_that_nobody_reads(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> None:
    world = World.make(kafka.bootstrap, redis_url, topic_prefix)
    world.produce(encoded(pipelines(10)))
    lag = by_name(world.settings)["lag"]
    assert lag.ok is False
    assert lag.detail.startswith("10 records")
    assert "lineage run" in lag.advice


def test_missing_topics_are_named(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> None:
    settings = World.make(kafka.bootstrap, redis_url, topic_prefix).settings
    gone = settings.changed(topics=settings.topics.model_copy(update={"alerts": f"{topic_prefix}gone"}))
    found = by_name(gone)["topics"]
    assert found.ok is False
    assert f"{topic_prefix}gone" in found.detail
    assert "lineage topics create" in found.advice


@pytest.mark.parametrize(
    ("name", "config", "said"),
    [
        ("alerts", {"cleanup.policy": "delete"}, "compact"),
        ("dead_letters", {"max.message.bytes": "5000"}, "max.message.bytes=5000"),
    ],
)
def test_topics_that_are_set_up_wrongly(
    kafka: KafkaCluster, redis_url: str, topic_prefix: str, name: str, config: dict[str, str], said: str
) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    [made] = admin.create_topics([NewTopic(f"{topic_prefix}{name}", 1, 1, config=config)]).values()
    made.result(30)
    world = World.make(kafka.bootstrap, redis_url, topic_prefix)
    found = by_name(world.settings)["topic settings"]
    assert found.ok is False
    assert said in f"{found.detail} {found.advice}"


def test_nothing_answers_and_no_secret_is_told() -> None:
    kafka_port, redis_port, registry_port = free_ports(3)
    settings = Settings(
        redis_url=f"redis://user:hush@127.0.0.1:{redis_port}/0",
        kafka={"bootstrap.servers": f"127.0.0.1:{kafka_port}", "sasl.password": "hush"},
        registry_url=f"http://user:hush@127.0.0.1:{registry_port}",
    )
    assert failing(settings) == {"kafka", "redis", "registry"}
    assert "hush" not in str(diagnose(settings))


def test_nothing_is_set() -> None:
    found = by_name(Settings())
    assert "LINEAGE_KAFKA__BOOTSTRAP_SERVERS" in found["kafka"].advice
    assert "LINEAGE_REDIS_URL" in found["redis"].advice


def test_a_redis_that_forgets(kafka: KafkaCluster, topic_prefix: str) -> None:
    with Valkey(settings={"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}) as forgetful:
        world = World.make(kafka.bootstrap, forgetful.url, topic_prefix)
        assert failing(world.settings) == {"redis eviction"}


def test_an_index_of_another_format(kafka: KafkaCluster, valkey: Valkey, redis_url: str, topic_prefix: str) -> None:
    world = World.make(kafka.bootstrap, redis_url, topic_prefix)
    with valkey.client() as client:
        client.hset("lineage:{meta}:index", mapping={"format": 99, "generation": 1, "buckets": 64})
    assert failing(world.settings) == {"index"}


def test_a_redis_that_only_reads(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> None:
    with Valkey(
        settings={"replicaof": redis_url.split("//")[1].split("/", maxsplit=1)[0].replace(":", " ")}
    ) as replica:
        world = World.make(kafka.bootstrap, replica.url, topic_prefix)
        assert "redis writable" in failing(world.settings)


def test_a_bad_policy_and_a_bad_schema_are_told(
    kafka: KafkaCluster, redis_url: str, topic_prefix: str, tmp_path: Path
) -> None:
    (tmp_path / "policy.yaml").write_text("no_such_thing: 1", encoding="utf-8")
    (tmp_path / "bad.avsc").write_text("{", encoding="utf-8")
    world = World.make(kafka.bootstrap, redis_url, topic_prefix)
    wrong = world.settings.changed(policy=tmp_path / "policy.yaml", facet_schemas=tmp_path)
    found = by_name(wrong)
    assert "policy.yaml" in found["policy"].detail
    assert "bad.avsc" in found["schemas"].detail
    assert failing(wrong) == {"policy", "schemas"}
