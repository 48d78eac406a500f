"""What is paused while a dependency is away, and what of it a rebalance leaves paused: nothing."""

from __future__ import annotations

from confluent_kafka import Consumer

from processor.indexer.records import Partition
from processor.indexer.source import Source
from processor.kafka_config import consumer_config
from processor.local import KafkaCluster
from tests.support.indexing import World, encoded, pipelines
from tests.waiting import eventually


def joined(world: World) -> Source:
    config = consumer_config(world.settings)
    source = Source(lambda callbacks: Consumer({**config, **callbacks}), [world.settings.topics.events])
    source.subscribe()
    return source


def owns(source: Source, count: int) -> bool:
    source.fetch(100, 0.05)
    return len(source.owned) == count


def test_a_partition_that_went_while_held_and_came_back_is_read(
    kafka: KafkaCluster, redis_url: str, topic_prefix: str
) -> None:
    world = World.make(kafka.bootstrap, redis_url, topic_prefix)
    first, got = joined(world), set[Partition]()
    assert eventually(lambda: owns(first, 3))
    second = joined(world)

    def shared_while_held() -> bool:
        first.hold(0.05)
        return owns(second, 1) and len(first.owned) == 2

    def reads() -> bool:
        got.update(record.partition for record in first.fetch(100, 0.05).records)
        return len(got) == 3

    assert eventually(shared_while_held)
    assert owns(first, 2)
    second.close()
    assert eventually(lambda: owns(first, 3))
    world.produce(encoded(pipelines(100)))
    assert eventually(reads)
    first.close()
