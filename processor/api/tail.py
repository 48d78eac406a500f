"""A topic of Kafka, read from where one likes, as no member of any group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from processor.api.live import Bounds, Heard
from processor.model.errors import DependencyError

__all__ = ["KafkaTail", "OpenConsumer", "tail"]

_ASK_S: Final = 5.0
_POLL_S: Final = 0.2
_COUNT: Final = 100
_ALL_AWAY: Final = KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001  as below
_ENDS: Final = KafkaError._PARTITION_EOF  # noqa: SLF001  the underscore marks codes of the client itself


OpenConsumer = Callable[[Callable[[KafkaError], None]], Consumer]
"""Makes a consumer, which tells of what goes wrong with its brokers."""


class KafkaTail:
    """A `live.Tail` over librdkafka."""

    def __init__(self, open_consumer: OpenConsumer, topic: str) -> None:
        """Open the consumer: who made it closes it, with this."""
        self._topic = topic
        self.away = ""
        """Why nothing can come, as the client said last; empty once a broker answers again."""
        self._consumer = open_consumer(self._take_note)

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
        if self.away and self._answers():
            self.away = ""
        for message in self._consumer.consume(_COUNT, _POLL_S):
            error = message.error()
            if error is None:
                self.away = ""
                yield Heard(message.partition() or 0, message.offset() or 0, message.key(), message.value())
            elif error.code() != _ENDS and not error.retriable() and error.fatal():
                raise DependencyError("Kafka", f"{self._topic}: {error.str()}")

    def close(self) -> None:
        """Read no more."""
        self._consumer.close()

    def _take_note(self, error: KafkaError) -> None:
        """What is wrong with the brokers the client tells only so, and not where it gives records."""
        if error.code() == _ALL_AWAY:
            self.away = error.str()

    def _answers(self) -> bool:
        """Whether a broker is there again: the client tells when all are gone, and never that one is back."""
        try:
            self._consumer.list_topics(self._topic, timeout=_POLL_S)
        except KafkaException:
            return False
        return True

    def _bounds(self, number: int) -> Bounds:
        return Bounds(*self._consumer.get_watermark_offsets(TopicPartition(self._topic, number), _ASK_S))


@contextmanager
def tail(open_consumer: OpenConsumer, topic: str) -> Iterator[KafkaTail]:
    """The topic, as long as this is open."""
    opened = KafkaTail(open_consumer, topic)
    try:
        yield opened
    finally:
        opened.close()
