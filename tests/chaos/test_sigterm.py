"""Each role is asked to end under load: it ends by itself (exit 0: nobody had to force it), and nothing is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

import pytest
from confluent_kafka import Consumer, TopicPartition

from processor.local import KafkaCluster
from tests.support.indexing import Running, World, encoded, pipelines
from tests.waiting import eventually


@pytest.fixture
def world(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> World:
    return World.make(kafka.bootstrap, redis_url, topic_prefix)


def ended(running: Running) -> None:
    running.send(signal.SIGTERM)
    assert running.wait() == 0, running.text


def committed(world: World, group: str, topic: str) -> tuple[int, int]:
    """How many records of a topic a group has behind it, and how many it has before it."""
    consumer = Consumer({"bootstrap.servers": world.settings.kafka["bootstrap.servers"], "group.id": group})
    try:
        partitions = [TopicPartition(topic, number) for number in range(world.settings.topics.partitions)]
        done = {each.partition: max(0, each.offset) for each in consumer.committed(partitions, timeout=30)}
        ends = {each.partition: consumer.get_watermark_offsets(each, timeout=30)[1] for each in partitions}
        return sum(done.values()), sum(end - done[number] for number, end in ends.items())
    finally:
        consumer.close()


def test_an_indexer_in_the_middle_of_a_backlog(world: World) -> None:
    world = World(world.settings.changed(batch_size=10))
    events = encoded(pipelines(5000))
    world.produce(events[:2500])
    with world.process("run", "--role", "indexer") as running:
        assert eventually(lambda: running.metric("lineage_processor_events_total") > 0)
        running.send(signal.SIGTERM)
        world.produce(events[2500:])  # it may have been at its end
        assert running.wait() == 0, running.text
    done, open_ = committed(world, world.settings.groups.indexer, world.settings.topics.events)
    assert done > 0
    assert open_ > 0, "it was at its end already"
    with world.process("run", "--role", "indexer", "--until-caught-up") as running:
        assert running.wait() == 0, running.text
    assert world.digest() == world.oracle()
    assert world.outbox() == 0


def test_an_alerter_while_changes_come(world: World) -> None:
    topic, group = world.settings.topics.changes, world.settings.groups.alerter
    events = encoded(pipelines(4000, jobs=2000))
    with world.process("run", "--role", "indexer") as indexer, world.process("run", "--role", "alerter") as first:
        assert eventually(lambda: indexer.is_ready() and first.is_ready())
        world.produce(events[:1500])
        assert eventually(lambda: committed(world, group, topic)[0] > 0), first.text
        world.produce(events[1500:3000])
        ended(first)
        done, _ = committed(world, group, topic)
        world.produce(events[3000:])
        assert eventually(lambda: world.behind() == 0)
        with world.process("run", "--role", "alerter") as second:
            assert eventually(lambda: committed(world, group, topic)[1] == 0), second.text
            assert committed(world, group, topic)[0] > done
            assert second.logged("change.lost_to_sweep") == first.logged("change.lost_to_sweep") == []


@contextmanager
def senders(url: str, number: int) -> Iterator[list[str]]:
    """Clients that send one event after another until nobody takes them; gives the runs that were answered for."""
    taken, threads = list[str](), list[threading.Thread]()
    values = encoded(pipelines(100_000 // number))

    def send(mine: int) -> None:
        connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
        for value in values:
            marked = value.replace(b'"name":"job_', f'"name":"job_{mine}_'.encode(), 1)
            try:
                connection.request("POST", "/api/v1/lineage", marked, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, HTTPException):
                return
            if answer.status >= 300:
                return
            taken.append(marked.decode())

    threads = [threading.Thread(target=send, args=(mine,)) for mine in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield taken
    finally:
        for thread in threads:
            thread.join(60)


def test_the_api_while_events_come(world: World) -> None:
    with world.process("run", "--role", "api") as running:
        assert eventually(lambda: bool(running.logged("serving the API")) and running.is_ready()), running.text
        with senders(str(running.logged("serving the API")[0]["url"]), 4) as taken:
            assert eventually(lambda: len(taken) > 200)
            ended(running)
    there = {(each.value or b"").decode() for each in world.read(world.settings.topics.events)}
    assert {event for event in taken if event not in there} == set()
