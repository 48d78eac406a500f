"""What a bare consumer costs, in a process of its own: `python -m tests.bench.yardstick`, a task as JSON on its input.

Y1 consumes in batches and drops; Y2 also parses each value with `orjson.loads`.
"""

from __future__ import annotations

import sys
import time

import msgspec
import orjson
from confluent_kafka import Consumer, TopicPartition

BATCH = 2000


class Task(msgspec.Struct):
    """What to read: by partition from where until where."""

    bootstrap: str
    topic: str
    ranges: dict[int, tuple[int, int]]
    parses: bool


class Spent(msgspec.Struct):
    """What it took, from the consumer's making to the last record."""

    events: int
    cpu_s: float
    wall_s: float


def spend(task: Task) -> Spent:
    """Read all of it."""
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    consumer = Consumer(
        {
            "bootstrap.servers": task.bootstrap,
            "group.id": "bench-yardstick",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 10,
            "fetch.wait.max.ms": 50,
        }
    )
    consumer.assign([TopicPartition(task.topic, number, first) for number, (first, _) in task.ranges.items()])
    events = _read(consumer, task)
    spent = Spent(events, time.process_time() - cpu_s, time.perf_counter() - wall_s)
    consumer.close()
    return spent


def _read(consumer: Consumer, task: Task) -> int:
    events, open_, loads = 0, {number: until for number, (_, until) in task.ranges.items()}, orjson.loads
    while open_:
        batch = consumer.consume(BATCH, 0.1)
        for message in batch:
            if task.parses:
                loads(message.value() or b"null")
        events += len(batch)
        for number, offset in {message.partition() or 0: message.offset() or 0 for message in batch}.items():
            if offset + 1 >= open_.get(number, 0):
                open_.pop(number, None)
    return events


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(spend(msgspec.json.decode(sys.stdin.buffer.read(), type=Task))))
