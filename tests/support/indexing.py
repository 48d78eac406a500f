"""An indexer with topics of its own, and what a test wants to know of them."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self, cast
from urllib.error import HTTPError
from urllib.request import urlopen

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from processor import topics, wiring
from processor.index.digest import digest
from processor.index.memory import MemoryStore
from processor.index.redis import RedisStore
from processor.index.reduce import reduce
from processor.indexer.records import Partition, Record, sort
from processor.model.change import Change
from processor.model.codec import decode_change
from processor.settings import Settings
from processor.settings_sources import environment_for_child
from tests.support.events import Json, column_lineage, event, schema, table
from tests.support.processes import children, kill_all
from tests.waiting import GUARD_S, eventually

Headers = list[tuple[str, bytes | None]]


class Read(NamedTuple):
    """A record of a topic."""

    key: bytes | None
    value: bytes | None
    headers: Headers


def pipelines(count: int, *, jobs: int = 40) -> list[Json]:
    """Events of runs that start and complete, over a fixed set of jobs; every tenth run has a new schema."""
    return [_event(number, jobs) for number in range(count)]


def _event(number: int, jobs: int) -> Json:
    run, at_end = divmod(number, 2)
    name, version = run % jobs, run // (10 * jobs)
    columns = ("id:int", "amount:int", f"extra_{version}:string")
    source, target = f"raw.t{name}", f"marts.t{name}"
    if not at_end:
        return event(f"job_{name}", "START", minutes=run, run=run, inputs=[table(source, schema=schema(*columns))])
    mapping = column_lineage({"amount": [(source, "amount")]})
    made = table(target, schema=schema(*columns), columnLineage=mapping)
    return event(f"job_{name}", "COMPLETE", minutes=run + 0.5, run=run, inputs=[table(source)], outputs=[made])


def encoded(values: Sequence[Json]) -> list[bytes]:
    """The events as they stand in Kafka."""
    return [msgspec.json.encode(value) for value in values]


@dataclass(slots=True)
class World:
    """Settings of one test, and a hand on its topics."""

    settings: Settings
    sent: list[Record] = field(default_factory=list)
    _transaction: Producer | None = None

    @classmethod
    def make(cls, bootstrap: str, redis_url: str, prefix: str, **given: object) -> World:
        """Settings with topics and groups that only this test uses; the topics are created."""
        kafka = {
            "bootstrap.servers": bootstrap,
            **cast("dict[str, str]", given.pop("kafka", {"session.timeout.ms": "6000"})),
        }
        names = {name: f"{prefix}{name}" for name in ("events", "changes", "alerts", "dead_letters")}
        values: dict[str, object] = {
            "redis_url": redis_url,
            "kafka": kafka,
            "topics": {**names, "partitions": 3},
            "groups": {"indexer": f"{prefix}indexer", "alerter": f"{prefix}alerter"},
            "http": {"indexer_port": 0, "alerter_port": 0, "api_port": 0},
            "api": {"port": 0},
            "log_format": "json",
            "shutdown_timeout_s": 20.0,
            **given,
        }
        world = cls(Settings(**values))  # type: ignore[arg-type]  # pydantic checks them
        topics.create_topics(world.settings)
        return world

    def produce(self, values: Sequence[bytes | None], headers: Headers | None = None, key: bytes | None = None) -> None:
        """Send records to the events topic and wait until they are there; spread over its partitions without `key`."""
        producer = self._transaction or self._producer()
        for number, value in enumerate(values):
            producer.produce(
                self.settings.topics.events,
                value,
                key=key or f"key-{number % 97}".encode(),
                headers=cast("list[tuple[str, str | bytes | None]]", headers or []),
                on_delivery=self._delivered,
            )
            producer.poll(0)
        assert producer.flush(GUARD_S) == 0

    @contextlib.contextmanager
    def transaction(self, *, commit: bool) -> Iterator[None]:
        """What is produced in here belongs to one transaction."""
        self._transaction = self._producer(**{"transactional.id": self.settings.topics.events})
        self._transaction.init_transactions(GUARD_S)
        self._transaction.begin_transaction()
        yield
        end = self._transaction.commit_transaction if commit else self._transaction.abort_transaction
        end(GUARD_S)
        self._transaction = None

    def _producer(self, **more: str) -> Producer:
        bootstrap = self.settings.kafka["bootstrap.servers"]
        return Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "message.max.bytes": 100_000_000, **more})

    def _delivered(self, error: object, message: Message) -> None:
        assert error is None, error
        _, timestamp_ms = message.timestamp()
        partition = Partition(message.topic() or "", message.partition() or 0)
        headers = cast("Headers", message.headers() or [])
        self.sent.append(
            Record(partition, message.offset() or 0, timestamp_ms * 1000, message.key(), message.value(), headers)
        )

    def oracle(self) -> str:
        """The digest of an index that was given everything at once, in memory."""
        store = MemoryStore()
        store.apply(reduce(sort(self.sent, wiring.observers(self.settings)).sourced, store.buckets))
        return digest(store)

    def digest(self) -> str:
        """The digest of the index in Redis."""
        with self.store() as store:
            return digest(store)

    def outbox(self) -> int:
        """How many changes wait for their confirmation."""
        with self.store() as store:
            return len(store.outbox())

    @contextlib.contextmanager
    def store(self) -> Iterator[RedisStore]:
        """The index in Redis."""
        store = wiring.open_store(self.settings)
        try:
            yield store
        finally:
            store.close()

    def read(self, topic: str) -> list[Read]:
        """Everything that is on a topic now."""
        return [
            Read(message.key(), message.value(), cast("Headers", message.headers() or []))
            for message in self.messages(topic)
        ]

    def messages(self, topic: str) -> list[Message]:
        """The same, as the client gives it."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.settings.kafka["bootstrap.servers"],
                "group.id": "reader",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 50,
            }
        )
        try:
            return list(_all(consumer, topic))
        finally:
            consumer.close()

    def dead_letters(self) -> list[Read]:
        """Everything on the dead-letter topic."""
        return self.read(self.settings.topics.dead_letters)

    def changes(self) -> list[Change]:
        """Everything on the changes topic."""
        return [decode_change(each.value or b"") for each in self.read(self.settings.topics.changes)]

    def behind(self) -> int:
        """How many records of the events topic are not committed yet."""
        topic, found = self.settings.topics.events, list[int]()
        consumer = Consumer(
            {
                "bootstrap.servers": self.settings.kafka["bootstrap.servers"],
                "group.id": self.settings.groups.indexer,
            }
        )

        def ask() -> bool:
            with contextlib.suppress(KafkaException):  # the group's coordinator is not always at hand at once
                found.append(_behind(consumer, topic))
            return bool(found)

        try:
            assert eventually(ask)
        finally:
            consumer.close()
        return found[0]

    def catch_up(self) -> None:
        """Index in this thread until everything is indexed that is in the topics now."""
        with self.indexing(until_caught_up=True) as thread:
            thread.join(GUARD_S)
            assert not thread.is_alive(), "not caught up"

    @contextlib.contextmanager
    def indexing(self, *, until_caught_up: bool = False) -> Iterator[threading.Thread]:
        """An indexer in a thread, stopped in order at the end."""
        stop, failures = threading.Event(), list[BaseException]()

        def work() -> None:
            try:
                with self.store() as store:
                    indexer = wiring.indexer(self.settings, store, wiring.indexer_health(self.settings), stop)
                    indexer.run(indexer.goal() if until_caught_up else None)
            except BaseException as error:  # noqa: BLE001  told to the test below
                failures.append(error)

        thread = threading.Thread(target=work, name="indexer")
        thread.start()
        try:
            yield thread
        finally:
            if not until_caught_up:
                stop.set()
            thread.join(GUARD_S)
            stop.set()
            thread.join(GUARD_S)
        assert not failures, failures

    @contextlib.contextmanager
    def process(self, *arguments: str) -> Iterator[Running]:
        """`lineage …` with these settings in a process of its own, killed at the end if it still runs."""
        with Running(arguments, environment_for_child(self.settings.to_environment())) as running:
            yield running


