"""Where exactly a value breaks its Avro record: an RFC 6901 pointer and a sentence.

Decoding says that something is wrong and is fast; this says where, and runs only then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from processor.decode.compile import is_nullable, unwrap
from processor.decode.facets import AvroType, Json

_INT_BITS = {"int": 31, "long": 63}
_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_WORDS = {"record": "object", "map": "object", "double": "number", "float": "number", "enum": "string"}
_WANTED = {"boolean": bool, "string": str, "array": list, "map": dict, "record": dict, "enum": str, "null": type(None)}


class Breach(NamedTuple):
    """One place where a value is not what its record says. `pointer` is relative to the value."""

    pointer: str
    detail: str


def point(pointer: str, member: str | int) -> str:
    """Extend an RFC 6901 pointer by a member name or an index."""
    return f"{pointer}/{str(member).replace('~', '~0').replace('/', '~1')}"


def breaches(value: Json, schema: AvroType, names: Mapping[str, AvroType], at: str = "") -> Iterator[Breach]:
    """Yield each place where JSON `value` is not of type `schema`, outermost first."""
    if value is None and is_nullable(schema):
        return
    found = unwrap(schema)
    found = names.get(found, found) if isinstance(found, str) else found
    kind = found["type"] if isinstance(found, dict) else found
    if not _is_kind(value, kind):
        yield Breach(at, f"expected {_WORDS.get(kind, kind)}, got {_NAMES.get(type(value), 'something else')}")
        return
    yield from _inside(value, found, kind, names, at)


def _inside(value: Json, schema: AvroType, kind: str, names: Mapping[str, AvroType], at: str) -> Iterator[Breach]:
    if kind == "record":
        yield from _record(value, schema, names, at)
    elif kind == "array":
        for index, item in enumerate(value):
            yield from breaches(item, schema["items"], names, point(at, index))
    elif kind == "map":
        for key, item in value.items():
            yield from breaches(item, schema["values"], names, point(at, key))
    elif kind == "enum" and value not in schema["symbols"]:
        yield Breach(at, f"expected one of {', '.join(schema['symbols'])}")
    elif kind in _INT_BITS and not -(1 << _INT_BITS[kind]) <= value < 1 << _INT_BITS[kind]:
        yield Breach(at, f"out of the range of {kind}")


def _record(value: dict[str, Any], schema: AvroType, names: Mapping[str, AvroType], at: str) -> Iterator[Breach]:
    if "container" in schema:
        return
    for field in schema["fields"]:
        name = field["name"]
        if field.get("rest"):
            continue
        if name in value:
            yield from _member(value[name], field, names, point(at, name))
        elif "default" not in field:
            yield Breach(point(at, name), "missing")


def _member(value: Json, field: dict[str, Any], names: Mapping[str, AvroType], at: str) -> Iterator[Breach]:
    inner = unwrap(field["type"])
    if not field.get("json"):
        yield from breaches(value, field["type"], names, at)
    elif isinstance(inner, dict) and not isinstance(value, dict | None):
        yield Breach(at, f"expected object, got {_NAMES.get(type(value), 'something else')}")


def _is_kind(value: Json, kind: str) -> bool:
    if kind in _INT_BITS:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind in {"float", "double"}:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, _WANTED.get(kind, object))
