"""Dead letters to look at: from the topic, and from the file where `lineage load` keeps what it could not use."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from processor.load.reader import Entry
from processor.model.errors import DependencyError, Rejected, UsageError
from processor.render.records import Record
from processor.render.times import rfc3339

__all__ = ["DeadLetter", "KeptFile", "read_topic"]

_CONNECT: Final = "__connect.errors."
_ANSWER_S: Final = 3.0
_SILENT_S: Final = 10
_BATCH: Final = 500
_FILE: Final = "dead-letters.ndjson"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be used. `where` names it: `PARTITION:OFFSET`, or `file:NUMBER`."""

    where: str
    time_us: int | None
    reason: str
    stage: str
    pointer: str
    detail: str
    source: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()

    def record(self, *, whole: bool) -> Record:
        """The JSON form; with its bytes when `whole`."""
        short = {
            "where": self.where,
            "time": None if self.time_us is None else rfc3339(self.time_us),
            "reason": self.reason,
            "stage": self.stage,
            "pointer": self.pointer,
            "detail": self.detail,
            "source": self.source,
            "bytes": None if self.value is None else len(self.value),
        }
        if not whole:
            return short
        headers = [{"name": name, **_shown("value", value)} for name, value in self.headers]
        return {**short, "headers": headers, **_shown("key", self.key), **_shown("value", self.value)}


def _shown(name: str, data: bytes | None) -> Record:
    """Bytes as text where they are text, else as base64 under another name."""
    if data is None:
        return {name: None}
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data).decode()}


def read_topic(consumer: Consumer, topic: str, where: str | None = None) -> Iterator[DeadLetter]:
    """Every dead letter that the topic holds now, partition by partition; or the one at `PARTITION:OFFSET`.

    The consumer is assigned by hand and commits nothing. Raises `DependencyError` when Kafka does not answer.
    """
    try:
        for partition, start, end in _ranges(consumer, topic, where):
            yield from _read(consumer, TopicPartition(topic, partition, start), end)
    except KafkaException as error:
        raise DependencyError("Kafka", error.args[0].str()) from error


def _ranges(consumer: Consumer, topic: str, where: str | None) -> list[tuple[int, int, int]]:
    asked = None if where is None else _position(where)
    partitions = consumer.list_topics(topic, timeout=_ANSWER_S).topics[topic].partitions
    if not partitions:
        raise UsageError(f"there is no topic {topic}; create it with: lineage topics create")
    ranges = []
    for number in sorted(partitions) if asked is None else partitions.keys() & {asked[0]}:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_ANSWER_S)
        ranges.append((number, low, high) if asked is None else (number, asked[1], min(asked[1] + 1, high)))
    return ranges


def _position(where: str) -> tuple[int, int]:
    partition, separator, offset = where.partition(":")
    if not (separator and partition.isdigit() and offset.isdigit()):
        raise UsageError(f"{where!r} names no dead letter; name one as PARTITION:OFFSET, as the list shows it")
    return int(partition), int(offset)


def _read(consumer: Consumer, start: TopicPartition, end: int) -> Iterator[DeadLetter]:
    """From an offset up to another; gaps that compaction or transactions left are passed over."""
    if start.offset >= end:
        return
    consumer.assign([start])
    silent_s = 0
    while silent_s < _SILENT_S:
        messages = consumer.consume(_BATCH, timeout=1.0)
        silent_s = 0 if messages else silent_s + 1
        for message in messages:
            error = message.error()
            if error is not None:
                raise KafkaException(error)
            if (message.offset() or 0) < end:
                yield _from_message(message)
        position = consumer.position([start])[0].offset
        if position >= end:
            return
    raise DependencyError("Kafka", f"partition {start.partition} of {start.topic} says nothing for {_SILENT_S} s")


def _from_message(message: Message) -> DeadLetter:
    headers = tuple((each[0], _bytes(each[1])) for each in message.headers() or ())
    known = {name: (value or b"").decode("utf-8", "replace") for name, value in headers}
    source = ":".join(known.get(_CONNECT + part, "") for part in ("topic", "partition", "offset"))
    kind, time_ms = message.timestamp()
    return DeadLetter(
        where=f"{message.partition()}:{message.offset()}",
        time_us=time_ms * 1000 if kind else None,
        reason=known.get("lineage.reason", ""),
        stage=known.get("lineage.stage", ""),
        pointer=known.get("lineage.pointer", ""),
        detail=known.get(f"{_CONNECT}exception.message", ""),
        source=source.strip(":"),
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        headers=headers,
    )


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


class KeptFile:
    """What `lineage load` could not use, one JSON object a line, under LINEAGE_HOME.

    A line may be torn, by a full disk or a lost machine: it is passed over and counted in `torn`, and the next record
    is not glued to it.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / _FILE
        self.torn = 0

    def keep(self, entry: Entry, rejected: Rejected) -> None:
        """Append one, its bytes in base64. Raises `DependencyError` when it cannot be written."""
        line = {
            "time": datetime.now(UTC).isoformat(),
            "reason": rejected.reason.value,
            "stage": rejected.stage.value,
            "pointer": rejected.pointer,
            "detail": rejected.detail,
            "source": entry.place,
            "value": None if entry.value is None else base64.b64encode(entry.value).decode(),
        }
        try:
            self._append(json.dumps(line).encode() + b"\n")
        except OSError as error:
            raise DependencyError(str(self.path), f"cannot keep a rejected record: {error.strerror}") from error

    def read(self) -> Iterator[DeadLetter]:
        """All of them, oldest first; a record's number is that of its line."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                letter = _read_line(number, line)
                if letter is None:
                    self.torn += 1
                else:
                    yield letter

    def _append(self, line: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            file.write(line if _ends_line(file) else b"\n" + line)


def _ends_line(file: IO[bytes]) -> bool:
    """Whether nothing, or a whole line, stands before what is appended next."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        return True
    file.seek(size - 1)
    return file.read(1) == b"\n"


def _read_line(number: int, line: bytes) -> DeadLetter | None:
    """The record of a line, or None where it is torn."""
    try:
        return _from_line(number, json.loads(line))
    except (ValueError, TypeError, KeyError):
        return None


def _from_line(number: int, line: dict[str, Any]) -> DeadLetter:
    time = datetime.fromisoformat(line["time"])
    value = line["value"]
    return DeadLetter(
        where=f"file:{number}",
        time_us=int(time.timestamp() * 1_000_000),
        reason=line["reason"],
        stage=line["stage"],
        pointer=line["pointer"],
        detail=line["detail"],
        source=line["source"],
        key=None,
        value=None if value is None else base64.b64decode(value),
    )
