"""Events that the contract describes, made by walking its schema: small, mostly valid, never the same."""

from __future__ import annotations

import json
from functools import cache
from random import Random
from typing import Any, Final

from processor.decode.compile import compile_contract, is_nullable, unwrap
from processor.resources import schema_text
from tests.fuzz.values import NAMES, NUMBERS, RUN_IDS, TIMES, leaf, pick

EVENT_SCHEMA: Final = schema_text("lineage_event.avsc")
CONTRACT: Final = compile_contract(EVENT_SCHEMA)

_PLAIN = 12
"""So many of NAMES, TIMES and RUN_IDS, from the start, are what producers send."""
_POOLS = {"eventTime": TIMES, "nominalStartTime": TIMES, "nominalEndTime": TIMES, "runId": RUN_IDS}
_DEPTH = 7


class EventMaker:
    """Writes events as JSON text. `oddity`: how often a leaf is hostile."""

    def __init__(self, random: Random, oddity: float = 0.02) -> None:
        self._random = random
        self._oddity = oddity

    def event(self) -> bytes:
        """One event; run, job and dataset as the structure of one of the three kinds wants it."""
        kinds = (("run", "job", "inputs", "outputs"), ("job", "inputs", "outputs"), ("dataset",))
        chosen = kinds[min(2, int(self._random.random() * 5) // 2)]
        members = [self._member(field, 0) for field in _fields(CONTRACT.schema) if self._is_in(field, chosen)]
        return b"{" + b",".join(members) + b"}"

    def _is_in(self, field: dict[str, Any], chosen: tuple[str, ...]) -> bool:
        if field["name"] in {"run", "job", "dataset", "inputs", "outputs"}:
            return field["name"] in chosen or self._random.random() < self._oddity / 4
        return "default" not in field or self._random.random() < 0.7

    def _member(self, field: dict[str, Any], depth: int) -> bytes:
        return b'"%s":%s' % (field["name"].encode(), self._field(field, depth))

    def _field(self, field: dict[str, Any], depth: int) -> bytes:
        if self._random.random() < self._oddity:
            return leaf(self._random)
        if field.get("json"):
            return leaf(self._random) if self._random.random() < 0.2 else b"{}"
        pool = _POOLS.get(field["name"])
        if pool is not None:
            return (
                pool[int(self._random.random() * min(_PLAIN, len(pool)))]
                if self._random.random() < 0.9
                else pick(self._random, pool)
            )
        return self._value(field["type"], depth)

    def _value(self, schema: Any, depth: int) -> bytes:  # noqa: ANN401 - an Avro schema is any JSON
        inner = unwrap(schema)
        inner = CONTRACT.names.get(inner, inner) if isinstance(inner, str) else inner
        kind = inner["type"] if isinstance(inner, dict) else inner
        if depth > _DEPTH and is_nullable(schema):
            return b"null"
        if kind == "record":
            return self._record(inner, depth)
        if kind in {"array", "map"}:
            return self._many(inner, kind, depth)
        return self._plain(inner, kind)

    def _record(self, schema: dict[str, Any], depth: int) -> bytes:
        share = 0.12 if "container" in schema else 0.6
        members = [
            self._member(field, depth + 1)
            for field in _fields(schema)
            if "default" not in field or self._random.random() < share
        ]
        if self._random.random() < 0.05:
            members.append(b'"own%d":%s' % (int(self._random.random() * 4), leaf(self._random)))
        return b"{" + b",".join(members) + b"}"

    def _many(self, schema: dict[str, Any], kind: str, depth: int) -> bytes:
        count = int(self._random.random() ** 2 * 4)
        items = [self._value(schema["items" if kind == "array" else "values"], depth + 1) for _ in range(count)]
        if kind == "array":
            return b"[" + b",".join(items) + b"]"
        return b"{" + b",".join(self._name() + b":" + item for item in items) + b"}"

    def _plain(self, schema: Any, kind: str) -> bytes:  # noqa: ANN401 - as above
        if kind == "string":
            return self._name()
        if kind == "enum":
            return json.dumps(pick(self._random, schema["symbols"])).encode()
        if kind == "boolean":
            return b"true" if self._random.random() < 0.5 else b"false"
        return NUMBERS[int(self._random.random() * 3)]

    def _name(self) -> bytes:
        odd = self._random.random() < self._oddity
        return pick(self._random, NAMES) if odd else NAMES[int(self._random.random() * _PLAIN)]


@cache
def _named_fields(name: str) -> tuple[dict[str, Any], ...]:
    schema = CONTRACT.schema if name == CONTRACT.schema["name"] else CONTRACT.names[name]
    return tuple(field for field in schema["fields"] if not field.get("rest"))


def _fields(schema: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    return _named_fields(schema["name"])
