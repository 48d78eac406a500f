"""The least rights of `docs/security.md` in Kafka are enough for every role, and for who asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but its stubs do not say so
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from processor.local import KafkaCluster
from tests.support.command import Lineage
from tests.support.events import column_lineage, event, schema, table
from tests.support.indexing import World
from tests.waiting import eventually

PASSWORD = "sasl-s3cret-4715"  # noqa: S105 - of a server that lives for a test
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
READS = (AclOperation.READ, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS)


@pytest.fixture(scope="module")
def strict() -> Iterator[KafkaCluster]:
    """A broker that lets in `lineage` with what it was given, and whoever comes without a name to everything."""
    listener = "listener.name.secure"
    settings = {
        "secure.protocol": "SASL_PLAINTEXT",
        f"{listener}.sasl.enabled.mechanisms": "PLAIN",
        f"{listener}.plain.sasl.jaas.config": f'{LOGIN} required user_lineage="{PASSWORD}";',
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    with KafkaCluster(settings=settings) as cluster:
        yield cluster


def allowed(kind: ResourceType, name: str, *operations: AclOperation) -> list[AclBinding]:
    literal, allow = ResourcePatternType.LITERAL, AclPermissionType.ALLOW
    return [AclBinding(kind, name, literal, "User:lineage", "*", each, allow) for each in operations]


def given(world: World) -> list[AclBinding]:
    """The table of `docs/security.md`."""
    names, groups = world.settings.topics, world.settings.groups
    topics = (names.events, names.changes, names.alerts, names.dead_letters)
    return [
        *(each for topic in topics for each in allowed(ResourceType.TOPIC, topic, *READS, AclOperation.WRITE)),
        *allowed(ResourceType.GROUP, groups.indexer, AclOperation.READ, AclOperation.DESCRIBE),
        *allowed(ResourceType.GROUP, groups.alerter, AclOperation.READ, AclOperation.DESCRIBE),
        *allowed(ResourceType.BROKER, "kafka-cluster", AclOperation.IDEMPOTENT_WRITE),
    ]


def test_the_rights_of_the_table_are_enough_and_one_that_comes_back_ends_the_trouble(
    strict: KafkaCluster, redis_url: str, topic_prefix: str, tmp_path: Path
) -> None:
    plain = World.make(strict.bootstrap, redis_url, topic_prefix, reconcile_interval_s=1.0)
    kafka = {
        "bootstrap.servers": strict.secure_bootstrap,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "lineage",
        "sasl.password": PASSWORD,
        "session.timeout.ms": "6000",
    }
    admin = AdminClient({"bootstrap.servers": strict.bootstrap})
    for done in admin.create_acls(given(plain)).values():
        done.result(30)
    world = World(plain.settings.changed(kafka=kafka))
    report = table("report", columnLineage=column_lineage({"total": [("orders", "amount")]}))
    with world.process("run") as running:
        for value in (
            event("load", outputs=[table("orders", schema=schema("id", "amount"))]),
            event("report", run=1, minutes=1, inputs=[table("orders")], outputs=[report]),
            event("load", run=2, minutes=2, outputs=[table("orders", schema=schema("id"))]),
            {"number": 1},
        ):
            plain.produce([msgspec.json.encode(value)])
            assert eventually(lambda: plain.behind() == 0), running.text
        assert eventually(lambda: bool(plain.read(plain.settings.topics.alerts))), running.text
    lineage = Lineage(tmp_path, world.settings.to_environment())
    assert "contract" in lineage.ok("dead-letters", "list", "--count").out
    assert "would send 1" in lineage.ok("dead-letters", "redrive", "--all", "--dry-run").err
    assert "0 records behind" in lineage("doctor").out

    with world.process("run", "--role", "indexer") as running:
        assert eventually(running.is_ready), running.text
        right = allowed(ResourceType.GROUP, world.settings.groups.indexer, AclOperation.READ)
        [gone] = admin.delete_acls([_like(each) for each in right]).values()
        gone.result(30)
        assert eventually(lambda: running.misses("kafka")), running.text
        assert "the consumer group" in running.get("/readyz")[1]
        for done in admin.create_acls(right).values():
            done.result(30)
        assert eventually(running.is_ready), running.text


def _like(binding: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )
