"""Avro from writers that mean no good: schemas, data that fit them or nearly do, and containers of all codecs."""

from __future__ import annotations

import bz2
import io
import json
import lzma
import struct
import zlib
from collections.abc import Callable
from random import Random
from typing import Any, Final

import cramjam
import fastavro
import msgspec
import zstandard

from processor.decode.shape import to_avro
from tests.fuzz.events import CONTRACT, EVENT_SCHEMA
from tests.fuzz.values import NUMBERS, pick

OURS: Final = fastavro.parse_schema(json.loads(EVENT_SCHEMA))
_PRIMITIVES: Final = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_NAMES: Final = ("A", "B", "ns.C", "LineageEvent", "Job", "A__1", "NestedTooDeep")
_LONGS: Final = (0, 0, 1, 1, 2, 2, 3, -1, -2, 5, 40, 127, 2**31, 2**62, -(2**63), 2**63 - 1)
_TEXTS: Final = (
    b"a",
    b"orders",
    b"ns",
    b"2026-03-01T06:00:00Z",
    b"",
    b"\xff",
    b"\x00",
    b"00000001-0000-4000-8000-000000000001",
)
_MOST_VALUES = 20_000
_DEEPEST = 40


def from_json(event: bytes) -> bytes | None:
    """The event in the contract's Avro, None where it is none."""
    try:
        record = to_avro(msgspec.json.decode(event), CONTRACT)
        out = io.BytesIO()
        fastavro.schemaless_writer(out, OURS, record)
    except (msgspec.DecodeError, ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError):
        return None
    return out.getvalue()


def writer_schema(random: Random) -> Any:  # noqa: ANN401 - an Avro schema is any JSON
    """A schema: the contract's with parts replaced, a small one that resembles it, or anything."""
    kind = random.random()
    if kind < 0.05:
        return _damaged_contract(random)
    return _resembling(random) if kind < 0.7 else any_type(random, 0)


def _resembling(random: Random) -> dict[str, Any]:
    """The contract's least, each field now and then of another type."""
    node = [{"name": name, "type": _usually("string", random)} for name in ("namespace", "name")]
    names = random.random() < 0.3
    job = {
        "type": "record",
        "name": "Job",
        "namespace": "lineage",
        "fields": [*node, {"name": "facets", "type": "null"}],
    }
    fields: list[dict[str, Any]] = [
        {"name": "eventTime", "type": _usually("string", random)},
        {"name": "producer", "type": _usually("string", random)},
        {"name": "job", "type": _usually(job, random)},
    ]
    if names:
        dataset = {"type": "record", "name": "InputDataset", "namespace": "lineage", "fields": node}
        fields.append({"name": "inputs", "type": _usually({"type": "array", "items": dataset}, random)})
    if random.random() < 0.3:
        fields.append({"name": "more", "type": any_type(random, 1)})
    return {"type": "record", "name": "LineageEvent", "namespace": "lineage", "fields": fields}


def _usually(schema: Any, random: Random) -> Any:  # noqa: ANN401 - as above
    kind = random.random()
    if kind < 0.85:
        return schema
    return ["null", schema] if kind < 0.92 else any_type(random, 2)


def any_type(random: Random, depth: int) -> Any:  # noqa: ANN401 - as above
    """Any schema, right or wrong; names are few, so that they are defined twice, not at all, or by themselves."""
    kind = random.random() if depth < 5 else random.random() * 0.5
    if kind < 0.5:
        return _simple(random, kind)
    return _compound(random, depth, kind)


def _simple(random: Random, kind: float) -> Any:  # noqa: ANN401 - as above
    if kind < 0.35:
        return _PRIMITIVES[int(random.random() * 8)]
    if kind < 0.45:
        return _name(random)
    return random.choice([None, 1, "", [], {}, {"type": None}, {"type": []}, {"type": {"type": "int"}}, True, 1.5])


def _compound(random: Random, depth: int, kind: float) -> Any:  # noqa: ANN401 - as above
    if kind < 0.62:
        return [any_type(random, depth + 1) for _ in range(int(random.random() * 4))]
    if kind < 0.72:
        return {"type": "array", "items": any_type(random, depth + 1)}
    if kind < 0.8:
        return {"type": "map", "values": any_type(random, depth + 1)}
    return _named_type(random, depth)


def _named_type(random: Random, depth: int) -> dict[str, Any]:
    kind = random.random()
    if kind < 0.12:
        size = random.choice([0, 1, 8, -1, 2**31, "1", None, True])
        return {"type": "fixed", "name": _name(random), "size": size}
    if kind < 0.25:
        return {
            "type": "enum",
            "name": _name(random),
            "symbols": random.choice([["A", "B"], [], ["A", "A"], [1], "AB"]),
        }
    fields: list[Any] = [
        {"name": f"f{number}" if random.random() < 0.95 else "f0", "type": any_type(random, depth + 1)}
        for number in range(int(random.random() * 5))
    ]
    if random.random() < 0.1:
        fields.append(random.choice([None, {}, {"name": "f"}, "int", {"name": 1, "type": "int"}]))
    record: dict[str, Any] = {"type": "record", "name": _name(random), "fields": fields}
    if random.random() < 0.1:
        odd: tuple[dict[str, Any], ...] = (
            {"namespace": "ns"},
            {"namespace": 7},
            {"aliases": ["LineageEvent"]},
            {"aliases": 3},
        )
        record |= random.choice(odd)
    return record


