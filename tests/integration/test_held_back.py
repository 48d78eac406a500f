"""What is shown of an indexer that stands still: how far it falls behind, and how full Redis is."""

from __future__ import annotations

import msgspec

from processor.local import KafkaCluster, Valkey
from tests.support.indexing import World, encoded, pipelines
from tests.waiting import eventually

LAG = "lineage_processor_lag_messages"
EVENTS = encoded(pipelines(60))


def test_the_lag_grows_on_the_gauge_and_a_full_redis_is_seen_while_it_refuses_the_batch(
    kafka: KafkaCluster, topic_prefix: str
) -> None:
    with Valkey(settings={"maxmemory-policy": "noeviction"}) as server:
        world = World.make(kafka.bootstrap, server.url, topic_prefix)
        world.produce(EVENTS[:20])
        with world.process("run", "--role", "indexer") as running, server.client() as admin:
            assert eventually(lambda: world.behind() == 0 and running.is_ready()), running.text
            admin.config_set("maxmemory", "1mb")
            world.produce(EVENTS[20:])
            waiting = len(EVENTS[20:])
            assert eventually(lambda: running.metric(LAG) == waiting), running.text
            world.produce([b"more"] * 30)  # the partitions are paused: the consumer hears nothing of these
            assert eventually(lambda: running.metric(LAG) == waiting + 30), running.text
            assert eventually(lambda: running.metric("lineage_processor_redis_memory_ratio") > 1), running.text
            assert running.misses("redis")
            admin.config_set("maxmemory", "0")
            assert eventually(lambda: running.metric(LAG) == 0 and running.is_ready()), running.text
        assert world.digest() == world.oracle()


def test_who_has_stopped_taking_in_shows_all_that_waits(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> None:
    limit = {"share": 0.5, "records": 20, "rejected": 10}
    world = World.make(kafka.bootstrap, redis_url, topic_prefix, reject_limit=limit)
    with world.process("run", "--role", "indexer") as running:
        world.produce([msgspec.json.encode({"number": number}) for number in range(40)])
        assert eventually(lambda: running.misses("rejects")), running.text
        world.produce(EVENTS)
        assert eventually(lambda: running.metric(LAG) == world.behind() >= len(EVENTS)), running.text
