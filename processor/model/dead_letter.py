"""What is told about a rejected record, in the headers of its dead letter; and taking the two apart again.

Rules kept here:
- the record's own headers stay in front, byte for byte; what is known of the failure is appended as one block, under
  Kafka Connect's names (KIP-298) and our own, `__connect.errors.topic` first: whatever a record brought, its own
  headers end where the last such header stands;
- of two headers with one name the last counts, as in Kafka's `lastHeader`;
- what is appended is short, whatever the record holds;
- a record that is redriven carries `lineage.attempt`, the number of dead letters it has been so far. That header is
  ours: its next dead letter counts on from it, and redriving that one replaces it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from processor.model.errors import Reason, Rejected
from processor.model.observation import Place

__all__ = [
    "ATTEMPT_HEADER",
    "LEFT_HEADER",
    "Header",
    "TakenApart",
    "failure_headers",
    "left_headers",
    "take_apart",
    "with_attempt",
]

Header = tuple[str, bytes | None]

ATTEMPT_HEADER: Final = "lineage.attempt"
LEFT_HEADER: Final = "lineage.left"
_TIMESTAMP: Final = "lineage.timestamp"
_HEADERS: Final = "lineage.headers"
_CONNECT: Final = "__connect.errors."
_FIRST: Final = f"{_CONNECT}topic"
_EXCEPTION: Final = "processor.model.errors.Rejected"
_MOST_DIGITS: Final = 15
_MOST_ATTEMPTS: Final = 10**9
_MOST_CHARACTERS: Final = 2000


def failure_headers(
    place: Place, own: Sequence[Header], rejected: Rejected, *, by: str, timestamp_us: int | None = None
) -> list[tuple[str, bytes]]:
    """The headers to append. `own`: what the record brought; `by`: the module that rejected it."""
    told = {
        _FIRST: place.topic,
        f"{_CONNECT}partition": place.partition,
        f"{_CONNECT}offset": place.offset,
        f"{_CONNECT}stage": rejected.stage.value.upper(),
        f"{_CONNECT}class.name": by,
        f"{_CONNECT}exception.class.name": _EXCEPTION,
        f"{_CONNECT}exception.message": _short(rejected.detail or rejected.reason.value),
        "lineage.reason": rejected.reason.value,
        "lineage.stage": rejected.stage.value,
        "lineage.pointer": _short(rejected.pointer),
        ATTEMPT_HEADER: attempts(own) + 1,
    }
    if timestamp_us is not None:
        told[_TIMESTAMP] = timestamp_us // 1000
    if rejected.reason is Reason.BAD_HEADERS:
        told[_HEADERS] = "lost"
    return [(name, str(value).encode("utf-8", "backslashreplace")) for name, value in told.items()]


def left_headers(told: Sequence[tuple[str, bytes]], size_bytes: int) -> list[tuple[str, bytes]]:
    """The headers of a dead letter whose record was too large for it, and was left where it was read."""
    return [*told, (LEFT_HEADER, str(size_bytes).encode())]


def attempts(headers: Sequence[Header]) -> int:
    """How often the record was a dead letter before: redriving keeps the count."""
    counted = [value for name, value in headers if name == ATTEMPT_HEADER]
    count = _number(counted[-1]) if counted else None
    return count if count is not None and count < _MOST_ATTEMPTS else 0


@dataclass(frozen=True, slots=True)
class TakenApart:
    """The headers of a dead letter: the record's `own`, and what was `told` of it, by name.

    `place`: where it was read, None where that is not told. `timestamp_ms`: the record's own, None where it had none.
    `left_bytes`: the size of a record that was too large for its dead letter, else None.
    """

    own: tuple[Header, ...]
    told: Mapping[str, str]
    place: Place | None
    attempt: int
    timestamp_ms: int | None
    left_bytes: int | None


def with_attempt(own: Sequence[Header], attempt: int) -> list[Header]:
    """The headers to send a record back with, which has been a dead letter so often."""
    before = own[:-1] if own and own[-1][0] == ATTEMPT_HEADER else own
    return [*before, (ATTEMPT_HEADER, str(attempt).encode())]


def take_apart(headers: Sequence[Header]) -> TakenApart:
    """Part a dead letter's headers. Where nothing was told, as of what somebody else put there, all are its own."""
    starts = [number for number, (name, _) in enumerate(headers) if name == _FIRST]
    start = starts[-1] if starts else len(headers)
    block = dict(headers[start:])
    return TakenApart(
        own=tuple(headers[:start]),
        told={name: (value or b"").decode("utf-8", "replace") for name, value in block.items()},
        place=_place(block),
        attempt=max(1, attempts(headers[start:])),
        timestamp_ms=_number(block.get(_TIMESTAMP)),
        left_bytes=_number(block.get(LEFT_HEADER)),
    )


def _place(block: Mapping[str, bytes | None]) -> Place | None:
    topic = (block.get(_FIRST) or b"").decode("utf-8", "replace")
    partition, offset = _number(block.get(f"{_CONNECT}partition")), _number(block.get(f"{_CONNECT}offset"))
    return None if not topic or partition is None or offset is None else Place(topic, partition, offset)


def _number(value: bytes | None) -> int | None:
    return int(value) if value and value.isdigit() and len(value) <= _MOST_DIGITS else None


def _short(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
