"""A dead letter, wherever it is kept."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Message

from processor.indexer.source import headers_of
from processor.model.dead_letter import Header, TakenApart, take_apart
from processor.render.records import Record
from processor.render.times import rfc3339

__all__ = ["NOT_TOLD", "DeadLetter", "as_bytes", "from_message"]

_DETAIL: Final = "__connect.errors.exception.message"
NOT_TOLD: Final = take_apart(())
"""What is known of a record about which nothing was told."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be used. `where` names it: `PARTITION:OFFSET`, or `file:NUMBER`.

    `source`: where it was read, for people. `parts`: its headers, taken apart. `redriven`: it was sent back.
    `line`: of the file that keeps it, else empty.
    """

    where: str
    time_us: int | None
    reason: str
    stage: str
    pointer: str
    detail: str
    source: str
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...] = ()
    parts: TakenApart = NOT_TOLD
    attempt: int = 1
    redriven: bool = False
    line: bytes = b""

    @property
    def topic(self) -> str | None:
        """The topic that it was read from; None where that is not known, and for what came from a file."""
        return None if self.parts.place is None else self.parts.place.topic

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
            "attempt": self.attempt,
            "redriven": self.redriven,
            "bytes": self._size(),
        }
        if not whole:
            return short
        headers = [{"name": name, **_shown("value", value)} for name, value in self.headers]
        return {**short, "headers": headers, **_shown("key", self.key), **_shown("value", self.value)}

    def _size(self) -> int | None:
        if self.parts.left_bytes is not None:
            return self.parts.left_bytes
        return None if self.value is None else len(self.value)


def from_message(message: Message) -> DeadLetter:
    """Read a dead letter as it lies on its topic."""
    headers = tuple(headers_of(message) or ())
    parts = take_apart(headers)
    kind, time_ms = message.timestamp()
    return DeadLetter(
        where=f"{message.partition()}:{message.offset()}",
        time_us=time_ms * 1000 if kind else None,
        reason=parts.told.get("lineage.reason", ""),
        stage=parts.told.get("lineage.stage", ""),
        pointer=parts.told.get("lineage.pointer", ""),
        detail=parts.told.get(_DETAIL, ""),
        source=_source(parts),
        key=as_bytes(message.key()),
        value=as_bytes(message.value()),
        headers=headers,
        parts=parts,
        attempt=parts.attempt,
    )


def as_bytes(value: str | bytes | None) -> bytes | None:
    """What the client gives as bytes though its types leave it open."""
    return value.encode() if isinstance(value, str) else value


def _source(parts: TakenApart) -> str:
    place = parts.place
    return "" if place is None else f"{place.topic}:{place.partition}:{place.offset}"


def _shown(name: str, data: bytes | None) -> Record:
    """Bytes as text where they are text, else as base64 under another name."""
    if data is None:
        return {name: None}
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data).decode()}
