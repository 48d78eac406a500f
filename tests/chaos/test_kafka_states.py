"""Every state in which three brokers may be, one after the other, under one indexer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

import confluent_kafka.admin
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from processor.local import KafkaCluster, Valkey
from tests.support.indexing import Running, World, encoded, pipelines
from tests.waiting import eventually

EVENTS: Final = encoded(pipelines(6000, jobs=3000))
STEP: Final = 120
_untyped: Any = confluent_kafka.admin
"""Its stubs leave out what they should show."""


@dataclass(slots=True)
class Stage:
    """Three brokers, and an indexer that reads from them."""

    kafka: KafkaCluster
    world: World
    indexer: Running
    admin: AdminClient
    fed: int = 0

    def feed(self) -> None:
        """Some more events, with schemas that were not seen before: there is always something to announce."""
        self.world.produce(EVENTS[self.fed : self.fed + STEP])
        self.fed += STEP

    def leader(self, topic: str, partition: int = 0) -> int:
        """The broker that leads a partition, by its place in the cluster; waits for one that does."""
        found = list[int]()

        def asked() -> bool:
            with contextlib.suppress(KafkaException, KeyError):
                found.append(int(self.admin.list_topics(topic, 10).topics[topic].partitions[partition].leader) - 1)
            return bool(found) and found[-1] >= 0

        assert eventually(asked)
        return found[-1]

    def in_sync(self, *topics: str) -> int:
        """The fewest replicas in sync of any partition of these, or of any topic; 0 while nobody answers."""
        with contextlib.suppress(KafkaException):
            told = self.admin.list_topics(timeout=10).topics
            of = (each for name in topics or told for each in told[name].partitions.values())
            return min((len(each.isrs) for each in of), default=0)
        return 0

    def configure(self, topic: str, **entries: str) -> None:
        """Change settings of a topic."""
        kind, set_ = _untyped.ConfigResource.Type.TOPIC, _untyped.AlterConfigOpType.SET
        named = {name.replace("_", "."): value for name, value in entries.items()}
        changes = [_untyped.ConfigEntry(name, value, incremental_operation=set_) for name, value in named.items()]
        [done] = self.admin.incremental_alter_configs(
            [_untyped.ConfigResource(kind, topic, incremental_configs=changes)]
        ).values()
        done.result(30)


@pytest.fixture(scope="module")
def stage(valkey: Valkey) -> Iterator[Stage]:
    with KafkaCluster(brokers=3) as kafka:
        # The coordinator of the group may be on the broker that falls, and is some seconds away then.
        patient = {"session.timeout.ms": "45000"}
        world = World.make(
            kafka.bootstrap, valkey.url, "brokers-", batch_size=20, redis_prefix="brokers", kafka=patient
        )
        with world.process("run", "--role", "indexer") as indexer:
            made = Stage(kafka, world, indexer, AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0}))
            made.feed()
            assert eventually(indexer.is_ready), indexer.text
            assert_whole(made)
            yield made


def assert_whole(stage: Stage) -> None:
    """Everything is committed, the index is the oracle's, and nothing waits to be announced."""
    world = stage.world
    assert eventually(lambda: world.behind() == 0), stage.indexer.text
    assert eventually(stage.indexer.is_ready), stage.indexer.text
    assert eventually(lambda: world.outbox() == 0), stage.indexer.text
    assert world.digest() == world.oracle()
    assert world.dead_letters() == []


@contextlib.contextmanager
def without_enough_replicas(stage: Stage) -> Iterator[None]:
    """NOT_ENOUGH_REPLICAS on announce."""
    changes = stage.world.settings.topics.changes
    stage.configure(changes, min_insync_replicas="3")
    victim = stage.leader(changes)
    stage.kafka.kill(victim)
    assert eventually(lambda: stage.in_sync(changes) == 2)
    yield
    stage.kafka.restart(victim)
    assert eventually(lambda: stage.in_sync() == 3)
    stage.configure(changes, min_insync_replicas="2")


@contextlib.contextmanager
def with_changes_too_large(stage: Stage) -> Iterator[None]:
    """MSG_SIZE_TOO_LARGE on announce."""
    changes = stage.world.settings.topics.changes
    stage.configure(changes, max_message_bytes="100")
    yield
    stage.configure(changes, max_message_bytes="10000000")


State = Callable[[Stage], AbstractContextManager[None]]
STATES: Final[dict[str, State]] = {
    "NOT_ENOUGH_REPLICAS": without_enough_replicas,
    "MSG_SIZE_TOO_LARGE": with_changes_too_large,
}


@pytest.mark.parametrize("name", STATES)
def test_it_waits_and_goes_on(stage: Stage, name: str) -> None:
    with STATES[name](stage):
        stage.feed()
        assert eventually(lambda: stage.indexer.misses("kafka")), stage.indexer.text
        assert stage.indexer.get("/livez")[0] == 200
        assert stage.world.behind() > 0
    assert_whole(stage)
    assert len(stage.indexer.logged("partitions assigned")) == 1


def test_a_leader_is_killed_and_another_takes_over(stage: Stage) -> None:
    events = stage.world.settings.topics.events
    victim = stage.leader(events)
    stage.feed()
    stage.kafka.kill(victim)
    stage.feed()
    assert_whole(stage)
    stage.kafka.restart(victim)
    assert eventually(lambda: stage.in_sync() == 3)


def test_every_broker_freezes_and_goes_on(stage: Stage) -> None:
    stage.feed()
    for broker in range(3):
        stage.kafka.pause(broker)
    assert eventually(lambda: stage.indexer.misses("kafka")), stage.indexer.text
    assert stage.indexer.get("/livez")[0] == 200
    for broker in range(3):
        stage.kafka.resume(broker)
    stage.feed()
    assert_whole(stage)
