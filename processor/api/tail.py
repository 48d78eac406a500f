"""A topic of Kafka, read from where one likes, as no member of any group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from processor.api.live import Bounds, Heard
from processor.model.errors import DependencyError

__all__ = ["KafkaTail", "tail"]

_ASK_S: Final = 5.0
_POLL_S: Final = 0.2
_COUNT: Final = 100
_ALL_AWAY: Final = KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001  as below
_ENDS: Final = KafkaError._PARTITION_EOF  # noqa: SLF001  the underscore marks codes of the client itself


class KafkaTail:
    """A `live.Tail` over librdkafka."""

    def __init__(self, consumer: Consumer, topic: str) -> None:
        """Take the consumer over."""
        self._consumer = consumer
        self._topic = topic
        self.away = ""
        """Why nothing can come, as the client said last; empty once something has."""

    def bounds(self) -> dict[int, Bounds]:
        """See `Tail`."""
        try:
            there = self._consumer.list_topics(self._topic, timeout=_ASK_S).topics[self._topic]
            if there.error is not None:
                raise DependencyError("Kafka", f"{self._topic}: {there.error.str()}")
            return {number: self._bounds(number) for number in there.partitions}
        except KafkaException as error:
            raise DependencyError("Kafka", f"{self._topic}: {error.args[0].str()}") from error

    def start(self, positions: Mapping[int, int]) -> None:
        """See `Tail`."""
        self._consumer.assign([TopicPartition(self._topic, *position) for position in positions.items()])

    def read(self) -> Iterable[Heard]:
        """See `Tail`. While a broker is away nothing comes; the client finds it again by itself."""
        for message in self._consumer.consume(_COUNT, _POLL_S):
            error = message.error()
            if error is None:
                self.away = ""
                yield Heard(message.partition() or 0, message.offset() or 0, message.key(), message.value())
            elif error.code() != _ENDS and not error.retriable() and error.fatal():
                raise DependencyError("Kafka", f"{self._topic}: {error.str()}")
            elif error.code() == _ALL_AWAY:
                self.away = error.str()

    def _bounds(self, number: int) -> Bounds:
        return Bounds(*self._consumer.get_watermark_offsets(TopicPartition(self._topic, number), _ASK_S))


@contextmanager
def tail(consumer: Consumer, topic: str) -> Iterator[KafkaTail]:
    """The topic, as long as this is open."""
    try:
        yield KafkaTail(consumer, topic)
    finally:
        consumer.close()
