"""`make bench`: what an event costs the indexer, as a ratio to a consumer that merely parses it.

Real Kafka and Valkey, the full commit protocol. Yardsticks, measured in the same run on the same topic:
Y1 consumes in batches and drops, Y2 also parses each value with `orjson.loads`. CPU seconds count,
because machines are noisy. Results go to `build/bench/results.json`.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import orjson
from confluent_kafka import Consumer, TopicPartition
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from processor import wiring
from processor.local import KafkaCluster, Valkey
from processor.settings import Settings
from processor.telemetry.logs import configure
from tests.bench.generate import history
from tests.support.indexing import World

EVENTS = 10_000
JOBS = 500
ROUNDS = 3
RESULTS = Path("build/bench/results.json")
BATCH = 2000


class Cost(NamedTuple):
    """CPU of this process, CPU of the store's server, and wall time, in µs an event."""

    cpu_us: float
    store_us: float
    wall_us: float


class Case(NamedTuple):
    """One line of the table: costs of its rounds."""

    name: str
    costs: list[Cost]

    def median(self) -> float:
        """Median of the CPU, µs an event."""
        return statistics.median(cost.cpu_us for cost in self.costs)


class Result(NamedTuple):
    """One figure as `results.json` holds it. `must` and `aim` are upper marks, None where there is none."""

    name: str
    value: float
    unit: str
    must: float | None = None
    aim: float | None = None
    met: bool | None = None


class Bench:
    """One Kafka and one Valkey, and topics filled once."""

    def __init__(self, bootstrap: str, valkey: Valkey) -> None:
        self._bootstrap = bootstrap
        self._valkey = valkey
        self.fresh = self._world("fresh", history(EVENTS, JOBS, first_run=0))
        self.later = self._world("later", history(EVENTS, JOBS, first_run=EVENTS))

    def _world(self, name: str, values: Iterator[bytes]) -> World:
        world = World.make(self._bootstrap, self._valkey.url, f"bench-{name}-")
        world.produce(list(values))
        return world

    def consume(self, world: World, each: Callable[[bytes], object] | None) -> Cost:
        """A bare consumer over the topic; `each` is done with every value."""
        with self._measured() as cost:
            _read_all(world.settings, each)
        return cost[0]

    def index(self, world: World) -> Cost:
        """The indexer over the topic, from its start to its last commit."""
        groups = world.settings.groups.model_copy(update={"indexer": f"bench-{time.monotonic_ns()}"})
        settings = world.settings.changed(groups=groups)
        store = wiring.open_store(settings)
        indexer = wiring.indexer(settings, store, wiring.indexer_health(settings), threading.Event())
        goal = indexer.goal()
        with self._measured() as cost:
            indexer.run(goal)
        store.close()
        return cost[0]

    def empty(self) -> None:
        """Forget the index."""
        with self._valkey.client() as client:
            client.flushall()

    @contextmanager
    def _measured(self) -> Iterator[list[Cost]]:
        found: list[Cost] = []
        store, cpu, wall = self._store_cpu(), time.process_time(), time.perf_counter()
        yield found
        spent = (time.process_time() - cpu, self._store_cpu() - store, time.perf_counter() - wall)
        found.append(Cost(*(1e6 * seconds / EVENTS for seconds in spent)))

    def _store_cpu(self) -> float:
        with self._valkey.client() as client:
            info: dict[str, float] = client.info("cpu")
        return info["used_cpu_user"] + info["used_cpu_sys"]


def _read_all(settings: Settings, each: Callable[[bytes], object] | None) -> None:
    topic = settings.topics.events
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka["bootstrap.servers"],
            "group.id": "bench-yardstick",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 10,
            "fetch.wait.max.ms": 50,
        }
    )
    numbers = consumer.list_topics(topic, 10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in numbers])
    left = EVENTS
    while left:
        for message in consumer.consume(BATCH, 0.1):
            left -= 1
            if each is not None:
                each(message.value() or b"")
    consumer.close()


def measure(bench: Bench, progress: Progress) -> list[Case]:
    """Every case, round by round, so that a slow spell of the machine falls on all of them."""
    cases = {name: list[Cost]() for name in ("Y1 consume", "Y2 consume + orjson", "cold", "replay", "steady")}
    task = progress.add_task("measuring", total=ROUNDS * len(cases))
    for _ in range(ROUNDS):
        bench.empty()
        for name, costs in cases.items():
            costs.append(_one(bench, name))
            progress.advance(task)
    return [Case(name, costs) for name, costs in cases.items()]


def _one(bench: Bench, name: str) -> Cost:
    if name.startswith("Y"):
        return bench.consume(bench.fresh, orjson.loads if "orjson" in name else None)
    return bench.index(bench.later if name == "steady" else bench.fresh)


def results(cases: list[Case]) -> list[Result]:
    """Ratios to Y2 with their marks, and the store's share."""
    by_name = {case.name: case for case in cases}
    y2 = by_name["Y2 consume + orjson"].median()
    marks = {"steady": (1.2, 0.7), "cold": (5.0, 2.5), "replay": (1.0, 0.6)}
    ratios = (
        Result(f"{name}: CPU an event ÷ Y2's", by_name[name].median() / y2, "ratio", *marks[name]) for name in marks
    )
    stores = {"steady": (15.0, 5.0), "cold": (150.0, 60.0)}
    shares = (Result(f"{name}: store CPU an event", _store(by_name[name]), "µs", *stores[name]) for name in stores)
    return [
        result._replace(met=result.must is not None and result.value <= result.must) for result in (*ratios, *shares)
    ]


def _store(case: Case) -> float:
    return statistics.median(cost.store_us for cost in case.costs)


def show(console: Console, cases: list[Case], found: list[Result]) -> None:
    """Two tables: what was measured, and the ratios."""
    costs = Table(
        "case",
        "CPU µs an event: min",
        "median",
        "max",
        "store CPU",
        "wall",
        title=f"{EVENTS:,} events, {ROUNDS} rounds",
    )
    for case in cases:
        cpu = [cost.cpu_us for cost in case.costs]
        wall = statistics.median(cost.wall_us for cost in case.costs)
        figures = (min(cpu), case.median(), max(cpu), _store(case), wall)
        costs.add_row(case.name, *(f"{figure:.1f}" for figure in figures))
    console.print(costs)
    marks = Table("figure", "value", "must", "aim", "met", title="against the yardstick of the same run")
    for result in found:
        marks.add_row(
            result.name,
            f"{result.value:.2f} {result.unit}",
            str(result.must),
            str(result.aim),
            "yes" if result.met else "no",
        )
    console.print(marks)


def main() -> int:
    """Measure, show, write."""
    console = Console(stderr=False)
    configure("warning", "json")
    with Progress(console=Console(stderr=True)) as progress, KafkaCluster() as kafka, Valkey() as valkey:
        cases = measure(Bench(kafka.bootstrap, valkey), progress)
    found = results(cases)
    show(console, cases, found)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode([result._asdict() for result in found])))
    console.print(f"written to {RESULTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
