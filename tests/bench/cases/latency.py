"""How soon a change is known, at half of the load that one worker bears.

Events of a company flow at an even rate. Among them, some tables' types change, under jobs that read them. The clock
starts when such an event is handed to the producer, and stops when a consumer has the change, or the alert, in hand: so
both ways through Kafka are in it.

Rules kept here, for the producers, Kafka and Valkey run on the machine that is measured:
- the load comes in batches of a few milliseconds, as the flood does that tells what the maximum is: a broker that is
  handed every event by itself takes most of a core for that, and there is none left to bear the load. An event whose
  way is measured is handed over by itself;
- the clock first runs when the alerter has done with what the new graph told of itself, and the load has flowed for a
  while: a start is not half of a load.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from confluent_kafka import Consumer, Producer, TopicPartition

from processor.model.alert import AlertKind
from processor.model.change import ItemKind
from processor.model.codec import decode_alert, decode_change
from tests.bench.company import COLUMNS, Company, Sent, Shape, templates
from tests.bench.figures import Findings, Mark
from tests.bench.seeding import completed, seed
from tests.bench.site import Room, Site, Worker, until

JOBS = 500
PROBE_EVENTS = 10_000
DRIFTS = 200
DRIFTS_A_SECOND = 10
PROBES = 3
_FLOWING_S = 3.0
_LINGER_MS = 5
_TICK_S = 0.005
_WAIT_S = 60.0
# Each alert by itself: what is measured is the way of one.
_POLICY = "version: 1\nalert_storm:\n  at_most: 1000\n  at_once: 1000\n"
_RETYPED = ("order_id:varchar(64)", *COLUMNS[1:])

Seen = dict[str, float]
"""When a dataset's drift was first met, by `time.perf_counter`."""


def latency(site: Site, found: Findings) -> None:
    """At half of maximum load: record in Kafka → change confirmed; → drift alert on its topic."""
    with TemporaryDirectory() as folder:
        policy = Path(folder, "policy.yaml")
        policy.write_text(_POLICY, "utf-8")
        with site.room(policy=policy) as room:
            _measure(site, found, room)


def _measure(site: Site, found: Findings, room: Room) -> None:
    drifts = site.sized(DRIFTS, 10)
    company = Company(site.sized(JOBS, 40))
    seed(room, (sent.value for sent in completed(_pairs(drifts))))
    with room.worker() as indexer, room.worker("alerter") as alerter:
        room.feed(company.each_once(), indexer)
        most = _most(site, room, company, indexer)
        until(room.has_judged_all, indexer, alerter)
        names = room.settings.topics
        with _watching(room, names.changes, _changed) as changes, _watching(room, names.alerts, _alerted) as alerts:
            sent = _flow(room, company, drifts, most / 2)
            _wait(lambda: len(changes) >= drifts and len(alerts) >= drifts)
            alerter.check()
    found.add("latency", Mark("half of maximum load", "events/s", more=True), most / 2)
    _tell(found, "change confirmed", sent, changes, (200, 50))
    _tell(found, "drift alert on its topic", sent, alerts, (500, 150))


def _most(site: Site, room: Room, company: Company, indexer: Worker) -> float:
    """Events a second of the worker at its maximum: the median of several floods."""
    floods = (room.measure(company.events(site.sized(PROBE_EVENTS)), indexer)[0] for _ in range(PROBES))
    return 1e6 / median(cost.wall_us for cost in floods)


def _pairs(count: int) -> Iterator[Shape]:
    """Tables, and jobs that read each."""
    for number in range(count):
        yield Shape(f"drifting.writer_{number}", "drifting", (f"drifting.raw_{number}",), f"drifting.table_{number}")
        yield Shape(f"drifting.reader_{number}", "drifting", (f"drifting.table_{number}",), f"drifting.mart_{number}")


def _flow(room: Room, company: Company, drifts: int, rate: float) -> Seen:
    """Produce evenly, with a drift now and then; when each was handed over."""
    events, writers = company.events(1 << 60), _drifting(drifts)
    load, measured = _producer(room, _LINGER_MS), _producer(room, 0)
    sent, count, done, begun_s = Seen(), 0, 0, time.perf_counter()
    while done < drifts:
        passed_s = time.perf_counter() - begun_s
        for _ in range(int(passed_s * rate) - count):
            count += 1
            _send(load, room, next(events))
        if (passed_s - _FLOWING_S) * DRIFTS_A_SECOND > done:
            name, event = next(writers)
            sent[name] = time.perf_counter()
            _send(measured, room, event)
            done += 1
        measured.poll(0)
        load.poll(_TICK_S)
    load.flush(30)
    measured.flush(30)
    return sent


def _producer(room: Room, linger_ms: int) -> Producer:
    return Producer({"bootstrap.servers": room.settings.kafka["bootstrap.servers"], "linger.ms": linger_ms})


def _send(producer: Producer, room: Room, event: Sent) -> None:
    producer.produce(room.settings.topics.events, event.value, event.key)


def _drifting(count: int) -> Iterator[tuple[str, Sent]]:
    """The writers' next runs, each with a column of another type."""
    for number, shape in enumerate(each for each in _pairs(count) if "writer" in each.name):
        retyped = templates(shape._replace(columns=_RETYPED))
        yield shape.output, retyped.write("COMPLETE", (1 << 41) + number, 60 + number / 1000, 60)


def _changed(value: bytes) -> str | None:
    change = decode_change(value)
    drifted = any(item.kind is ItemKind.SCHEMA_CHANGED for item in change.items)
    return change.node.name if drifted and change.node.name.startswith("drifting.table_") else None


def _alerted(value: bytes) -> str | None:
    alert = decode_alert(value)
    return alert.finding.subject.name if alert.finding.kind is AlertKind.SCHEMA_DRIFT else None


@contextmanager
def _watching(room: Room, topic: str, drifted: Callable[[bytes], str | None]) -> Iterator[Seen]:
    """Follow a topic from its end; whose drift turns up there, and when."""
    seen, stop = Seen(), threading.Event()
    consumer = Consumer({"bootstrap.servers": room.settings.kafka["bootstrap.servers"], "group.id": "bench-watcher"})
    numbers = consumer.list_topics(topic, 10).topics[topic].partitions
    ends = [consumer.get_watermark_offsets(TopicPartition(topic, number), 10)[1] for number in numbers]
    consumer.assign([TopicPartition(topic, number, end) for number, end in zip(numbers, ends, strict=True)])

    def follow() -> None:
        while not stop.is_set():
            message = consumer.poll(0.1)
            name = drifted(message.value() or b"") if message is not None and message.error() is None else None
            if name is not None:
                seen.setdefault(name, time.perf_counter())
        consumer.close()

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def _wait(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _WAIT_S
    while not holds() and time.monotonic() < deadline_s:
        time.sleep(0.05)


def _tell(found: Findings, what: str, sent: Seen, seen: Seen, marks: tuple[float, float]) -> None:
    times_ms = sorted(1000 * (seen[name] - begun_s) for name, begun_s in sent.items() if name in seen)
    if len(times_ms) < len(sent):
        raise RuntimeError(f"{what}: only {len(times_ms)} of {len(sent)} were seen")
    found.add("latency", Mark(f"record → {what}: p50", "ms"), times_ms[len(times_ms) // 2])
    found.add("latency", Mark(f"record → {what}: p99", "ms", *marks), times_ms[len(times_ms) * 99 // 100])
    for share in range(1, 100):
        found.draw("latency", "latency", what, (share, times_ms[len(times_ms) * share // 100]))
