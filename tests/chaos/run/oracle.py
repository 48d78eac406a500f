"""What has to come out: everything that the brokers have, given at once to one index in memory, in one thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from processor import wiring
from processor.alerter.reconcile import reconcile
from processor.alerter.state import MemoryAlerts
from processor.detect.policy import Policy
from processor.index.announce import change_of
from processor.index.memory import MemoryStore
from processor.index.reduce import reduce
from processor.index.view import View
from processor.indexer.records import Headers, Partition, Record, sort
from processor.model.alert import Alert
from processor.model.change import Change, ItemKind
from processor.model.identity import Node
from processor.settings import Settings
from tests.chaos.run.records import MARK

_ADDED: Final = frozenset({ItemKind.NODE_ADDED, ItemKind.EDGE_ADDED})
_SILENT: Final = 60
_POLL_S: Final = 0.5

Origin = tuple[int, int]
"""Partition and offset of a record of the events topic."""


class News(NamedTuple):
    """Something that was not known before: announced at least once, whatever the batches were."""

    kind: ItemKind
    node: Node
    edge: tuple[str, Node, Node] | None


@dataclass(frozen=True, slots=True)
class Oracle:
    """What the events on the topic come to.

    `marked`: records that were sent to be bad; `rejected`: those that the decoder calls bad. `now_us`: the stream's
    time at its end.
    """

    records: dict[Origin, Record]
    store: MemoryStore
    marked: frozenset[Origin]
    rejected: frozenset[Origin]
    silent: int
    alerts: dict[str, Alert]
    news: frozenset[News]
    now_us: int
    bad_kinds: Counter[str]


def consult(settings: Settings) -> Oracle:
    """Read the events topic from its beginning to its end, and work out what follows."""
    records = read_topic(settings, settings.topics.events)
    result = sort(records, wiring.observers(settings))
    store, alerts = MemoryStore(), MemoryAlerts()
    entries = store.apply(reduce(result.sourced, store.buckets))
    now_us = max(result.watermarks_us.values(), default=0)
    reconcile(View(store), alerts, Policy(), now_us)
    marks = {origin_of(record): mark for record in records if (mark := _mark(record))}
    return Oracle(
        records={origin_of(record): record for record in records},
        store=store,
        marked=frozenset(marks),
        rejected=frozenset(origin_of(record) for record, _ in result.rejected),
        silent=result.silent,
        alerts=alerts.firing(),
        news=frozenset(news for entry in entries for news in news_of(change_of(entry, store))),
        now_us=now_us,
        bad_kinds=Counter(marks.values()),
    )


def pass_over(oracle: Oracle, firing: dict[str, Alert]) -> dict[str, Alert]:
    """What fires after one more pass over what the oracle knows, if this fired before."""
    alerts = MemoryAlerts()
    alerts.begin("oracle")
    for number, alert in enumerate(firing.values(), 1):
        alerts.restore("oracle", number, alert)
    alerts.finish("oracle", len(firing), {})
    reconcile(View(oracle.store), alerts, Policy(), oracle.now_us)
    return alerts.firing()


def news_of(change: Change) -> Iterator[News]:
    """What a change adds."""
    for item in change.items:
        if item.kind in _ADDED:
            edge = (item.edge.type.value, item.edge.src, item.edge.dst) if item.edge else None
            yield News(item.kind, change.node, edge)


def origin_of(record: Record) -> Origin:
    """Where a record stands."""
    return record.partition.number, record.offset


def read_topic(settings: Settings, topic: str) -> list[Record]:
    """Every record that the topic holds now."""
    bootstrap = settings.kafka["bootstrap.servers"]
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "chaos-oracle", "enable.auto.commit": False})
    try:
        bounds = _bounds(consumer, topic)
        return [_record(message) for message in _messages(consumer, bounds)]
    finally:
        consumer.close()


def _bounds(consumer: Consumer, topic: str) -> dict[TopicPartition, int]:
    numbers = consumer.list_topics(topic, 30).topics[topic].partitions
    found = {}
    for number in numbers:
        low, high = _ask_bounds(consumer, TopicPartition(topic, number))
        if high > low:
            found[TopicPartition(topic, number, low)] = high
    return found


def _ask_bounds(consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
    """Leaders may still be moving."""
    for _ in range(_SILENT):
        try:
            return consumer.get_watermark_offsets(partition, 2)
        except KafkaException:
            consumer.poll(_POLL_S)
    raise AssertionError(f"nobody tells where {partition} ends")


def _messages(consumer: Consumer, bounds: dict[TopicPartition, int]) -> Iterator[Message]:
    left, silent = {each.partition: high for each, high in bounds.items()}, 0
    consumer.assign(list(bounds))
    while left:
        messages = [message for message in consumer.consume(1000, _POLL_S) if message.error() is None]
        silent = 0 if messages else silent + 1
        assert silent < _SILENT, f"the end of partitions {sorted(left)} is not to be read"
        for message in messages:
            number, offset = message.partition() or 0, message.offset() or 0
            yield message
            if number in left and offset + 1 >= left[number]:
                del left[number]


def _record(message: Message) -> Record:
    _, timestamp_ms = message.timestamp()
    partition = Partition(message.topic() or "", message.partition() or 0)
    headers = cast("Headers", message.headers() or [])
    return Record(partition, message.offset() or 0, timestamp_ms * 1000, message.key(), message.value(), headers)


def _mark(record: Record) -> str:
    return next(((value or b"").decode() for name, value in record.headers if name == MARK), "")
