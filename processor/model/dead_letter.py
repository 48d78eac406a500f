"""What is told about a rejected record, in the headers of its dead letter.

Rules kept here:
- the record's own headers stay in front, byte for byte; what is known of the failure is appended, under
  Kafka Connect's names (KIP-298) and our own;
- of two headers with one name the last counts, as in Kafka's `lastHeader`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from processor.model.errors import Rejected
from processor.model.observation import Place

ATTEMPT_HEADER: Final = "lineage.attempt"
_CONNECT: Final = "__connect.errors."
_EXCEPTION: Final = "processor.model.errors.Rejected"
_MOST_DIGITS: Final = 9


def failure_headers(
    place: Place, own: Sequence[tuple[str, bytes | None]], rejected: Rejected, *, by: str
) -> list[tuple[str, bytes]]:
    """The headers to append. `own`: what the record brought; `by`: the module that rejected it."""
    told = {
        f"{_CONNECT}topic": place.topic,
        f"{_CONNECT}partition": place.partition,
        f"{_CONNECT}offset": place.offset,
        f"{_CONNECT}stage": rejected.stage.value.upper(),
        f"{_CONNECT}class.name": by,
        f"{_CONNECT}exception.class.name": _EXCEPTION,
        f"{_CONNECT}exception.message": rejected.detail or rejected.reason.value,
        "lineage.reason": rejected.reason.value,
        "lineage.stage": rejected.stage.value,
        "lineage.pointer": rejected.pointer,
        ATTEMPT_HEADER: attempts(own) + 1,
    }
    return [(name, str(value).encode("utf-8", "backslashreplace")) for name, value in told.items()]


def attempts(headers: Sequence[tuple[str, bytes | None]]) -> int:
    """How often the record was a dead letter before: redriving keeps the count."""
    counts = [value for name, value in headers if name == ATTEMPT_HEADER and value]
    return int(counts[-1]) if counts and counts[-1].isdigit() and len(counts[-1]) <= _MOST_DIGITS else 0