def _name(random: Random) -> str:
    return _NAMES[int(random.random() * len(_NAMES))]


def _damaged_contract(random: Random) -> Any:  # noqa: ANN401 - as above
    schema = json.loads(EVENT_SCHEMA)
    for _ in range(1 + int(random.random() * 3)):
        records = [found for found in _walk(schema) if found.get("type") == "record" and found.get("fields")]
        fields = random.choice(records)["fields"]
        at = int(random.random() * len(fields))
        if random.random() < 0.4:
            del fields[at]
        else:
            fields[at] = {"name": fields[at]["name"], "type": any_type(random, 3)}
    return schema


def _walk(schema: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - as above
    if isinstance(schema, list):
        return [found for each in schema for found in _walk(each)]
    if not isinstance(schema, dict):
        return []
    return [schema, *(found for value in schema.values() for found in _walk(value))]


class DataMaker:
    """Binary data that follow a schema as far as it can be followed."""

    def __init__(self, random: Random, schema: Any, texts: tuple[bytes, ...] = _TEXTS) -> None:  # noqa: ANN401 - as above
        self._random = random
        self._texts = texts
        self._schema = schema
        self._left = _MOST_VALUES
        self._named = {
            found["name"]: found for found in _walk(schema) if isinstance(found.get("name"), str) and "type" in found
        }

    def data(self) -> bytes:
        """One value, of bounded size however often the schema refers to itself."""
        self._left = _MOST_VALUES
        return self._value(self._schema, 0)

    def _value(self, schema: Any, depth: int) -> bytes:  # noqa: ANN401 - as above
        self._left -= 1
        if depth > _DEEPEST or self._left < 0 or self._random.random() < 0.01:
            return bytes([int(self._random.random() * 256)])
        if isinstance(schema, list):
            at = int(self._random.random() * len(schema))
            return long(at) + self._value(schema[at], depth + 1) if schema else long(0)
        if isinstance(schema, dict):
            return self._complex(schema, depth)
        if schema in self._named:
            return self._complex(self._named[schema], depth)
        return self._primitive(schema)

    def _complex(self, schema: dict[str, Any], depth: int) -> bytes:
        kind = schema.get("type")
        if kind == "record":
            fields = [field for field in schema.get("fields", ()) if isinstance(field, dict)]
            return b"".join(self._value(field.get("type"), depth + 1) for field in fields)
        if kind in ("array", "map"):
            return self._blocks(schema.get("items" if kind == "array" else "values"), is_map=kind == "map", depth=depth)
        if kind == "fixed":
            size = schema.get("size")
            return b"f" * size if isinstance(size, int) and 0 <= size < 64 else b""
        return long(int(self._random.random() * 3)) if kind == "enum" else self._value(kind, depth + 1)

    def _blocks(self, items: Any, *, is_map: bool, depth: int) -> bytes:  # noqa: ANN401 - as above
        odd = self._random.random() < 0.05
        count = _LONGS[int(self._random.random() * len(_LONGS))] if odd else int(self._random.random() * 3)
        if count == 0:
            return long(0)
        body = b"".join(
            (self._text() if is_map else b"") + self._value(items, depth + 1) for _ in range(min(abs(count), 3))
        )
        size = long(len(body)) if count < 0 else b""
        return long(count) + size + body + long(0)

    def _primitive(self, kind: Any) -> bytes:  # noqa: ANN401 - as above
        if kind in ("string", "bytes"):
            return self._text()
        if kind in ("int", "long"):
            return long(_LONGS[int(self._random.random() * len(_LONGS))])
        if kind in ("float", "double"):
            number = self._random.choice([0.0, 1.5, float("nan"), float("inf")])
            return struct.pack("<f" if kind == "float" else "<d", number)
        return (b"\x00", b"\x01", b"\x02")[int(self._random.random() * 3)] if kind == "boolean" else b""

    def _text(self) -> bytes:
        text = pick(self._random, self._texts if self._random.random() < 0.9 else NUMBERS)
        odd = self._random.random() < 0.02
        return long(_LONGS[int(self._random.random() * len(_LONGS))] if odd else len(text)) + text


def long(number: int) -> bytes:
    """Avro's spelling of a number: zigzag, seven bits a byte."""
    rest, out = (number << 1) ^ (number >> 63), bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def _snappy(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data)) + zlib.crc32(data).to_bytes(4, "big")


CODECS: Final[dict[bytes, Callable[[bytes], bytes]]] = {
    b"null": bytes,
    b"deflate": lambda data: zlib.compress(data)[2:-4],
    b"bzip2": bz2.compress,
    b"xz": lzma.compress,
    b"zstandard": zstandard.ZstdCompressor().compress,
    b"snappy": _snappy,
}


def container(random: Random, schema: bytes, records: list[bytes]) -> bytes:
    """A container of these records, its count now and then a lie."""
    codec = random.choice(list(CODECS)) if random.random() < 0.3 else b"null"
    count = len(records) if random.random() < 0.9 else _LONGS[int(random.random() * len(_LONGS))]
    packed = CODECS[codec](b"".join(records))
    sync = b"0123456789abcdef"
    named = b"".join(long(len(part)) + part for part in (b"avro.schema", schema, b"avro.codec", codec))
    return b"Obj\x01" + long(2) + named + long(0) + sync + long(count) + long(len(packed)) + packed + sync
