"""Where the input partitions end, as the brokers tell it while nothing is read: a paused consumer hears of nothing new.

The question is asked aside, and its answer is looked at the next time: nobody waits for it. Where no broker answers,
what was told last stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # public, its stubs do not say so

from processor.indexer.records import Partition
from processor.indexer.timing import Every

__all__ = ["Ends"]

_LOOK_S: Final = 5.0
_ASK_S: Final = 10.0


class Ends:
    """What the brokers told of the ends of partitions since these were read last."""

    def __init__(self, admin: AdminClient) -> None:
        """Share the client; nothing is asked yet."""
        self._admin = admin
        self._asked: Mapping[TopicPartition, Future[Any]] = {}
        self._told: dict[Partition, int] = {}
        self._due = Every(_LOOK_S)

    def look(self, partitions: Iterable[Partition]) -> None:
        """Take the answers to the last question once all are in, and ask again when it is time to."""
        if not all(future.done() for future in self._asked.values()):
            return
        for each, future in self._asked.items():
            self._take(Partition(each.topic, each.partition), future)
        self._asked = {}
        wanted = [TopicPartition(*each) for each in partitions]
        if wanted and self._due.is_due:
            latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the client's stubs lack it
            self._asked = self._admin.list_offsets(
                dict.fromkeys(wanted, latest), isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=_ASK_S
            )
            self._due.done()

    def of(self, partition: Partition) -> int | None:
        """Tell where it ends; None where nobody told since it was read last."""
        return self._told.get(partition)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop what was told of these: they are read again, and the consumer knows better."""
        self._asked = {}
        for each in partitions:
            self._told.pop(each, None)

    def _take(self, partition: Partition, future: Future[Any]) -> None:
        try:
            self._told[partition] = int(future.result().offset)
        except KafkaException:
            return
