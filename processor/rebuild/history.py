"""The input topics as history: read from an offset up to another, as member of no group."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from processor.indexer.records import Partition, Record
from processor.indexer.source import record_of
from processor.model.errors import DependencyError

__all__ = ["History", "Page"]

_ASK_S: Final = 10.0
_SILENT_S: Final = 30
_END: Final = KafkaError._PARTITION_EOF  # noqa: SLF001  the underscore marks codes of the client itself

Page = tuple[list[Record], dict[Partition, int]]
"""Records, and for each partition where to read on after them."""


class History:
    """Reads with one consumer that was given the group's id: to ask what it has committed, never to join it."""

    def __init__(self, consumer: Consumer, topics: Collection[str]) -> None:
        """Take the consumer over; nothing is asked yet."""
        self._consumer = consumer
        self._topics = topics

    def committed(self) -> dict[Partition, int]:
        """Ask how far the group has seen the topics through. Raises `DependencyError`."""
        try:
            found = [self._consumer.list_topics(topic, _ASK_S).topics[topic] for topic in self._topics]
            partitions = [TopicPartition(topic.topic, number) for topic in found for number in topic.partitions]
            answer = self._consumer.committed(partitions, _ASK_S)
        except KafkaException as error:
            raise DependencyError("Kafka", error.args[0].str()) from error
        return {Partition(each.topic, each.partition): each.offset for each in answer if each.offset > 0}

    def begin(self, partition: Partition) -> int:
        """Ask where the log begins. Raises `DependencyError`."""
        try:
            bounds = self._consumer.get_watermark_offsets(TopicPartition(*partition), _ASK_S)
        except KafkaException as error:
            raise DependencyError("Kafka", error.args[0].str()) from error
        if bounds is None:
            raise DependencyError("Kafka", f"no answer where {partition.topic} [{partition.number}] begins")
        return bounds[0]

    def read(self, ranges: Mapping[Partition, tuple[int, int]], count: int) -> Iterator[Page]:
        """Read all of these, so many records at a time at most. Raises `DependencyError`."""
        left = {each: stop for each, (start, stop) in ranges.items() if start < stop}
        self._consumer.assign([TopicPartition(*each, ranges[each][0]) for each in left])
        silent = 0
        try:
            while left:
                page = self._page(left, count)
                silent = 0 if any(page) else silent + 1
                if silent > _SILENT_S:
                    raise DependencyError("Kafka", f"nothing more comes of {next(iter(left)).topic}")
                yield page
        finally:
            self._consumer.unassign()

    def _page(self, left: dict[Partition, int], count: int) -> Page:
        records: list[Record] = []
        reached: dict[Partition, int] = {}
        for message in self._consumer.consume(count, 1.0):
            each, error = Partition(message.topic() or "", message.partition() or 0), message.error()
            if error is not None and error.code() != _END:
                raise DependencyError("Kafka", error.str())
            if each not in left:
                continue
            offset = message.offset() or 0
            if error is None and offset < left[each]:
                records.append(record_of(message))
                reached[each] = offset + 1
            if offset + (error is None) >= left[each]:
                reached[each] = left.pop(each)
        return records, reached
