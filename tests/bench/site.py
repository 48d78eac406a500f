"""What the cases are measured on: one Kafka for all, a Valkey for each case, real workers in processes of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, cast
from urllib.error import URLError

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from processor import topics, wiring
from processor.index.redis import RedisStore
from processor.local import KafkaCluster, Valkey
from processor.settings import Settings
from processor.settings_sources import environment_for_child
from tests.bench.company import Sent
from tests.bench.yardstick import Spent, Task
from tests.support.indexing import Running

PARTITIONS = 4
_TICKS = os.sysconf("SC_CLK_TCK")
_LOOK_S = 0.01
_GUARD_S = 900.0

Ranges = Mapping[int, tuple[int, int]]
"""By partition, from which offset until which."""


class Cost(NamedTuple):
    """CPU of the workers, CPU of the store's server, and wall time, in µs an event."""

    cpu_us: float
    store_us: float
    wall_us: float


class Worker(Running):
    """A role in a process of its own."""

    @property
    def cpu_s(self) -> float:
        """The CPU that it has used so far, in its threads and in the kernel."""
        return cpu_s(self.process.pid)

    @property
    def rss_mb(self) -> float:
        """Its resident memory, in 10⁶ bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def samples(self, name: str) -> dict[str, float]:
        """A metric's samples, each by what stands in its braces."""
        lines = (line.rpartition(" ") for line in self.get("/metrics")[1].splitlines() if line.startswith(name + "{"))
        return {text[len(name) + 1 : -1]: float(value) for text, _, value in lines}

    def is_ready(self) -> bool:
        """Whether it says that it does its work; one that has ended does not, and `check` tells why."""
        with contextlib.suppress(URLError):
            return super().is_ready()
        return False

    def leave(self) -> None:
        """End in order: killed, it would keep its partitions until its session ends."""
        self.send(signal.SIGTERM)
        self.wait()

    def check(self) -> None:
        """Raise when it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"a worker ended with {self.process.returncode}:\n{self.text[-4000:]}")


def cpu_s(pid: int, *, ended_children: bool = False) -> float:
    """The CPU that a process has used, by the kernel's books: to 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if ended_children else 13])) / _TICKS


class Flood(NamedTuple):
    """What was let loose at once: where it stands, and how many records of how many bytes."""

    ranges: Ranges
    events: int
    bytes: int


