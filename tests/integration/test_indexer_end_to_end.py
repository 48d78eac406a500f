"""The indexer on a real Kafka and a real Valkey: what goes in, and what comes out at each of its ends."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter

import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]  # it ships no types
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy  # type: ignore[import-untyped]

from processor.index.progress import decode_progress
from processor.indexer import chores
from processor.indexer.progress import Tracker
from processor.local import KafkaCluster
from processor.model.change import ItemKind
from tests.support.events import event, facet, fill, observe, schema, table
from tests.support.indexing import World, encoded, pipelines
from tests.waiting import eventually

GARBAGE: list[tuple[bytes | None, str]] = [
    (None, "null"),
    (b"", "empty"),
    (b"{", "not_json"),
    (b"[1, 2]", "not_json"),
    (b'{"eventTime": "yesterday"}', "contract"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01", "unknown_format"),
    (b"GET / HTTP/1.1\r\n\r\n", "unknown_format"),
    (b"Obj\x01 is how an Avro container starts", "bad_avro"),
    (b"\xc3\x01" + b"\x07" * 20, "unknown_schema"),
    (b"\x00\x00\x00\x00\x2a\x02\x04", "unknown_schema"),
]


@pytest.fixture
def world(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> World:
    return World.make(kafka.bootstrap, redis_url, topic_prefix)


def test_everything_is_indexed_and_committed_once_caught_up(world: World) -> None:
    world.produce(encoded(pipelines(600)))
    world.catch_up()
    assert world.digest() == world.oracle()
    assert world.behind() == 0
    assert world.outbox() == 0
    assert world.dead_letters() == []


def test_bad_records_go_to_the_dead_letters_and_good_ones_to_the_index(world: World) -> None:
    good = encoded(pipelines(50))
    bad = [value for value, _ in GARBAGE]
    world.produce([*bad[:5], *good, *bad[5:]])
    world.catch_up()
    letters = world.dead_letters()
    assert Counter(letter.value for letter in letters) == Counter(bad)
    reasons = {letter.value: dict(letter.headers)["lineage.reason"] for letter in letters}
    assert reasons == {value: reason.encode() for value, reason in GARBAGE}
    assert world.digest() == world.oracle()
    assert world.behind() == 0


def test_a_dead_letter_is_its_record_byte_for_byte(world: World) -> None:
    headers = [("trace", b"\xff\x00\x80"), ("trace", b"again"), ("nothing", None), ("empty", b"")]
    world.produce([b"\x80\x04garbage"], headers=list(headers))
    world.catch_up()
    [letter], [sent] = world.dead_letters(), world.sent
    assert (letter.key, letter.value) == (b"key-0", b"\x80\x04garbage")
    assert letter.headers[: len(headers)] == headers
    added = dict(letter.headers[len(headers) :])
    assert added == {
        "__connect.errors.topic": sent.partition.topic.encode(),
        "__connect.errors.partition": str(sent.partition.number).encode(),
        "__connect.errors.offset": str(sent.offset).encode(),
        "__connect.errors.stage": b"DECODE",
        "__connect.errors.class.name": b"processor.decode",
        "__connect.errors.exception.class.name": b"processor.model.errors.Rejected",
        "__connect.errors.exception.message": added["__connect.errors.exception.message"],
        "lineage.reason": b"unknown_format",
        "lineage.stage": b"decode",
        "lineage.pointer": b"",
        "lineage.attempt": b"1",
        "lineage.timestamp": str((sent.timestamp_us or 0) // 1000).encode(),
    }
    assert added["__connect.errors.exception.message"]


class _NotUtf8(str):
    """A header's name that a proper client would not write; a broker takes it all the same."""

    __slots__ = ()

    def encode(self, *_: object, **__: object) -> bytes:
        return b"\xff\xfe"


