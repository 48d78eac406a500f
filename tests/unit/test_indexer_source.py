"""How much a fetch takes at once."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, TopicPartition

from processor.indexer.pace import Pace
from processor.indexer.source import Source

MIB = 1024 * 1024


class Message:
    """A record of some size, or an error."""

    def __init__(self, size: int, error: int | None = None) -> None:
        self._value = b"x" * size
        self.named = "events"
        self._error = None if error is None else KafkaError(error)

    def __len__(self) -> int:
        return len(self._value)

    def value(self) -> bytes:
        return self._value

    def error(self) -> KafkaError | None:
        return self._error

    def topic(self) -> str:
        return self.named

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 0

    def timestamp(self) -> tuple[int, int]:
        return 1, 0

    def key(self) -> None:
        return None

    def headers(self) -> Sequence[Any]:
        return ()


class Queue:
    """A client that has as many records of one size as are asked for."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.error: int | None = None

    def consume(self, count: int, _wait_s: float) -> list[Message]:
        return [Message(self._size, self.error) for _ in range(count)]

    def assignment(self) -> list[object]:
        return []

    def resume(self, _partitions: list[object]) -> None:
        pass


@pytest.mark.parametrize(("size", "records"), [(100, 2000), (MIB, 16), (40 * MIB, 1)])
def test_a_batch_is_bounded_in_records_and_in_bytes(size: int, records: int) -> None:
    source = Source(lambda _: cast("Any", Queue(size)), ["events"])
    source.fetch(1, 60.0)
    fetched = source.fetch(2000, 60.0, 16 * MIB)
    assert len(fetched.records) == records


class Busy(Queue):
    """A client that tells of an end after each record, as it does where records keep coming, few at a time."""

    def consume(self, count: int, wait_s: float) -> list[Message]:
        found = super().consume(count, wait_s)
        found[1::2] = [Message(0, KafkaError._PARTITION_EOF) for _ in found[1::2]]  # noqa: SLF001  a code of the client
        return found


def test_a_batch_that_is_full_of_ends_is_as_full_as_one_of_records() -> None:
    source, pace = Source(lambda _: cast("Any", Busy(100)), ["events"]), Pace(8_000)
    counts = []
    for _ in range(3):
        counts.append(pace.count)
        pace.took(source.fetch(pace.count, 60.0).messages, 0.1, behind_s=5.0)
    assert counts == [2_000, 4_000, 8_000]


class Drip:
    """A client that has one record without a value at a time, each just before the wait for it is over."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def consume(self, _count: int, wait_s: float) -> list[Message]:
        self.now_s += wait_s * 0.9
        return [Message(0)]

    def assignment(self) -> list[object]:
        return []


def test_records_without_a_value_do_not_keep_a_batch_open(monkeypatch: pytest.MonkeyPatch) -> None:
    drip = Drip()
    monkeypatch.setattr("processor.indexer.source.time", SimpleNamespace(monotonic=lambda: drip.now_s))
    Source(lambda _: cast("Any", drip), ["events"]).fetch(300, 10.0)
    assert drip.now_s < 13


def test_a_topic_that_may_not_be_read_is_named_until_it_may() -> None:
    queue = Queue(10)
    source = Source(lambda _: cast("Any", queue), ["events"])
    queue.error = KafkaError.TOPIC_AUTHORIZATION_FAILED
    source.fetch(1, 0.0)
    assert list(source.refused) == ["events"]
    queue.error = None
    source.fetch(1, 0.0)
    assert source.refused == {}


class Group(Queue):
    """A client that tells of its group, and has no topic for that; with a right to it, it is given its partition."""

    def subscribe(self, _topics: list[str], **calls: Any) -> None:  # noqa: ANN401
        self.assigned = calls["on_assign"]

    def consume(self, count: int, wait_s: float) -> list[Message]:
        found = super().consume(count, wait_s)
        for each in found:
            each.named = "" if self.error else "events"
        return found


def test_a_group_that_may_not_be_joined_is_named_until_it_gives_partitions_again() -> None:
    group = Group(10)
    source = Source(lambda _: cast("Any", group), ["events"])
    source.subscribe()
    group.error = KafkaError.GROUP_AUTHORIZATION_FAILED
    source.fetch(1, 0.0)
    assert list(source.refused) == ["the consumer group"]
    group.error = None
    group.assigned(group, [TopicPartition("events", 0)])
    assert source.refused == {}
