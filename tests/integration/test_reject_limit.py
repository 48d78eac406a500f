"""A storm of bad records on real Kafka: the worker stops taking in, says why, and loses nothing by it."""

from __future__ import annotations

import json
import signal
from collections import Counter

import pytest

from processor.local import KafkaCluster
from tests.support.indexing import Running, World, encoded, pipelines
from tests.waiting import eventually

BAD = [b'{"eventTime": "tomorrow", "producer": "https://etl/7", "number": %d}' % number for number in range(1500)]


@pytest.fixture
def world(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> World:
    limit = {"share": 0.5, "records": 200, "rejected": 50}
    return World.make(kafka.bootstrap, redis_url, topic_prefix, batch_size=100, reject_limit=limit)


def rejects(running: Running) -> str:
    """Why it does not take in, as /readyz says it."""
    return str(json.loads(running.get("/readyz")[1])["missing"].get("rejects", ""))


def test_a_storm_of_bad_records_stops_the_intake_and_nothing_is_lost(world: World) -> None:
    good = encoded(pipelines(400))
    world.produce([*good[:300], *BAD[:20]])
    with world.process("run", "--role", "indexer") as running:
        assert eventually(lambda: world.behind() == 0 and running.get("/readyz")[0] == 200), running.text
        world.produce([*BAD[20:], *good[300:]])
        assert eventually(lambda: "contract" in rejects(running)), running.text
        assert running.get("/readyz")[0] == 503
        assert running.get("/livez")[0] == 200
        assert running.metric("lineage_processor_intake_stopped") == 1
        [said] = running.logged("intake stopped: too many records are rejected")
        assert (said["most_topic"], said["most_producer"]) == (world.settings.topics.events, "https://etl/7")
        assert said["share"] > 0.5
        # It took its batch to the end: what it rejected is in the dead letters, and committed.
        assert eventually(lambda: world.behind() == len(world.sent) - running.metric("lineage_processor_events_total"))
        assert len(world.dead_letters()) == running.metric("lineage_processor_dead_letters_total") < len(BAD)
        assert running.metric("lineage_processor_assigned_partitions") == 3
        running.send(signal.SIGTERM)
        assert running.wait() == 0, running.text
    left = world.behind()
    assert left > 1000
    with world.process("run", "--workers", "2", "--until-caught-up") as running:
        assert running.wait() == 4, running.text
    assert 0 < world.behind() < left
    relaxed = World(world.settings.changed(reject_limit=world.settings.reject_limit.model_copy(update={"share": 1.0})))
    with relaxed.process("run", "--role", "indexer", "--until-caught-up") as running:
        assert running.wait() == 0, running.text
    assert Counter(letter.value for letter in world.dead_letters()) == Counter(BAD)
    assert world.digest() == world.oracle()
    assert world.behind() == 0


def test_what_was_rejected_long_ago_and_is_only_read_again_stops_nothing(world: World) -> None:
    strict = World(world.settings.changed(batch_size=2000))
    relaxed = World(world.settings.changed(reject_limit=world.settings.reject_limit.model_copy(update={"share": 1.0})))
    strict.produce(BAD[:300])
    relaxed.catch_up()
    with world.store() as store:
        store.client.flushall()
    strict.produce(encoded(pipelines(100)))
    with strict.process("run", "--role", "indexer", "--until-caught-up") as running:
        assert running.wait() == 0, running.text
    assert strict.digest() == strict.oracle()
    assert Counter(letter.value for letter in world.dead_letters()) == Counter(BAD[:300])
