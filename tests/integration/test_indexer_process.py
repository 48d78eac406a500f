"""`lineage run` as processes: signals, health, exit codes, supervision."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from processor import topics, wiring
from processor.local import KafkaCluster
from tests.support.indexing import Running, World, encoded, pipelines
from tests.support.processes import is_gone
from tests.waiting import eventually


@pytest.fixture
def world(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> World:
    return World.make(kafka.bootstrap, redis_url, topic_prefix)


def is_ready(running: Running) -> bool:
    return running.get("/readyz")[0] == 200


def checks(running: Running) -> int:
    """How often it has looked at its surroundings."""
    lines = running.get("/metrics")[1].splitlines()
    counts = [line for line in lines if line.startswith('lineage_processor_redis_operations_total{operation="ping"}')]
    return int(float(counts[0].rpartition(" ")[2])) if counts else 0


def test_until_caught_up_ends_by_itself_with_everything_committed(world: World) -> None:
    world.produce(encoded(pipelines(500)))
    with world.process("run", "--role", "indexer", "--until-caught-up") as running:
        assert running.wait() == 0, running.text
    assert world.behind() == 0
    assert world.digest() == world.oracle()


def test_until_caught_up_with_several_workers_and_a_pass_over_the_alerts(world: World) -> None:
    world.produce(encoded(pipelines(500)))
    with world.process("run", "--workers", "2", "--until-caught-up") as running:
        assert running.wait() == 0, running.text
        assert running.logged("alerts derived")
    assert world.behind() == 0
    assert world.digest() == world.oracle()


def test_terminated_in_the_middle_and_started_again_gives_the_same_index(world: World) -> None:
    world = World(world.settings.changed(batch_size=50))
    events = encoded(pipelines(4000))
    world.produce(events[:2000])
    with world.process("run", "--role", "indexer") as running:
        assert eventually(lambda: world.behind() < 2000)
        running.send(signal.SIGTERM)
        world.produce(events[2000:])  # it may have been at its end
        assert running.wait() == 0, running.text
    assert world.behind() > 0
    with world.process("run", "--role", "indexer", "--until-caught-up") as running:
        assert running.wait() == 0, running.text
        assert running.logged("waiting for a dependency") == []
    assert world.behind() == 0
    assert world.digest() == world.oracle()
    assert world.outbox() == 0


def test_health_and_metrics(world: World) -> None:
    world.produce([*encoded(pipelines(100)), b"garbage"])
    with world.process("run", "--role", "indexer") as running:
        assert eventually(lambda: is_ready(running)), running.text
        assert eventually(lambda: world.behind() == 0)
        assert running.get("/livez")[0] == 200
        assert json.loads(running.get("/readyz")[1]) == {"ready": True, "missing": {}}
        assert running.get("/nowhere")[0] == 404
        assert eventually(lambda: running.metric("lineage_processor_events_total") == 101)
        assert eventually(lambda: running.metric("lineage_processor_dead_letters_total") == 1)
        assert running.metric("lineage_processor_ready") == 1
        assert eventually(lambda: running.metric("lineage_processor_lag_messages") == 0)
        assert running.metric("lineage_processor_assigned_partitions") == 3
        assert running.metric("lineage_processor_stage_seconds_count") > 0
        assert running.metric("lineage_processor_redis_operations_total") > 0
        running.send(signal.SIGINT)
        assert running.wait() == 0, running.text


def test_a_topic_that_is_deleted_and_made_anew_is_read_from_its_start(world: World) -> None:
    admin, topic = wiring.kafka_admin(world.settings), world.settings.topics.events
    values = encoded(pipelines(600))
    world.produce(values[:150])
    with world.process("run", "--role", "indexer") as running:
        assert eventually(lambda: world.behind() == 0 and is_ready(running)), running.text
        assert eventually(lambda: checks(running) >= 2)  # the first one asked which topic it is
        admin.delete_topics([topic])[topic].result(30)
        assert eventually(lambda: topics.create_topics(world.settings) == [topic])
        world.produce(values[150:])
        assert eventually(lambda: world.digest() == world.oracle()), running.text
        assert eventually(lambda: world.behind() == 0 and is_ready(running)), running.text
        assert eventually(lambda: running.metric("lineage_processor_topics_recreated_total") == 1)
        admin.delete_topics([topic])[topic].result(30)
        assert eventually(lambda: topic in running.get("/readyz")[1]), running.text
        assert not is_ready(running)


def test_missing_topics_are_named_and_end_it(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> None:
    world = World.make(kafka.bootstrap, redis_url, topic_prefix)
    missing = world.settings.changed(topics=world.settings.topics.model_copy(update={"changes": f"{topic_prefix}gone"}))
    with World(missing).process("run", "--role", "indexer") as running:
        assert running.wait() == 2
        assert f"{topic_prefix}gone" in running.text
        assert "lineage topics create" in running.text


def test_topics_are_created_where_that_is_wished(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> None:
    world = World.make(kafka.bootstrap, redis_url, topic_prefix)
    wished = world.settings.changed(
        create_topics=True, topics=world.settings.topics.model_copy(update={"changes": f"{topic_prefix}new"})
    )
    with World(wished).process("run", "--role", "indexer", "--until-caught-up") as running:
        assert running.wait() == 0, running.text
    assert World(wished).changes() == []


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "LINEAGE_KAFKA__BOOTSTRAP_SERVERS"),
        ({"LINEAGE_KAFKA__BOOTSTRAP_SERVERS": "localhost:1"}, "LINEAGE_REDIS_URL"),
        ({"LINEAGE_REDISURL": "redis://localhost"}, "did you mean LINEAGE_REDIS_URL?"),
        (
            {
                "LINEAGE_KAFKA__BOOTSTRAP_SERVERS": "localhost:1",
                "LINEAGE_REDIS_URL": "redis://localhost:1",
                "LINEAGE_POLICY": "/nowhere/policy.yaml",
            },
            "LINEAGE_POLICY=/nowhere/policy.yaml",
        ),
    ],
)
@pytest.mark.parametrize("arguments", [("run",), ("run", "--role", "indexer")])
def test_wrong_settings_end_it_with_one_line(
    environment: dict[str, str], said: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    with Running(arguments, {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **environment}) as running:
        assert running.wait() == 2
        [line] = running.text.splitlines()
        assert said in line


def test_a_setting_that_librdkafka_does_not_know_ends_the_whole(world: World) -> None:
    wrong = world.settings.changed(kafka={**world.settings.kafka, "fetch.min.byte": "1"})
    with World(wrong).process("run") as running:
        assert running.wait() == 2
        assert "fetch.min.byte" in running.text


def test_a_worker_that_dies_is_started_again(world: World) -> None:
    with world.process("run", "--role", "indexer", "--workers", "2") as running:
        assert eventually(lambda: len(running.logged("started")) == 2), running.text
        os.kill(running.logged("started")[0]["pid"], signal.SIGKILL)
        assert eventually(lambda: len(running.logged("started")) == 3), running.text
        world.produce(encoded(pipelines(200)))
        assert eventually(lambda: world.behind() == 0), running.text
        running.send(signal.SIGTERM)
        assert running.wait() == 0, running.text
        assert all(is_gone(line["pid"]) for line in running.logged("started"))
    assert world.digest() == world.oracle()


def test_no_worker_outlives_its_supervisor(world: World) -> None:
    with world.process("run", "--workers", "2") as running:
        assert eventually(lambda: len(running.logged("serving health and metrics")) == 4), running.text
        pids = [line["pid"] for line in running.logged("started")]
        running.send(signal.SIGKILL)
        assert eventually(lambda: all(is_gone(pid) for pid in pids))
