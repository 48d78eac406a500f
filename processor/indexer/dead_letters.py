"""What a rejected record becomes. Pure.

Rules kept here:
- key, value and the record's own headers stay byte for byte and in front; a null value stays null;
- what is known of the failure is appended, under Kafka Connect's names (KIP-298) and our own;
- of two headers with one name the last counts, as in Kafka's `lastHeader`.
"""

from __future__ import annotations

from typing import Final

from processor.indexer.publisher import Outgoing
from processor.indexer.records import Header, Headers, Record
from processor.model.errors import Rejected

__all__ = ["ATTEMPT_HEADER", "dead_letter"]

ATTEMPT_HEADER: Final = "lineage.attempt"
_CONNECT: Final = "__connect.errors."
_CLASS: Final = "processor.decode"
_EXCEPTION: Final = "processor.model.errors.Rejected"


def dead_letter(topic: str, record: Record, rejected: Rejected) -> Outgoing:
    """Make the record for the dead-letter topic."""
    return Outgoing(topic, record.key, record.value, [*record.headers, *_failure(record, rejected)])


def _failure(record: Record, rejected: Rejected) -> list[Header]:
    place, attempt = record.place, _attempts(record.headers) + 1
    return [
        _header(f"{_CONNECT}topic", place.topic),
        _header(f"{_CONNECT}partition", place.partition),
        _header(f"{_CONNECT}offset", place.offset),
        _header(f"{_CONNECT}stage", rejected.stage.value.upper()),
        _header(f"{_CONNECT}class.name", _CLASS),
        _header(f"{_CONNECT}exception.class.name", _EXCEPTION),
        _header(f"{_CONNECT}exception.message", rejected.detail or rejected.reason.value),
        _header("lineage.reason", rejected.reason.value),
        _header("lineage.stage", rejected.stage.value),
        _header("lineage.pointer", rejected.pointer),
        _header(ATTEMPT_HEADER, attempt),
    ]


def _header(name: str, value: str | int) -> Header:
    return name, str(value).encode("utf-8", "backslashreplace")


def _attempts(headers: Headers) -> int:
    """How often it was a dead letter before: redriving keeps the count."""
    counts = [value for name, value in headers if name == ATTEMPT_HEADER and value]
    return int(counts[-1]) if counts and counts[-1].isdigit() and len(counts[-1]) < 10 else 0  # noqa: PLR2004
