"""While nothing is read, the lag goes by what the brokers tell of the ends."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from processor.indexer.ends import Ends
from processor.indexer.progress import Tracker
from processor.indexer.records import Partition

A = Partition("events", 0)
SECOND_US = 1_000_000


class Brokers:
    """They tell where each partition ends, or that no one answers."""

    def __init__(self, end: int | None) -> None:
        self.end = end

    def list_offsets(self, asked: dict[TopicPartition, object], **_: object) -> dict[TopicPartition, Future[Any]]:
        future: Future[Any] = Future()
        if self.end is None:
            future.set_exception(KafkaException(KafkaError(KafkaError._TRANSPORT)))  # noqa: SLF001  the client's own
        else:
            future.set_result(SimpleNamespace(offset=self.end))
        return dict.fromkeys(asked, future)


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> Brokers:
    monkeypatch.setattr("processor.indexer.ends._LOOK_S", 0.0)
    return Brokers(20)


def asked(ends: Ends) -> int | None:
    ends.look([A])
    ends.look([A])
    return ends.of(A)


def test_the_end_is_told_until_the_partition_is_read_again(brokers: Brokers) -> None:
    ends = Ends(cast("AdminClient", brokers))
    assert asked(ends) == 20
    brokers.end = None
    assert asked(ends) == 20
    ends.forget([A])
    assert asked(ends) is None
    brokers.end = 25
    assert asked(ends) == 25


def test_what_comes_while_nothing_is_read_is_a_lag_and_no_older_than_the_end_that_was_seen() -> None:
    told: dict[Partition, int] = {}
    tracker = Tracker(lambda _: 10, told.get)
    tracker.assign({A: 1}, {})
    tracker.advance([], {A: 10}, {})
    tracker.rest(100 * SECOND_US)
    told[A] = 10
    tracker.rest(200 * SECOND_US)
    assert (tracker.lag(A), tracker.lag_s(A, 900 * SECOND_US)) == (0, 0.0)
    told[A] = 17
    tracker.rest(300 * SECOND_US)
    assert (tracker.lag(A), tracker.lag_s(A, 900 * SECOND_US)) == (7, 700.0)
    assert tracker.progress(1)[A].lag == 7
