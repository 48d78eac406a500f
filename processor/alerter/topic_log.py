"""What `lineage.alerts` holds, read from where one likes, without a group.

Whatever Kafka does wrong is a DependencyError, and so is that there is no such topic: it is not taken for an empty one,
for what fires is to be told to it once it is made anew. The caller tries again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but its stubs do not say so
    AdminClient,
    OffsetSpec,
)

from processor.model.alert import Alert
from processor.model.codec import UnreadableRecordError, decode_alert
from processor.model.errors import DependencyError

_ASK_S = 10.0
_SILENT_S = 20.0
_POLL_S = 0.1
_COUNT = 500
_END = KafkaError._PARTITION_EOF  # noqa: SLF001  the underscore marks codes of the client itself
_MISSING = KafkaError.UNKNOWN_TOPIC_OR_PART

_log = structlog.get_logger(__name__)


def no_topic(*names: str) -> DependencyError:
    """What to say of topics that are missing."""
    return DependencyError("Kafka", f"no topic {', '.join(names)}: create it, or start with create_topics")


class Said(NamedTuple):
    """One record: what the topic says of an alert; None where it is to be forgotten."""

    alert_id: str
    alert: Alert | None


class AlertLog(Protocol):
    """The alerts topic, to read."""

    def ends(self) -> dict[int, int]:
        """Where each partition ends: the offset of the next record. Raises DependencyError where there is no topic."""

    def read(self, starts: Mapping[int, int]) -> Iterator[Said]:
        """Read these partitions from these offsets to their ends, each partition in order."""


class NoLog:
    """The topic where there is none: it holds nothing, and there is nothing to know of it."""

    def ends(self) -> dict[int, int]:
        """See `AlertLog`."""
        return {}

    def read(self, starts: Mapping[int, int]) -> Iterator[Said]:
        """See `AlertLog`."""
        _ = starts
        return iter(())


class TopicLog:
    """An `AlertLog` over librdkafka. For one thread at a time."""

    def __init__(self, consumer: Consumer, admin: AdminClient, topic: str) -> None:
        """Take the clients over; the consumer is to tell of the ends of partitions."""
        self._consumer = consumer
        self._admin = admin
        self._topic = topic

    def ends(self) -> dict[int, int]:
        """See `AlertLog`."""
        try:
            numbers = self._partitions()
            latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # its stubs have no types
            asked = {TopicPartition(self._topic, number): latest for number in numbers}
            answers = self._admin.list_offsets(asked, request_timeout=_ASK_S)
            return {each.partition: answer.result().offset for each, answer in answers.items()}
        except KafkaException as error:
            raise DependencyError("Kafka", f"{self._topic}: {error.args[0].str()}") from error

    def _partitions(self) -> Iterable[int]:
        there = self._admin.list_topics(self._topic, timeout=_ASK_S).topics[self._topic]
        if there.error is None:
            return there.partitions
        if there.error.code() == _MISSING:
            raise no_topic(self._topic)
        raise KafkaException(there.error)

    def read(self, starts: Mapping[int, int]) -> Iterator[Said]:
        """See `AlertLog`."""
        try:
            self._consumer.assign([TopicPartition(self._topic, *start) for start in starts.items()])
            yield from self._read(set(starts))
            self._consumer.unassign()
        except KafkaException as error:
            raise DependencyError("Kafka", f"{self._topic}: {error.args[0].str()}") from error

    def _read(self, left: set[int]) -> Iterator[Said]:
        heard_s = time.monotonic()
        while left:
            messages = self._consumer.consume(_COUNT, _POLL_S)
            for message in messages:
                error = message.error()
                if error is None:
                    yield from _said(message)
                elif error.code() == _END:
                    left.discard(message.partition() or 0)
            heard_s = time.monotonic() if messages else heard_s
            if time.monotonic() - heard_s > _SILENT_S:
                raise DependencyError("Kafka", f"{self._topic} cannot be read to its end")


def _said(message: Message) -> Iterator[Said]:
    """What a record says; nothing where this version cannot tell, or its key is no alert's."""
    key, value = message.key(), message.value()
    try:
        alert_id = str(key, "utf-8") if key else ""
        alert = decode_alert(value) if value else None
    except (UnreadableRecordError, ValueError) as error:
        place = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
        _log.warning("alert.unreadable", reason=str(error), **place)
        return
    if alert is None or alert.finding.alert_id == alert_id:
        yield Said(alert_id, alert)
