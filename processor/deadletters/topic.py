"""The dead-letter topic: its letters, and which of them were sent back.

That a letter was sent back is remembered on the topic itself, in the letter's own partition behind it: a note, which
is a record with the header `lineage.redriven` and the offsets as its value. So a note never goes before its letters,
whether they are purged or grow too old, and nothing else has to be kept.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from processor.deadletters.letter import DeadLetter, from_message
from processor.indexer.publisher import Outgoing
from processor.indexer.source import headers_of
from processor.model.errors import DependencyError, UsageError
from processor.model.observation import Place

__all__ = ["Position", "is_position", "notes", "position_of", "read_at", "read_redriven", "read_topic"]

Position = tuple[int, int]
"""Partition and offset on the dead-letter topic."""

_NOTE: Final = "lineage.redriven"
_ANSWER_S: Final = 5.0
_SILENT_S: Final = 10.0
_WAIT_S: Final = 0.2
_BATCH: Final = 500


def read_topic(consumer: Consumer, topic: str, where: str | None = None) -> Iterator[DeadLetter]:
    """Every dead letter that the topic holds now, partition by partition; or the one at `PARTITION:OFFSET`.

    The consumer is assigned by hand and commits nothing. Raises `DependencyError` when Kafka does not answer.
    """
    asked = None if where is None else position_of(where)
    return (from_message(message) for message in _messages(consumer, topic, asked) if not _is_note(message))


def read_redriven(consumer: Consumer, topic: str) -> frozenset[Position]:
    """The letters that were sent back. Raises as `read_topic` does."""
    return frozenset(
        (message.partition() or 0, offset)
        for message in _messages(consumer, topic, None)
        if _is_note(message)
        for offset in _offsets(message.value())
    )


def notes(topic: str, redriven: Iterable[Position]) -> list[Outgoing]:
    """The records that remember which letters were sent back."""
    offsets = defaultdict[int, list[int]](list)
    for partition, offset in redriven:
        offsets[partition].append(offset)
    return [
        Outgoing(topic, None, json.dumps(of).encode(), [(_NOTE, str(len(of)).encode())], partition=partition)
        for partition, of in sorted(offsets.items())
    ]


def read_at(consumer: Consumer, place: Place) -> Message | None:
    """The record at a place of any topic, None where it is no longer kept. Raises `DependencyError`."""
    where = TopicPartition(place.topic, place.partition)
    try:
        low, high = consumer.get_watermark_offsets(where, timeout=_ANSWER_S)
        if not low <= place.offset < high:
            return None
        found = _read(consumer, TopicPartition(place.topic, place.partition, place.offset), place.offset + 1)
        return next(found, None)
    except KafkaException as error:
        raise DependencyError("Kafka", error.args[0].str()) from error


def is_position(where: str) -> bool:
    """Whether it names a letter on the topic, not one in the file."""
    return not where.startswith("file:")


def position_of(where: str) -> Position:
    """Read `PARTITION:OFFSET`; raises `UsageError` where it is none."""
    partition, separator, offset = where.partition(":")
    if not (separator and _is_number(partition) and _is_number(offset)):
        raise UsageError(f"{where!r} names no dead letter; name one as PARTITION:OFFSET, as the list shows it")
    return int(partition), int(offset)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19  # noqa: PLR2004  what fits into 64 bits


def _messages(consumer: Consumer, topic: str, asked: Position | None) -> Iterator[Message]:
    try:
        for partition, start, end in _ranges(consumer, topic, asked):
            yield from _read(consumer, TopicPartition(topic, partition, start), end)
    except KafkaException as error:
        raise DependencyError("Kafka", error.args[0].str()) from error


def _ranges(consumer: Consumer, topic: str, asked: Position | None) -> list[tuple[int, int, int]]:
    partitions = consumer.list_topics(topic, timeout=_ANSWER_S).topics[topic].partitions
    if not partitions:
        raise UsageError(f"there is no topic {topic}; create it with: lineage topics create")
    ranges = []
    for number in sorted(partitions) if asked is None else partitions.keys() & {asked[0]}:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_ANSWER_S)
        first, last = (low, high) if asked is None else (max(low, asked[1]), min(asked[1] + 1, high))
        ranges.append((number, first, last))
    return ranges


def _read(consumer: Consumer, start: TopicPartition, end: int) -> Iterator[Message]:
    """From an offset up to another; gaps that compaction or transactions left are passed over."""
    if start.offset >= end:
        return
    consumer.assign([start])
    position, heard_s = start.offset, time.monotonic()
    while time.monotonic() - heard_s < _SILENT_S:
        # No more than there are, for the client waits until it has as many as it is asked for.
        messages = consumer.consume(max(1, min(_BATCH, end - position)), timeout=_WAIT_S)
        heard_s = time.monotonic() if messages else heard_s
        for message in messages:
            error = message.error()
            if error is not None:
                raise KafkaException(error)
            if (message.offset() or 0) < end:
                yield message
        position = max(position, consumer.position([start])[0].offset)
        if position >= end:
            return
    raise DependencyError("Kafka", f"partition {start.partition} of {start.topic} says nothing for {_SILENT_S:.0f} s")


def _is_note(message: Message) -> bool:
    return any(name == _NOTE for name, _ in headers_of(message) or ())


def _offsets(value: str | bytes | None) -> list[int]:
    """What a note says; nothing where somebody else wrote it."""
    try:
        found = json.loads(value or b"[]")
    except ValueError:
        return []
    return [offset for offset in found if isinstance(offset, int)] if isinstance(found, list) else []