class Running:
    """A process of the processor, and what it has logged."""

    def __init__(self, arguments: Sequence[str], environment: dict[str, str]) -> None:
        command = [sys.executable, "-X", "faulthandler", "-m", "processor", *arguments]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    @property
    def log(self) -> list[Json]:
        """The structured lines that it has logged so far."""
        return [json.loads(line) for line in list(self._lines) if line.startswith("{")]

    @property
    def text(self) -> str:
        """All that it has written to standard error so far."""
        return "".join(self._lines)

    def logged(self, said: str) -> list[Json]:
        """The lines that say this."""
        return [line for line in self.log if line["event"] == said]

    @property
    def url(self) -> str:
        """Where it serves health and metrics; waits for it to say so."""
        assert eventually(lambda: bool(self.logged("serving health and metrics"))), self.text
        return str(self.logged("serving health and metrics")[0]["url"])

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of an answer."""
        try:
            with urlopen(f"{self.url}{path}", timeout=60) as answer:  # noqa: S310  it is our own
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def is_ready(self) -> bool:
        """Whether it says that it does its work; who does not answer yet does not."""
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False

    def misses(self, condition: str) -> bool:
        """Whether it says that it is not ready for want of this."""
        status, body = self.get("/readyz")
        return status == 503 and condition in json.loads(body)["missing"]

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        lines = [line for line in self.get("/metrics")[1].splitlines() if line.split("{")[0].split(" ")[0] == name]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self, guard_s: float = GUARD_S) -> int:
        """Wait for its end and return its exit code; who does not end says where each of its threads stands."""
        try:
            code = self.process.wait(guard_s)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait(guard_s)
            self._reader.join(10)
            raise AssertionError(f"it did not end in {guard_s} s:\n{self.text}") from None
        self._reader.join(10)
        return code

    def end(self) -> None:
        """Kill it if it still runs, and what it has started, which would write into what the next test has emptied."""
        started = children(self.process.pid) if self.process.poll() is None else set[int]()
        self.process.kill()
        self.process.wait()
        kill_all(started)
        self._reader.join(10)
        if self.process.stderr:
            self.process.stderr.close()

    def _read(self) -> None:
        for line in self.process.stderr or ():
            self._lines.append(line.decode("utf-8", "replace"))


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    """Raises `KafkaException` while the broker that answers does not know the topic: it has none then."""
    told = consumer.list_topics(topic, 10).topics[topic]
    if told.error is not None:
        raise KafkaException(told.error)
    return list(told.partitions)


def _behind(consumer: Consumer, topic: str) -> int:
    partitions = [TopicPartition(topic, number) for number in _partitions(consumer, topic)]
    committed = consumer.committed(partitions, 10)
    ends = [consumer.get_watermark_offsets(each, 10)[1] for each in partitions]
    return sum(end - max(0, each.offset) for end, each in zip(ends, committed, strict=True))


def bounds_of(consumer: Consumer, topic: str) -> dict[int, tuple[int, int]]:
    """Where each partition begins and ends; asked again while a broker that is hard pressed leads nothing."""
    found = list[dict[int, tuple[int, int]]]()

    def ask() -> bool:
        with contextlib.suppress(KafkaException):
            numbers = _partitions(consumer, topic)
            found.append({n: consumer.get_watermark_offsets(TopicPartition(topic, n), 10) for n in numbers})
        return bool(found)

    assert eventually(ask)
    return found[0]


def _all(consumer: Consumer, topic: str) -> Iterator[Message]:
    bounds = bounds_of(consumer, topic)
    left = {n for n, (low, high) in bounds.items() if high > low}
    consumer.assign([TopicPartition(topic, n, bounds[n][0]) for n in left])
    guard_s = time.monotonic() + GUARD_S
    while left:
        assert time.monotonic() < guard_s, f"{topic} does not come to its end"
        for message in consumer.consume(1000, 0.1):
            if message.error() is not None:  # a leader is on its way; what follows comes all the same
                continue
            yield message
            if (message.offset() or 0) + 1 >= bounds[message.partition() or 0][1]:
                left.discard(message.partition() or 0)