async def _produce_bad_header(bootstrap: str, topic: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(topic, b"value", b"key", partition=0, headers=[(_NotUtf8("x"), b"1")])


def test_a_header_whose_name_is_not_utf8_costs_its_record_only(
    world: World, kafka: KafkaCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("message_accumulator", "producer"):  # the writer in C encodes names by itself
        monkeypatch.setattr(f"aiokafka.producer.{module}.DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
    good = encoded(pipelines(100))
    world.produce(good[:50])
    asyncio.run(_produce_bad_header(kafka.bootstrap, world.settings.topics.events))
    world.produce(good[50:])
    world.catch_up()
    [letter] = world.dead_letters()
    told = dict(letter.headers)
    assert (letter.key, letter.value) == (b"key", b"value")
    assert (told["lineage.reason"], told["lineage.stage"]) == (b"bad_headers", b"consume")
    assert told["lineage.headers"] == b"lost"
    assert told["__connect.errors.topic"] == world.settings.topics.events.encode()
    assert world.digest() == world.oracle()
    assert world.behind() == 0


def test_an_event_that_breaks_the_contract_says_where(world: World) -> None:
    broken = event() | {"outputs": [table("ok"), {"namespace": "n", "name": 7, "facets": {}}]}
    world.produce(encoded([broken]))
    world.catch_up()
    [letter] = world.dead_letters()
    assert dict(letter.headers)["lineage.pointer"] == b"/outputs/1/name"


def test_a_broken_facet_costs_the_facet_and_not_the_event(world: World) -> None:
    broken = event(outputs=[table("kept", schema={"fields": "not a list"}, ownership={"owners": []})])
    world.produce(encoded([broken]))
    world.catch_up()
    assert world.dead_letters() == []
    assert world.digest() == world.oracle()
    assert observe(broken).problems


def test_what_became_different_is_announced_keyed_by_its_node(world: World) -> None:
    before = event("load", run=1, outputs=[table("orders", schema=schema("id", "amount"))])
    after = event("load", run=2, minutes=5, outputs=[table("orders", schema=schema("id"))])
    world.produce(encoded([before]))
    world.catch_up()
    world.produce(encoded([after]))
    world.catch_up()
    drifts = [
        (change.node, item)
        for change in world.changes()
        for item in change.items
        if item.kind is ItemKind.SCHEMA_CHANGED and item.schema and item.schema.from_fingerprint
    ]
    [(node, item)] = drifts
    assert item.schema
    assert [(column.path, column.change.value) for column in item.schema.columns] == [("amount", "REMOVED")]
    assert item.cause.place is not None
    assert str(node).encode() in {read.key for read in world.read(world.settings.topics.changes)}


def test_a_known_event_announces_nothing(world: World) -> None:
    world.produce(encoded(pipelines(80)))
    world.catch_up()
    announced = len(world.changes())
    world.produce(encoded(pipelines(80)))
    world.catch_up()
    assert announced > 0
    assert len(world.changes()) == announced


def test_progress_is_published_for_each_partition(world: World) -> None:
    world.produce(encoded(pipelines(300)))
    world.catch_up()
    with world.store() as store:
        published = {name: decode_progress(data) for name, data in store.progress().items()}
    assert set(published) == {record.partition.key for record in world.sent}
    assert {each.lag for each in published.values()} == {0}
    newest_us = max(observe(json.loads(record.value or b"")).time_us for record in world.sent)
    assert max(each.watermark_us for each in published.values()) == newest_us


def test_how_far_it_came_is_told_at_the_end_though_it_was_told_just_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing makes it tell meanwhile: neither the time nor the end of a partition, which may be seen too late."""
    advance = Tracker.advance
    monkeypatch.setattr(chores, "_PROGRESS_S", 3600.0)
    monkeypatch.setattr(Tracker, "advance", lambda *noted: advance(*noted) and False)
    world.produce(encoded(pipelines(300)))
    world.catch_up()
    with world.store() as store:
        published = [decode_progress(data) for data in store.progress().values()]
    assert [(each.lag, each.watermark_us > 0) for each in published] == [(0, True)] * 3
    assert sum(each.position for each in published) == 300


def test_two_members_share_the_work_and_the_index_is_the_same(world: World) -> None:
    world.produce(encoded(pipelines(400)))
    with world.indexing():
        assert eventually(lambda: world.behind() < 400)
        with world.indexing():
            world.produce(encoded(pipelines(1200)))
            assert eventually(lambda: world.behind() == 0)
        world.produce(encoded(pipelines(1600)))
        assert eventually(lambda: world.behind() == 0)
    assert world.digest() == world.oracle()
    assert world.outbox() == 0


def test_several_inputs_each_with_its_format(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> None:
    plain, strict = f"{topic_prefix}events", f"{topic_prefix}strict"
    world = World.make(kafka.bootstrap, redis_url, topic_prefix, inputs=f"{plain}, {strict}=openlineage", batch_size=10)
    world.produce(encoded(pipelines(30)))
    other = World(world.settings.changed(topics=world.settings.topics.model_copy(update={"events": strict})))
    other.produce([*encoded(pipelines(60)), b"Obj\x01"])
    world.catch_up()
    world.sent += other.sent
    assert world.digest() == world.oracle()
    assert [letter.value for letter in world.dead_letters()] == [b"Obj\x01"]


def test_the_newer_group_protocol(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> None:
    world = World.make(kafka.bootstrap, redis_url, topic_prefix, group_protocol="consumer", kafka={})
    world.produce(encoded(pipelines(300)))
    with world.indexing(), world.indexing():
        assert eventually(lambda: world.behind() == 0)
        world.produce(encoded(pipelines(600)))
        assert eventually(lambda: world.behind() == 0)
    assert world.digest() == world.oracle()


def test_only_committed_transactions_count_and_their_markers_are_no_lag(world: World) -> None:
    with world.transaction(commit=True):
        world.produce(encoded(pipelines(40)))
    kept = list(world.sent)
    with world.transaction(commit=False):
        world.produce(encoded(pipelines(80))[40:])
    world.sent = kept
    world.catch_up()
    assert world.behind() == 0
    assert world.digest() == world.oracle()


def test_what_a_dead_worker_left_in_the_outbox_is_published(world: World) -> None:
    with world.store() as store:
        left = fill(store, *pipelines(20))
    assert world.outbox() == len(left) > 0
    world.catch_up()
    assert world.outbox() == 0
    assert len({change.change_id for change in world.changes()}) == len(left)


def test_a_large_record_is_carried_and_one_that_is_too_large_is_a_dead_letter(
    kafka: KafkaCluster, redis_url: str, topic_prefix: str
) -> None:
    world = World.make(kafka.bootstrap, redis_url, topic_prefix, max_value_bytes=6_000_000)
    large = event(outputs=[table("big", notes=facet(text=random.Random(1).randbytes(2_000_000).hex()))])
    too_large = random.Random(2).randbytes(9_000_000)
    world.produce([*encoded([large]), too_large])
    world.catch_up()
    [letter] = world.dead_letters()
    assert letter.value == too_large
    assert dict(letter.headers)["lineage.reason"] == b"too_large"
    assert world.digest() == world.oracle()
