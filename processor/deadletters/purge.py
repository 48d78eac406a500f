"""Deleting dead letters from their topic: always from the beginning of each partition, for Kafka knows no other way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from processor.deadletters.letter import DeadLetter
from processor.deadletters.topic import Position, position_of
from processor.model.errors import DependencyError, UsageError

__all__ = ["Loss", "delete_before", "loss", "offsets_before"]

_ANSWER_S: Final = 10.0


@dataclass(slots=True)
class Loss:
    """What would be deleted: letters, and those among them that nobody sent back."""

    letters: int = 0
    waiting: int = 0


def offsets_before(consumer: Consumer, topic: str, before_us: int | None) -> dict[int, int]:
    """Where each partition's letters of that time begin, or where it ends now; 0 and more.

    Raises `DependencyError` when Kafka does not answer.
    """
    try:
        numbers = consumer.list_topics(topic, timeout=_ANSWER_S).topics[topic].partitions
        # Asked first: what comes in meanwhile stays.
        ends = {n: consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=_ANSWER_S)[1] for n in numbers}
        if before_us is None:
            return ends
        asked = [TopicPartition(topic, number, before_us // 1000) for number in numbers]
        found = consumer.offsets_for_times(asked, timeout=_ANSWER_S)
    except KafkaException as error:
        raise DependencyError("Kafka", error.args[0].str()) from error
    return {each.partition: ends[each.partition] if each.offset < 0 else each.offset for each in found}


def loss(letters: Iterable[DeadLetter], offsets: Mapping[int, int], redriven: frozenset[Position]) -> Loss:
    """Count what lies before these offsets."""
    found = Loss()
    for letter in letters:
        partition, offset = position_of(letter.where)
        if offset < offsets.get(partition, 0):
            found.letters += 1
            found.waiting += (partition, offset) not in redriven
    return found


def delete_before(admin: AdminClient, topic: str, offsets: Mapping[int, int]) -> None:
    """Delete what lies before these offsets. Raises `UsageError` where that is not allowed, `DependencyError`."""
    asked = [TopicPartition(topic, number, offset) for number, offset in offsets.items() if offset > 0]
    futures = admin.delete_records(asked, request_timeout=_ANSWER_S, operation_timeout=_ANSWER_S) if asked else {}
    for where, future in futures.items():
        try:
            future.result(_ANSWER_S)
        except KafkaException as error:
            raise _refusal(where, error) from error
        except TimeoutError as error:
            raise DependencyError("Kafka", f"no answer whether partition {where.partition} was shortened") from error


def _refusal(where: TopicPartition, error: KafkaException) -> UsageError | DependencyError:
    detail = f"partition {where.partition} of {where.topic} cannot be shortened: {error.args[0].str()}"
    if error.args[0].retriable():
        return DependencyError("Kafka", detail)
    return UsageError(detail)
