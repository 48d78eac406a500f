"""What a chaos run runs on: three brokers, Valkey with replicas, perhaps a registry; and the settings for it all."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from processor import topics
from processor.local import KafkaCluster, SchemaRegistry, ValkeyCluster
from processor.resources import schema_text
from processor.settings import Settings
from tests.chaos.run.members import Crew, Member
from tests.chaos.run.records import MAX_VALUE_BYTES
from tests.chaos.run.schedule import Plan
from tests.chaos.run.sentinel import SentinelRedis

_SESSION_MS: Final = "6000"
_BROKER: Final = {
    "group.consumer.session.timeout.ms": _SESSION_MS,
    "group.consumer.heartbeat.interval.ms": "1000",
    "replica.lag.time.max.ms": "4000",
}


@dataclass(slots=True)
class World:
    """The servers, and the processes that are to survive what is done to them."""

    plan: Plan
    folder: Path
    kafka: KafkaCluster
    redis: SentinelRedis | ValkeyCluster
    registry: SchemaRegistry | None
    crew: Crew
    settings: Settings
    schema_id: int | None = None

    def settings_of(self, role: str, name: str) -> Settings:
        """The settings of one member. Those of KIP-848 have their session's length from the broker."""
        if role == "alerter":
            return self.settings.changed(group_protocol="classic")
        changed: dict[str, object] = {"group_protocol": self.plan.group_protocol}
        if self.plan.is_static:
            changed["group_instance_id"] = name
        if self.plan.group_protocol == "consumer":
            changed["kafka"] = {"bootstrap.servers": self.kafka.bootstrap}
        return self.settings.changed(**changed)

    def add(self, role: str, number: int) -> Member:
        """One more member."""
        name = f"{role}-{number}"
        return self.crew.add(name, role, self.settings_of(role, name))


@contextlib.contextmanager
def make_world(plan: Plan, folder: Path) -> Iterator[World]:
    """Start everything that the plan asks for; end it, whatever comes."""
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        kafka = stack.enter_context(KafkaCluster(brokers=3, settings=_BROKER))
        redis = stack.enter_context(_redis(plan, folder / "valkey"))
        registry = stack.enter_context(SchemaRegistry()) if plan.has_registry else None
        settings = _settings(plan, kafka, redis, registry)
        topics.create_topics(settings)
        crew = Crew(logs)
        world = World(plan, folder, kafka, redis, registry, crew, settings)
        world.schema_id = _register(registry) if registry else None
        stack.callback(crew.end)
        crew.start()
        yield world


def start_members(world: World) -> None:
    """Start the indexers and the alerters of the plan."""
    for role, count in (("indexer", world.plan.indexers), ("alerter", world.plan.alerters)):
        for number in range(count):
            world.add(role, number)


def _redis(plan: Plan, folder: Path) -> AbstractContextManager[SentinelRedis | ValkeyCluster]:
    folder.mkdir(parents=True, exist_ok=True)
    return SentinelRedis(folder) if plan.redis == "sentinel" else ValkeyCluster(masters=3, replicas=1)


def _settings(
    plan: Plan, kafka: KafkaCluster, redis: SentinelRedis | ValkeyCluster, registry: SchemaRegistry | None
) -> Settings:
    values: dict[str, object] = {
        "redis_url": redis.url,
        "redis_timeout_s": 2.0,
        "kafka": {
            "bootstrap.servers": kafka.bootstrap,
            "session.timeout.ms": _SESSION_MS,
            "heartbeat.interval.ms": "1000",
        },
        "topics": {"partitions": plan.partitions, "replication": 3},
        "http": {"indexer_port": 0, "alerter_port": 0, "api_port": 0},
        "api": {"port": 0},
        "log_format": "json",
        "batch_size": plan.batch_size,
        "max_value_bytes": MAX_VALUE_BYTES,
        "shutdown_timeout_s": 15.0,
        # The oracle has to judge by the same time.
        "clock": "stream",
        "reconcile_interval_s": 2.0,
        "supervised": True,
        **({"registry_url": registry.url} if registry else {}),
    }
    return Settings(**values)  # type: ignore[arg-type]  # pydantic checks them


def _register(registry: SchemaRegistry) -> int:
    """Make the contract known, as the first producer would."""
    client = SchemaRegistryClient({"url": registry.url})
    schema = json.dumps(json.loads(schema_text("lineage_event.avsc")))
    return client.register_schema("lineage.events-value", Schema(schema, "AVRO"))
