"""Records as the alerter reads and writes them, and what an undecodable one becomes.

Dead letters bear the same headers as the indexer's: Kafka Connect's names (KIP-298) and our own; key, value
and the record's own headers stay byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass

from processor.model.alert import Alert
from processor.model.codec import encode_alert
from processor.model.errors import Reason, Rejected, Stage
from processor.model.observation import Place

Headers = list[tuple[str, bytes]]

_CONNECT = "__connect.errors."
_ATTEMPT = "lineage.attempt"
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record of `lineage.changes`."""

    place: Place
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to send. A value of None deletes the key on a compacted topic."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def alert_record(topic: str, alert: Alert) -> Outgoing:
    """Make the record of an alert."""
    return Outgoing(topic, alert.finding.alert_id.encode(), encode_alert(alert))


def tombstone(topic: str, alert_id: str) -> Outgoing:
    """Make the record that lets a compacted topic forget an alert."""
    return Outgoing(topic, alert_id.encode(), None)


def dead_letter(topic: str, record: Incoming, rejected: Rejected) -> Outgoing:
    """Make the record for the dead-letter topic."""
    return Outgoing(topic, record.key, record.value, (*record.headers, *_failure(record, rejected)))


def unreadable(reason: Reason, detail: str) -> Rejected:
    """Say why a change could not be decoded."""
    return Rejected(reason, Stage.DECODE, "", detail)


def _failure(record: Incoming, rejected: Rejected) -> Headers:
    named = {
        f"{_CONNECT}topic": record.place.topic,
        f"{_CONNECT}partition": record.place.partition,
        f"{_CONNECT}offset": record.place.offset,
        f"{_CONNECT}stage": rejected.stage.value.upper(),
        f"{_CONNECT}class.name": "processor.alerter",
        f"{_CONNECT}exception.class.name": "processor.model.errors.Rejected",
        f"{_CONNECT}exception.message": rejected.detail or rejected.reason.value,
        "lineage.reason": rejected.reason.value,
        "lineage.stage": rejected.stage.value,
        "lineage.pointer": rejected.pointer,
        _ATTEMPT: _attempts(record) + 1,
    }
    return [(name, str(value).encode("utf-8", "backslashreplace")) for name, value in named.items()]


def _attempts(record: Incoming) -> int:
    """How often it was a dead letter before."""
    counts = [value for name, value in record.headers if name == _ATTEMPT]
    return int(counts[-1]) if counts and counts[-1].isdigit() and len(counts[-1]) <= _MOST_DIGITS else 0
