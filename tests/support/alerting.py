"""An alerter with topics and an index of its own, and what a test wants to know of them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from processor.alerter.redis_state import RedisAlerts
from processor.index.announce import change_of
from processor.index.connect import connect
from processor.index.progress import Progress, decode_progress, encode_progress
from processor.index.redis import RedisStore
from processor.local import KafkaCluster
from processor.model.alert import Alert
from processor.model.codec import decode_alert, encode_change
from tests.support.alerter_child import Child
from tests.support.events import Json, column_lineage, event, fill, observe, schema, table
from tests.support.indexing import bounds_of
from tests.waiting import GUARD_S, eventually

FULL = ("id:int", "amount:int")
DROPPED = ("id:int",)
LARGEST = 8 * 1024 * 1024


def ingest(minutes: float, *columns: str, dataset: str = "public.orders") -> Json:
    """A run that writes a dataset, and copies a column of it: to lose that column is critical, whatever time it is."""
    copy = table(f"{dataset}.copy", columnLineage=column_lineage({"amount": [(dataset, "amount")]}))
    outputs = [table(dataset, schema=schema(*columns)), copy]
    return event(f"ingest {dataset}", minutes=minutes, run=int(minutes), outputs=outputs)


def stage(minutes: float = 5) -> Json:
    mapping = column_lineage({"amount": [("public.orders", "amount")]})
    outputs = [table("staging.orders", schema=schema("amount"), columnLineage=mapping)]
    return event("stage", minutes=minutes, run=5, inputs=[table("public.orders")], outputs=outputs)


class Plant:
    """Topics, an index, and a way to start alerters."""

    def __init__(self, kafka: KafkaCluster, redis_url: str, prefix: str, folder: Path, *, topics: bool = True) -> None:
        self.child = Child(kafka.bootstrap, redis_url, prefix, redis_prefix=f"lineage-{prefix}")
        self.config = self.child.config()
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        self.store = RedisStore(connect(redis_url), self.child.redis_prefix)
        self.alerts = RedisAlerts(connect(redis_url), self.child.redis_prefix)
        self.admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
        servers: dict[str, str | int | float | bool] = {"bootstrap.servers": kafka.bootstrap, "log_level": 0}
        # The same partition for a key as Java's clients, and the alerter's, choose.
        own = {"linger.ms": 0, "message.max.bytes": LARGEST, "partitioner": "murmur2_random"}
        self.producer = Producer({**servers, **own})
        if topics:
            self.create_topics()

    def create_topics(self, **largest: int) -> None:
        """Create the topics; `largest`: what those of them take that take more or less than usual."""
        names = (self.config.changes_topic, self.config.alerts_topic, self.config.dead_letters_topic)
        limits = {f"{self.child.topic_prefix}{name.replace('_', '-')}": size for name, size in largest.items()}
        for name in names:
            self.create_topic(name, limits.get(name, LARGEST))

    def create_topic(self, name: str, largest: int = LARGEST) -> None:
        """Create one of the topics."""
        new = NewTopic(name, 2, 1, config={"max.message.bytes": str(largest)})
        self.admin.create_topics([new])[name].result()
        self.read(name)  # waits for its leaders

    def delete_topic(self, name: str) -> None:
        """Delete one, and return once it is gone."""
        self.admin.delete_topics([name])[name].result()
        self.wait(lambda: name not in self.admin.list_topics(timeout=GUARD_S).topics)

    def index(self, *events: Json) -> None:
        """Index events, publish what they changed and tell how far that is, as the indexer does."""
        self.tell(max(observe(value).time_us for value in events))
        for entry in fill(self.store, *events):
            change = change_of(entry, self.store)
            self.send(encode_change(change), str(change.node).encode())

    def tell(self, newest_us: int) -> None:
        """Tell that event time has come that far at least."""
        told = [decode_progress(data).watermark_us for data in self.store.progress().values()]
        reached_us = max([newest_us, *told])
        self.store.set_progress({b"t:0": encode_progress(Progress(reached_us, 0, reached_us))})

    def send(
        self, value: bytes | None, key: bytes | None = b"k", headers: list[tuple[str, bytes]] | None = None
    ) -> None:
        headers_given: Any = headers or []
        self.producer.produce(self.config.changes_topic, value, key, headers=headers_given)
        assert self.producer.flush(GUARD_S) == 0

    @contextmanager
    def alerter(self, **told: object) -> Iterator[subprocess.Popen[bytes]]:
        """A running alerter; it is ended when the block ends."""
        child = json.dumps(asdict(self.child) | told)
        command = [sys.executable, "-X", "faulthandler", "-m", "tests.support.alerter_child", child]
        with (self.folder / "alerter.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
            self._running.append(process)
            try:
                yield process
            finally:
                self._running.remove(process)
                process.kill()
                process.wait()

    def lose_alerts(self) -> None:
        """Let Redis lose the alerts, as a server does that keeps nothing."""
        client = connect(self.child.redis_url)
        client.delete(*client.scan_iter(f"{self.child.redis_prefix}:{{alerts}}:*"))

    def log(self) -> str:
        """The lines that have been written whole."""
        log = self.folder / "alerter.log"
        text = log.read_text() if log.exists() else ""
        return text[: text.rfind("\n") + 1]

    def waits(self, doing: str, event: str = "dependency.away") -> bool:
        told = (json.loads(line) for line in self.log().splitlines() if line.startswith("{"))
        return any(t["event"] == event and t["doing"] == doing for t in told)

    def read(self, topic: str) -> list[Message]:
        """All that a topic holds now."""
        consumer = Consumer(
            {"bootstrap.servers": self.child.bootstrap, "group.id": "reader", "enable.auto.commit": False}
        )
        try:
            ends = {number: end for number, (_, end) in bounds_of(consumer, topic).items()}
            consumer.assign([TopicPartition(topic, number, 0) for number in ends])
            found: list[Message] = []
            while len(found) < sum(ends.values()):
                found += [each for each in consumer.consume(100, timeout=0.2) if each.error() is None]
            return found
        finally:
            consumer.close()

    def published(self) -> list[Alert]:
        return [decode_alert(_value(m)) for m in self.read(self.config.alerts_topic)]

    def wait(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds; where it does not, what the alerters said and where their threads stand is told."""
        if eventually(holds):
            return
        for process in self._running:
            process.send_signal(signal.SIGABRT)
            process.wait(30)
        raise AssertionError(self.log()[-20_000:])

    def committed(self) -> int:
        """How many changes the group has committed."""
        consumer = Consumer({"bootstrap.servers": self.child.bootstrap, "group.id": self.config.group})
        try:
            parts = [TopicPartition(self.config.changes_topic, number) for number in range(2)]
            return sum(max(p.offset, 0) for p in consumer.committed(parts, timeout=30))
        finally:
            consumer.close()

    def produced(self) -> int:
        return len(self.read(self.config.changes_topic))


def _value(message: Message) -> bytes:
    value = message.value()
    assert isinstance(value, bytes)
    return value
