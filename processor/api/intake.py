"""A body → the records to send, each event held to the contract as the indexer will hold it.

Rules kept here: all events of a body are good, or nothing of it is sent; what is sent is the event as it came, byte for
byte, under the key that OpenLineage's own clients use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec

from processor.api.config import ApiConfig
from processor.api.problems import ProblemError
from processor.decode.keys import message_key
from processor.decode.observe import Observe
from processor.decode.sniff import BOM
from processor.model.errors import Reason, Rejected
from processor.model.observation import Observation

__all__ = ["Accepted", "Dropped", "Intake", "OutgoingEvent"]

_SPACE: Final = b" \t\r\n"
_MOST_TOLD: Final = 20
_PARTS: Final = msgspec.json.Decoder(list[msgspec.Raw])


class OutgoingEvent(NamedTuple):
    """A record for the topic."""

    key: bytes | None
    value: bytes


class Dropped(msgspec.Struct, frozen=True):
    """A facet that broke its record and was left out; its event was taken."""

    event: int
    pointer: str
    facet: str
    detail: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """Events that keep the contract."""

    records: tuple[OutgoingEvent, ...]
    dropped: tuple[Dropped, ...] = ()


class Intake:
    """Reads bodies. Keeps what it has seen of them, so one serves one thread."""

    def __init__(self, observe: Observe, config: ApiConfig) -> None:
        self._observe = observe
        self._config = config

    def read(self, body: bytes) -> Accepted:
        """One event, or an array of them. Raises `ProblemError` with what is wrong with which."""
        values, is_array = self._split(body.removeprefix(BOM).strip(_SPACE))
        records: list[OutgoingEvent] = []
        dropped: list[Dropped] = []
        errors: list[dict[str, Any]] = []
        for number, value in enumerate(values):
            observed = self._observe(value, ())
            errors += [_error(number, rejected, is_array=is_array) for rejected in observed.rejected]
            dropped += [
                Dropped(number, p.pointer, p.facet, p.detail) for each in observed.observations for p in each.problems
            ]
            records.append(OutgoingEvent(message_key(value), value))
        if errors:
            raise _rejected(errors)
        return Accepted(tuple(records), tuple(dropped[:_MOST_TOLD]))

    def read_own(self, event: Mapping[str, Any]) -> tuple[OutgoingEvent, Observation]:
        """An event that was made here of what somebody asks for, and what it says.

        All of it keeps the contract, or nothing of it is taken: raises `ProblemError`.
        """
        value = msgspec.json.encode(event)
        observed = self._observe(value, ())
        errors = [_error(0, rejected, is_array=False) for rejected in observed.rejected]
        errors += [
            {"reason": Reason.CONTRACT.value, "pointer": p.pointer, "detail": p.detail}
            for each in observed.observations
            for p in each.problems
        ]
        if errors:
            raise _rejected(errors)
        return OutgoingEvent(message_key(value), value), observed.observations[0]

    def _split(self, text: bytes) -> tuple[list[bytes], bool]:
        if not text.startswith(b"["):
            return [text], False
        try:
            parts = _PARTS.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _rejected([{"reason": Reason.NOT_JSON.value, "pointer": "", "detail": "not JSON"}]) from None
        if len(parts) > self._config.max_events:
            detail = f"{len(parts)} events are more than {self._config.max_events}; send them in several requests"
            raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
        return [bytes(part) for part in parts], True


def _error(number: int, rejected: Rejected, *, is_array: bool) -> dict[str, Any]:
    """Where and why. `pointer` leads into the event, whichever of the body's events that is."""
    place: dict[str, Any] = {"event": number} if is_array else {}
    return {**place, "reason": rejected.reason.value, "pointer": rejected.pointer, "detail": rejected.detail}


def _rejected(errors: list[dict[str, Any]]) -> ProblemError:
    first = errors[0]
    where = f"event {first['event']}: " if "event" in first else ""
    at = f" at {first['pointer']}" if first["pointer"] else ""
    detail = f"{where}{first['reason']}{at}: {first['detail']}; nothing was taken"
    told = {name: value for name, value in first.items() if name != "detail"}
    return ProblemError(HTTPStatus.BAD_REQUEST, detail, {**told, "errors": errors[:_MOST_TOLD]})
