"""Members of the group that come, go, freeze and take each other's name: nothing is lost, and no late word counts."""

from __future__ import annotations

import json
import os
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from processor.indexer.points import Point
from processor.kafka_config import consumer_config
from processor.local import KafkaCluster, Valkey
from tests.support.events import Json
from tests.support.indexing import World, encoded, pipelines
from tests.support.mortal import index_on, running
from tests.waiting import eventually

PROTOCOLS = ("classic", "consumer")
BROKEN = 3


@pytest.fixture(params=PROTOCOLS)
def world(request: pytest.FixtureRequest, kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> World:
    protocol: str = request.param
    session = {"session.timeout.ms": "3000", "heartbeat.interval.ms": "300"} if protocol == "classic" else {}
    kafka_settings = {"bootstrap.servers": kafka.bootstrap, **session}
    return World.make(
        kafka.bootstrap, redis_url, topic_prefix, group_protocol=protocol, batch_size=40, kafka=kafka_settings
    )


class Log:
    """What a member has said."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / name

    def lines(self, event: str = "") -> list[Json]:
        text = self.path.read_text() if self.path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        told = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
        return [line for line in told if event in line["event"]]

    def has(self, event: str) -> bool:
        return bool(self.lines(event))


def named(world: World, name: str) -> World:
    return World(world.settings.changed(group_instance_id=name))


def patient(world: World) -> World:
    """With a session that nobody outstays who only starts slowly."""
    if world.settings.group_protocol == "consumer":  # there the broker says how long it is
        return world
    return World(world.settings.changed(kafka={**world.settings.kafka, "session.timeout.ms": "60000"}))


def end(member: BaseProcess) -> int:
    """Ask it to end, as an orchestrator does."""
    member.terminate()
    member.join(60)
    return member.exitcode or 0


def settled(world: World) -> bool:
    return world.behind() == 0 and world.outbox() == 0


def test_members_come_and_go_under_load(world: World, tmp_path: Path) -> None:
    logs = [Log(tmp_path, f"member-{number}") for number in range(3)]
    values = encoded(pipelines(1800))
    world.produce(values[:600])
    with running(logs[0].path, index_on, world.settings) as first:
        assert eventually(lambda: world.behind() < 600)
        with running(logs[1].path, index_on, world.settings), running(logs[2].path, index_on, world.settings) as third:
            assert eventually(lambda: logs[1].has("partitions assigned") and logs[2].has("partitions assigned"))
            world.produce(values[600:1200])
            assert end(first) == 0
            world.produce(values[1200:])
            third.kill()
            assert eventually(lambda: settled(world))
    assert world.digest() == world.oracle()
    assert world.dead_letters() == []
    late = [line for log in logs for line in log.lines("offsets were not committed")]
    assert [line for line in late if line["level"] != "info"] == []


@pytest.mark.parametrize("point", [Point.APPLIED, Point.COMMITTING])
def test_a_member_that_froze_is_replaced_and_its_late_word_does_no_harm(
    world: World, point: Point, tmp_path: Path
) -> None:
    frozen, other = Log(tmp_path, "frozen"), Log(tmp_path, "other")
    world.produce(encoded(pipelines(300)))
    with running(frozen.path, index_on, world.settings, point, 2, signal.SIGSTOP) as member:
        assert eventually(lambda: _is_stopped(member))
        with running(other.path, index_on, world.settings) as second:
            assert eventually(lambda: world.behind() == 0), other.lines()
            world.produce(encoded(pipelines(500))[300:])
            assert eventually(lambda: world.behind() == 0), other.lines()
            os.kill(member.pid or 0, signal.SIGCONT)
            assert eventually(lambda: frozen.has("partitions lost"))
            assert world.behind() == 0
            assert end(second) == 0
        world.produce(encoded(pipelines(700))[500:])
        assert eventually(lambda: settled(world)), frozen.lines()
        assert end(member) == 0
    assert world.digest() == world.oracle()
    assert world.dead_letters() == []
    assert all(line["level"] == "info" for line in frozen.lines("offsets were not committed"))


def test_a_member_that_waits_for_a_dependency_lets_go_of_what_others_take(world: World, tmp_path: Path) -> None:
    waiting = Log(tmp_path, "waiting")
    with Valkey() as own, own.client() as client:
        world = World(world.settings.changed(redis_url=own.url, redis_timeout_s=1.0))
        with running(waiting.path, index_on, world.settings) as member:
            assert eventually(lambda: waiting.has("partitions assigned"))
            client.config_set("maxmemory", "1mb")
            world.produce(encoded(pipelines(300)))
            assert eventually(lambda: waiting.has("waiting for a dependency"))
            visitor = Consumer(consumer_config(world.settings))
            visitor.subscribe([world.settings.topics.events])
            assert eventually(lambda: _reads(visitor)), waiting.lines()
            assert visitor.assignment()
            assert waiting.has("partitions revoked")
            visitor.close()
            client.config_set("maxmemory", "0")
            assert eventually(lambda: settled(world)), waiting.lines()
            assert end(member) == 0
        assert world.digest() == world.oracle()


def test_a_named_member_that_is_started_again_moves_no_partition(world: World, tmp_path: Path) -> None:
    one, other = Log(tmp_path, "one"), Log(tmp_path, "other")
    world = patient(world)
    world.produce(encoded(pipelines(200)))
    with running(other.path, index_on, named(world, "other").settings):
        assert eventually(lambda: other.has("partitions assigned"))
        with running(one.path, index_on, named(world, "one").settings) as member:
            assert eventually(lambda: one.has("partitions assigned") and settled(world))
            assert eventually(lambda: sum(len(line["partitions"]) for line in one.lines("partitions assigned")) > 0)
            before = len(other.lines("partitions "))
            assert end(member) == 0
        with running(one.path, index_on, named(world, "one").settings):
            assert eventually(lambda: len(one.lines("partitions assigned")) == 2)
            world.produce(encoded(pipelines(400))[200:])
            assert eventually(lambda: settled(world))
        assert len(other.lines("partitions ")) == before
    assert world.digest() == world.oracle()


def test_of_two_members_of_one_name_one_ends_and_says_why(world: World, tmp_path: Path) -> None:
    older, newer = Log(tmp_path, "older"), Log(tmp_path, "newer")
    settings = named(world, "twin").settings
    with running(older.path, index_on, settings) as first:
        assert eventually(lambda: older.has("partitions assigned"))
        with running(newer.path, index_on, settings) as second:
            assert eventually(lambda: not (first.is_alive() and second.is_alive()))
            gone, log = (second, newer) if first.is_alive() else (first, older)
            gone.join(10)
            assert gone.exitcode == BROKEN, log.lines()
            [why] = log.lines("ending, to start anew")
            assert "LINEAGE_GROUP_INSTANCE_ID" in why["error"]
            world.produce(encoded(pipelines(100)))
            assert eventually(lambda: settled(world))
    assert world.digest() == world.oracle()


def _reads(visitor: Consumer) -> bool:
    found = visitor.poll(0.1)
    return found is not None and found.error() is None


def _is_stopped(process: BaseProcess) -> bool:
    return Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "T"
