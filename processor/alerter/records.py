"""Records as the alerter reads and writes them, and what an undecodable one becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from processor.model.alert import Alert
from processor.model.codec import encode_alert
from processor.model.dead_letter import failure_headers, left_headers
from processor.model.errors import Reason, Rejected, Stage
from processor.model.observation import Place


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record of `lineage.changes`."""

    place: Place
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_us: int | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to send. A value of None deletes the key on a compacted topic."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Landed(NamedTuple):
    """Where a record that was sent stands in its topic."""

    partition: int
    offset: int


def alert_record(topic: str, alert: Alert) -> Outgoing:
    """Make the record of an alert."""
    return Outgoing(topic, alert.finding.alert_id.encode(), encode_alert(alert))


def tombstone(topic: str, alert_id: str) -> Outgoing:
    """Make the record that lets a compacted topic forget an alert."""
    return Outgoing(topic, alert_id.encode(), None)


def dead_letter(topic: str, record: Incoming, rejected: Rejected) -> Outgoing:
    """Make the record for the dead-letter topic."""
    return Outgoing(topic, record.key, record.value, (*record.headers, *_told(record, rejected)))


def dead_letter_without_bytes(topic: str, record: Incoming, rejected: Rejected) -> Outgoing:
    """Make what stands in for a dead letter that the topic does not take for its size."""
    told = _told(record, rejected)
    return Outgoing(topic, None, None, tuple(left_headers(told, len(record.key or b"") + len(record.value or b""))))


def _told(record: Incoming, rejected: Rejected) -> list[tuple[str, bytes]]:
    return failure_headers(
        record.place, record.headers, rejected, by="processor.alerter", timestamp_us=record.timestamp_us
    )


def unreadable(reason: Reason, detail: str) -> Rejected:
    """Say why a change could not be decoded."""
    return Rejected(reason, Stage.DECODE, "", detail)
