"""Events of which all but the run was read before: producers repeat themselves.

An event's JSON falls into what differs from event to event (time, type, run) and what does not (job, datasets,
producer). The second is looked up by its very bytes; only the first is read. Where they lie depends on the producer:

    Java's clients      eventTime … run | job inputs outputs
    Python's clients    eventTime eventType | inputs job outputs producer | run schemaURL

Rules kept here:
- an event is cut only between two of its own members: what stands before a cut is an object once it is closed, what
  stands behind it is one once it is opened, and so was the part between, when it was met first;
- no member may stand in two parts;
- whatever is unusual is left to `decoder` and `normalize`, so that a result never depends on what was read before.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from processor.decode.compile import Contract
from processor.decode.event import TypedEvent
from processor.decode.facets import Typed
from processor.decode.limits import Limits
from processor.decode.normalize import Statement, run_fact, statement_of, with_parent
from processor.decode.rules import time_us
from processor.decode.runs import RunReader, begin_digest, event_digest
from processor.model.memo import Memo
from processor.model.observation import Observation

_HEAD = frozenset({"eventType", "eventTime", "producer", "schemaURL", "run"})
_MIDDLE = frozenset({"job", "inputs", "outputs", "producer", "schemaURL"})
_SPACE_AT = len('{"eventTime":')
_KEPT_FACTOR = 2
"""What is kept of a statement takes about as much again as its JSON."""


class _Cut(NamedTuple):
    """Where the part that differs ends, and where it goes on ("": not at all)."""

    start: bytes
    end: bytes = b""

    def __call__(self, value: bytes) -> tuple[bytes, bytes, bytes] | None:
        """What stands before the cut, closed; the part between; what stands behind, opened, if anything does."""
        at = value.find(self.start) if self.end else value.rfind(self.start)
        if at < 0:
            return None
        if not self.end:
            return value[:at] + b"}", value[at:], b""
        end = value.find(self.end, at)
        return None if end < 0 else (value[:at] + b"}", value[at:end], b"{" + value[end + 1 :])


_COMPACT = (_Cut(b',"job":{'), _Cut(b',"inputs":[', b',"run":{'))
_SPACED = (_Cut(b', "inputs": [', b', "run": {'), _Cut(b', "job": {'))


class _Known(NamedTuple):
    """What is known of a part between. `producer`: if it names it; `digest`: begun with what it states."""

    statement: Statement
    producer: Any
    digest: blake2b


class Familiar:
    """What was read before. Serves one thread."""

    def __init__(self, contract: Contract, limits: Limits) -> None:
        self._known: Memo[_Known] = Memo(limits.memo_bytes // 4 * 3)
        self._value_bytes = limits.value_bytes
        self._runs = RunReader(contract, limits)
        self._head = _part(contract, _HEAD)
        self._middle = _part(contract, _MIDDLE)

    def observe(self, value: bytes) -> Observation | None:
        """What an event states; None where it is to be read as a whole."""
        if len(value) > self._value_bytes:
            return None
        for cut in _cuts(value):
            parts = cut(value)
            known = self._known.get("", parts[1]) if parts else None
            if known is not None and parts is not None:
                return self._observe(known, parts[0], parts[2])
        return None

    def learn(self, value: bytes, event: TypedEvent) -> None:
        """Keep what an event states that was read as a whole, if it may come again."""
        if event.kind != "run" or event.bad_facets or not event.is_lasting:
            return
        statement = statement_of(event)
        if statement.problems:
            return
        self._runs.learn(event.body.run.facets)
        for cut in _cuts(value):
            parts = cut(value)
            middle = self._read_middle(parts[1]) if parts else None
            if middle is not None and parts is not None and self._head_of(parts[0], parts[2]) is not None:
                known = _Known(statement, middle.producer, begin_digest(event.stated))
                self._known.put("", parts[1], known, _KEPT_FACTOR * len(parts[1]))
                return

    def _observe(self, known: _Known, front: bytes, back: bytes) -> Observation | None:
        head = self._head_of(front, back)
        if head is None:
            return None
        event_type, event_time, producer, run = head
        event_time_us = time_us(event_time)
        said = self._runs.read(run)
        is_named_once = (producer is UNSET) != (known.producer is UNSET)
        if event_time_us is None or said is None or not is_named_once:
            return None
        statement, name = known.statement, known.producer if producer is UNSET else producer
        return Observation(
            event_time_us,
            event_digest(known.digest, said, event_time_us, event_type, name),
            name,
            statement.job,
            statement.job_facets,
            run_fact(said, event_type),
            statement.datasets,
            with_parent(statement, said.parent),
        )

    def _head_of(self, front: bytes, back: bytes) -> tuple[str | None, str, Any, bytes] | None:
        """Type, time, producer (`UNSET` where it is not told) and run; None if they are not as they should be."""
        if not (front.isascii() and back.isascii()):
            return None
        try:
            head = self._head(front)
            tail = self._head(back) if back else head
        except (msgspec.MsgspecError, RecursionError):
            return None
        event_type, event_time, producer, run = head.eventType, head.eventTime, head.producer, tail.run
        is_whole = event_time is not UNSET and run is not UNSET
        is_double = tail is not head and not (head.run is tail.eventType is tail.eventTime is tail.producer is UNSET)
        if is_double or not is_whole:
            return None
        return None if event_type is UNSET else event_type, event_time, producer, bytes(run)

    def _read_middle(self, part: bytes) -> Typed:
        """The part between as an object of its own; None if it is none."""
        try:
            return self._middle(b"{" + part[1:] + (b"" if part.endswith(b"}") else b"}"))
        except (msgspec.MsgspecError, RecursionError):
            return None


def _cuts(value: bytes) -> tuple[_Cut, ...]:
    return _SPACED if value[_SPACE_AT : _SPACE_AT + 1] == b" " else _COMPACT


def _part(contract: Contract, names: frozenset[str]) -> Any:  # noqa: ANN401 - reads a type made here
    """A decoder of an object that has some of these members of an event, and no other."""
    whole = msgspec.structs.fields(contract.event.decoder.type)
    fields: list[Any] = [(each.name, each.type, UNSET) for each in whole if each.encode_name in names]
    made = msgspec.defstruct("Part", fields, frozen=True, kw_only=True, forbid_unknown_fields=True, module=__name__)
    return msgspec.json.Decoder(made).decode