@dataclass(slots=True)
class Room:
    """Topics, an index and a consumer group that nobody else uses."""

    settings: Settings
    valkey: Valkey
    _committed: Consumer
    _ends: dict[int, int] = field(default_factory=dict)

    @contextlib.contextmanager
    def worker(self, role: str = "indexer", **changed: object) -> Iterator[Worker]:
        """`lineage run --role …`, ready to work, killed at the end."""
        settings = self.settings.changed(**changed)
        with Worker(["run", "--role", role], environment_for_child(settings.to_environment())) as worker:
            until(worker.is_ready, worker)
            yield worker
            worker.leave()

    @contextlib.contextmanager
    def workers(self, count: int) -> Iterator[list[Worker]]:
        """So many indexers, each with partitions of its own."""
        with contextlib.ExitStack() as stack:
            found = [stack.enter_context(self.worker()) for _ in range(count)]
            until(lambda: all(each.metric("lineage_processor_assigned_partitions") for each in found), *found)
            yield found

    def measure(self, events: Iterable[Sent], *workers: Worker) -> tuple[Cost, Flood]:
        """What the workers, caught up by now, need for these events, which all turn up at once."""
        self.catch_up(*workers)
        with self.held(events) as flood:
            before = self._spent(workers)
        self.catch_up(*workers)
        after = self._spent(workers)
        return Cost(*(1e6 * (b - a) / flood.events for a, b in zip(before, after, strict=True))), flood

    def feed(self, events: Iterable[Sent], *workers: Worker) -> Flood:
        """Let the workers index these events, unmeasured."""
        return self.measure(events, *workers)[1]

    @contextlib.contextmanager
    def held(self, events: Iterable[Sent]) -> Iterator[Flood]:
        """Events in the topic that consumers see only at the end of this block: all at once."""
        producer = self._producer()
        producer.begin_transaction()
        flood = self._produce(producer, events)
        yield flood
        producer.commit_transaction(60)

    def catch_up(self, *workers: Worker) -> None:
        """Return once everything produced here is indexed and committed."""
        until(self._has_caught_up, *workers)

    def yardstick(self, flood: Flood, *, parses: bool = True) -> Cost:
        """Y2 over these records, Y1 without `parses`."""
        task = Task(self._bootstrap, self.settings.topics.events, dict(flood.ranges), parses)
        command = [sys.executable, "-m", "tests.bench.yardstick"]
        done = subprocess.run(command, input=msgspec.json.encode(task), capture_output=True, check=True)
        spent = msgspec.json.decode(done.stdout, type=Spent)
        return Cost(1e6 * spent.cpu_s / spent.events, 0, 1e6 * spent.wall_s / spent.events)

    @contextlib.contextmanager
    def store(self) -> Iterator[RedisStore]:
        """The index in this process."""
        with contextlib.closing(wiring.open_store(self.settings)) as store:
            yield store

    def store_bytes(self) -> int:
        """The memory that the server uses for its data."""
        with self.valkey.client() as client:
            return int(cast("dict[str, int]", client.info("memory"))["used_memory"])

    def has_caught_up(self, group: str) -> bool:
        """Whether a group of somebody else's has committed everything produced here."""
        with contextlib.closing(_asking(self.settings, group)) as asking:
            return self._is_committed(asking)

    def has_judged_all(self) -> bool:
        """Whether the alerters have seen every change through."""
        topic = self.settings.topics.changes
        with contextlib.closing(_asking(self.settings, self.settings.groups.alerter)) as asking:
            numbers = asking.list_topics(topic, 10).topics[topic].partitions
            partitions = [TopicPartition(topic, number) for number in numbers]
            ends = {each.partition: asking.get_watermark_offsets(each, 10)[1] for each in partitions}
            return all(max(0, each.offset) >= ends[each.partition] for each in asking.committed(partitions, 30))

    def dead_letters(self) -> int:
        """How many records somebody could not use."""
        topic = self.settings.topics.dead_letters
        numbers = self._committed.list_topics(topic, 10).topics[topic].partitions
        bounds = [self._committed.get_watermark_offsets(TopicPartition(topic, number), 10) for number in numbers]
        return sum(high - low for low, high in bounds)

    def close(self) -> None:
        """Give back the topics."""
        self._committed.close()
        names = self.settings.topics
        admin = AdminClient({"bootstrap.servers": self._bootstrap, "log_level": 4})
        gone = admin.delete_topics([names.events, names.changes, names.alerts, names.dead_letters])
        for each in gone.values():
            each.result(30)

    @property
    def _bootstrap(self) -> str:
        return self.settings.kafka["bootstrap.servers"]

    def _producer(self) -> Producer:
        config = {"bootstrap.servers": self._bootstrap, "transactional.id": self.settings.topics.events}
        more = {"transaction.timeout.ms": 300_000, "message.max.bytes": 50_000_000, "linger.ms": 5, "log_level": 4}
        producer = Producer({**config, **more})
        producer.init_transactions(60)
        return producer

    def _produce(self, producer: Producer, events: Iterable[Sent]) -> Flood:
        firsts, count, size = dict[int, int](), 0, 0

        def delivered(error: object, message: object) -> None:
            if error is not None:
                raise RuntimeError(f"not produced: {error}")
            at, offset = message.partition(), message.offset()  # type: ignore[attr-defined]
            firsts.setdefault(at, offset)
            self._ends[at] = offset + 1

        for each in events:
            while True:
                try:
                    producer.produce(self.settings.topics.events, each.value, each.key, on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
            count, size = count + 1, size + len(each.value)
        producer.flush(120)
        return Flood({at: (first, self._ends[at]) for at, first in firsts.items()}, count, size)

    def _has_caught_up(self) -> bool:
        return self._is_committed(self._committed)

    def _is_committed(self, asking: Consumer) -> bool:
        asked = [TopicPartition(self.settings.topics.events, number) for number in self._ends]
        if not asked:
            return True
        return all(each.offset >= self._ends[each.partition] for each in asking.committed(asked, 30))

    def _spent(self, workers: Sequence[Worker]) -> tuple[float, float, float]:
        store_s = cpu_s(self.valkey.process.pid)
        return sum(worker.cpu_s for worker in workers), store_s, time.perf_counter()


class Site:
    """Kafka, and rooms on it.

    `rounds`: how often a case is measured. `quick`: a tiny one, to see that it works. `large`: an index of 10⁷ too.
    """

    def __init__(self, kafka: KafkaCluster, rounds: int, *, quick: bool = False, large: bool = False) -> None:
        self.rounds = 1 if quick else rounds
        self.quick = quick
        self.large = large
        self._kafka = kafka
        self._made = 0

    def sized(self, count: int, quick: int = 200) -> int:
        """A number of events, or the number that does where it is quick."""
        return quick if self.quick else count

    @contextlib.contextmanager
    def room(self, *, partitions: int = PARTITIONS, **given: object) -> Iterator[Room]:
        """A room with a fresh index."""
        self._made += 1
        with Valkey() as valkey:
            settings = _settings(self._kafka.bootstrap, valkey.url, f"bench-{self._made}-", partitions, given)
            topics.create_topics(settings)
            room = Room(settings, valkey, _asking(settings))
            with contextlib.closing(room):
                yield room


class Living(Protocol):
    """What may end, though nobody asked it to."""

    def check(self) -> None:
        """Raise when it has ended."""


def until(holds: Callable[[], object], *workers: Living) -> None:
    """Return once it holds, which every worker has to live to see."""
    guard_s = time.monotonic() + _GUARD_S
    while not holds():
        for worker in workers:
            worker.check()
        if time.monotonic() > guard_s:
            raise RuntimeError("nothing comes of it")
        time.sleep(_LOOK_S)


def _asking(settings: Settings, group: str | None = None) -> Consumer:
    """A client that asks what a group has committed, and joins none."""
    group = group or settings.groups.indexer
    return Consumer({"bootstrap.servers": settings.kafka["bootstrap.servers"], "group.id": group})


def _settings(bootstrap: str, redis_url: str, prefix: str, partitions: int, given: Mapping[str, object]) -> Settings:
    names = {name: f"{prefix}{name}" for name in ("events", "changes", "alerts", "dead_letters")}
    values: dict[str, object] = {
        "redis_url": redis_url,
        "kafka": {"bootstrap.servers": bootstrap},
        "topics": {**names, "partitions": partitions},
        "groups": {"indexer": f"{prefix}indexer", "alerter": f"{prefix}alerter"},
        "http": {"indexer_port": 0, "alerter_port": 0, "api_port": 0},
        "log_format": "json",
        **given,
    }
    return Settings(**values)  # type: ignore[arg-type]  # pydantic checks them
