"""The index made anew beside the live one, while it is read and written."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from processor import wiring
from processor.cli.clients import open_reader
from processor.index.digest import digest
from processor.index.generations import Generation, Generations
from processor.index.layout import bucket_of
from processor.index.memory import MemoryStore
from processor.index.store import Covered
from processor.index.view import View
from processor.indexer.records import Partition
from processor.local import KafkaCluster
from processor.model.errors import UsageError
from processor.model.identity import Kind
from processor.rebuild import Build, History, Plan
from tests.support.events import event, fill, jb
from tests.support.indexing import World, encoded, pipelines
from tests.waiting import eventually

PLAN = Plan(buckets=16, grace_s=0, batch_size=100)


@pytest.fixture
def world(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> World:
    return World.make(kafka.bootstrap, redis_url, topic_prefix, batch_size=100)


@contextmanager
def building(world: World, plan: Plan = PLAN) -> Iterator[Build]:
    settings = world.settings
    with open_reader(settings, group_id=settings.groups.indexer, enable_partition_eof=True) as consumer:
        history = History(consumer, [each.topic for each in settings.input_topics])
        stores, observers = wiring.generation_opener(settings), wiring.observers(settings)
        build = Build(plan, wiring.generations(settings), stores, history, observers)
        try:
            yield build
        finally:
            build.close()


def rebuilt(world: World) -> None:
    with building(world) as build:
        build.read_topics(lambda _told: None)
        build.go_live()
        build.clean_up()


def live(world: World) -> Generation:
    return wiring.generations(world.settings).live(64)


def generations_there(world: World) -> set[bytes]:
    with world.store() as store:
        return {name.split(b":")[2] for name in store.client.scan_iter(match="lineage:{b*")}


def test_the_new_index_is_the_old_one_in_its_own_buckets_and_nothing_is_announced(world: World) -> None:
    world.produce(encoded(pipelines(300)))
    world.catch_up()
    changes = len(world.changes())
    rebuilt(world)
    assert live(world) == Generation(2, 16)
    assert generations_there(world) == {b"g2"}
    world.produce(encoded(pipelines(320))[300:])
    before = world.oracle()
    world.catch_up()
    assert world.digest() == before
    assert world.outbox() == 0
    assert len(world.changes()) == changes


def test_a_year_is_the_same_whichever_partition_was_read_first(world: World) -> None:
    """Of two jobs of one bucket; one's year is read whole before the other's begins."""
    first, second = [f"job_{n}" for n in range(1000) if bucket_of(jb(f"job_{n}").id, 64) == 7][:2]
    days = [-24 * 60 * (365 - day) for day in range(0, 365, 3)]
    years = {job: [event(job, "COMPLETE", at, run=n) for n, at in enumerate(days)] for job in (first, second)}
    for job, events in years.items():
        world.produce(encoded(events), key=job.encode())
        world.catch_up()
    assert len({record.partition for record in world.sent}) == 2
    happened = MemoryStore()
    for at_once in zip(*years.values(), strict=True):
        fill(happened, *at_once)
    assert world.digest() == digest(happened)
    rebuilt(world)
    assert world.digest() == digest(happened)


def test_what_the_group_has_not_seen_through_is_left_to_the_indexers_and_announced_by_them(world: World) -> None:
    events = encoded(pipelines(200, jobs=100))
    world.produce(events[:100])
    world.catch_up()
    world.produce(events[100:])
    with building(world) as build:
        build.read_topics(lambda _told: None)
        behind = digest(build.store)
        build.go_live()
    assert behind != world.oracle()
    changes = len(world.changes())
    world.catch_up()
    assert world.digest() == world.oracle()
    assert len(world.changes()) > changes


def test_indexing_and_answering_go_on_meanwhile(world: World) -> None:
    events = encoded(pipelines(1200))
    world.produce(events[:600])
    answers: list[int] = []
    over = threading.Event()

    def ask() -> None:
        with world.store() as store:
            view = View(store)
            while not over.wait(0.01):
                view.refresh()
                answers.append(view.count(Kind.JOB))

    with world.process("run", "--role", "indexer") as running:
        assert eventually(lambda: world.behind() == 0), running.text
        reader = threading.Thread(target=ask)
        reader.start()
        with building(world, Plan(buckets=16, grace_s=5)) as build:
            world.produce(events[600:900])
            build.read_topics(lambda _told: None)
            world.produce(events[900:])
            build.go_live()
            build.clean_up()
        assert eventually(lambda: world.behind() == 0 and world.digest() == world.oracle()), running.text
        over.set()
        reader.join()
        assert running.logged("another generation of the index is live; reading on from where that stands")
        assert running.metric("lineage_processor_records_lost_total") == 0
    assert set(answers) == {40}
    assert world.outbox() == 0
    assert world.dead_letters() == []


def test_a_build_that_stopped_goes_on_where_it_was(world: World) -> None:
    world.produce(encoded(pipelines(400)))
    world.catch_up()

    def stop(_told: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), building(world) as build:
        build.read_topics(stop)
    assert live(world).number == 1
    read = list[int]()
    with building(world) as build:
        assert build.is_resumed
        assert build.generation.number == 2
        build.read_topics(lambda told: read.append(told.total))
        build.go_live()
    assert 0 < read[0] < 400
    assert world.digest() == world.oracle()


def test_a_build_that_stopped_can_be_dropped(world: World) -> None:
    world.produce(encoded(pipelines(100)))
    world.catch_up()
    with building(world) as build:
        build.read_topics(lambda _told: None)
    assert generations_there(world) == {b"g1", b"g2"}
    with world.process("rebuild", "--drop") as running:
        assert running.wait() == 0, running.text
    assert generations_there(world) == {b"g1"}
    assert world.digest() == world.oracle()


def test_what_was_dropped_meanwhile_does_not_become_the_live_index(world: World) -> None:
    world.produce(encoded(pipelines(20)))
    world.catch_up()
    with building(world) as build:
        build.read_topics(lambda _told: None)
        wiring.generations(world.settings).abandon()
        with pytest.raises(UsageError, match="dropped"):
            build.go_live()
    assert live(world).number == 1


def test_who_lost_the_right_to_build_gives_nobody_elses_back(world: World) -> None:
    generations = wiring.generations(world.settings)
    generations.hold("somebody else")
    generations.release("who was too slow")
    with pytest.raises(UsageError, match="somebody else"):
        generations.hold("another")


def test_nobody_judges_by_the_new_index_before_it_holds_what_the_old_one_held(world: World) -> None:
    world.produce(encoded(pipelines(60)))
    world.catch_up()
    ahead = {Partition(world.settings.topics.events, 0).key: Covered(0, 10_000)}
    with world.store() as store:
        store.apply({}, ahead)
    with building(world) as build:
        build.read_topics(lambda _told: None)
        build.go_live()
    with world.store() as store:
        assert not View(store).is_whole()


def test_only_one_builds_at_a_time(world: World) -> None:
    generations = wiring.generations(world.settings)
    generations.hold("somebody else")
    with pytest.raises(UsageError, match="somebody else"), building(world):
        pass


def test_files_bring_back_what_kafka_no_longer_retains(world: World, tmp_path: Path) -> None:
    archive = tmp_path / "archive.ndjson"
    events = encoded(pipelines(200))
    archive.write_bytes(b"\n".join(events))
    world.produce(events)
    world.catch_up()
    gone = TopicPartition(world.settings.topics.events, 0, 40)
    admin = AdminClient({"bootstrap.servers": world.settings.kafka["bootstrap.servers"]})
    for future in admin.delete_records([gone]).values():
        future.result()
    with world.process("rebuild", str(archive), "--grace", "0") as running:
        assert running.wait() == 0, running.text
        assert "200 events of files indexed" in running.text
    assert live(world).number == 2
    assert world.digest() == world.oracle()


def test_an_index_of_an_older_format_is_made_anew(world: World) -> None:
    world.produce(encoded(pipelines(50)))
    world.catch_up()
    with world.store() as store:
        store.client.hset("lineage:{meta}:index", "format", 1)
    with pytest.raises(UsageError, match="lineage rebuild"), world.store():
        pass
    rebuilt(world)
    assert world.digest() == world.oracle()


def test_nothing_of_another_prefix_is_dropped(world: World) -> None:
    with world.store() as store:
        other = Generations(store.client, "lineage-other")
        store.client.set("lineage-other:{b1}:g7:n:00", "x")
        store.client.set("lineage:{alerts}:alert:x", "x")
        rebuilt(world)
        assert store.client.exists("lineage-other:{b1}:g7:n:00", "lineage:{alerts}:alert:x") == 2
        assert other.building() is None
