"""Avro schemas from outside, made safe before a decoder sees them.

fastavro follows a schema wherever it leads: a recursive one nests as deep as the data says and ends the
process (SIGSEGV, no exception), an array of nulls makes millions of items out of five bytes, and records
of records grow without bounds. Rules kept here:
- text and nesting of a schema are capped;
- recursion is unrolled to `Limits.depth` levels: at the bottom stands a record that no data can fill;
- what takes no bytes is refused as the item of an array;
- an array whose end fastavro does not notice while it skips it (`overruns`) is read from a stream that does;
- a record that expands to more than `Limits.schema_nodes` parts without an array or union is refused.

Source of names and of what may stand where: Avro 1.12 specification, "Schema Declaration", "Names".
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from processor.decode.facets import AvroType, Json
from processor.decode.limits import Limits
from processor.decode.node import is_deeper

_RECORDS = frozenset({"record", "error"})
_NAMED = frozenset({"record", "error", "enum", "fixed"})
_PRIMITIVE_BYTES = {"null": 0, "boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8, "bytes": 1, "string": 1}
_SEEING = frozenset({"int", "long", "bytes", "string"})
_MAX_NESTING = 128
_MAX_EMITTED_DEPTH = 512
_BOTTOM_BYTES = 2**31 - 1
_BOTTOM = "NestedTooDeep"


class RefusedSchemaError(Exception):
    """A schema that will not be given to a decoder; the message says why."""


def safe_schema(texts: Sequence[str], limits: Limits) -> AvroType:
    """The last of `texts` with the names that the ones before define, its recursion unrolled.

    Raises `RefusedSchemaError`.
    """
    try:
        return _safe_schema(texts, limits)
    except RecursionError:
        raise RefusedSchemaError("the schema nests too deep") from None


def _safe_schema(texts: Sequence[str], limits: Limits) -> AvroType:
    definitions: dict[str, AvroType] = {}
    schema: AvroType = None
    for text in texts:
        schema = _load(text, limits)
        for name, definition in _definitions(schema, ""):
            definitions.setdefault(name, definition)
    emitted = _Unroller(definitions, limits).emit(schema, "", 0, 0)
    _Weights(emitted, limits).check()
    return emitted


def overruns(schema: AvroType) -> bool:
    """Whether fastavro, skipping an array of this parsed schema, may run past the end of the data for ever.

    It checks the end where it reads a length or a number of the variable kind, and nowhere else.
    """
    named = dict(_definitions(schema, ""))
    return any(_is_blind(array["items"], named) for array in _arrays(schema))


def _arrays(schema: AvroType) -> Iterator[dict[str, Any]]:
    if isinstance(schema, list):
        for branch in schema:
            yield from _arrays(branch)
    elif isinstance(schema, dict):
        if schema["type"] == "array":
            yield schema
        for child in _children(schema):
            yield from _arrays(child)


def _is_blind(schema: AvroType, named: dict[str, AvroType]) -> bool:
    """Whether nothing in it makes fastavro look for the end."""
    found = named.get(schema, schema) if isinstance(schema, str) else schema
    if isinstance(found, dict) and found["type"] in _RECORDS:
        return all(_is_blind(field["type"], named) for field in found["fields"])
    if isinstance(found, dict):
        return bool(found["type"] == "fixed")
    return isinstance(found, str) and found not in _SEEING


def _load(text: str, limits: Limits) -> AvroType:
    if len(text) > limits.schema_bytes:
        raise RefusedSchemaError(f"the schema is longer than {limits.schema_bytes} bytes")
    if is_deeper(text.encode("utf-8", "replace"), _MAX_NESTING):
        raise RefusedSchemaError(f"the schema nests deeper than {_MAX_NESTING}")
    try:
        return json.loads(text)
    except ValueError as error:
        raise RefusedSchemaError(f"the schema is not JSON: {error}") from None


def _definitions(schema: AvroType, namespace: str) -> Iterator[tuple[str, AvroType]]:
    """Every named type with its full name, in the order of their definition."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _definitions(branch, namespace)
    if not isinstance(schema, dict):
        return
    if _kind(schema) in _NAMED:
        name = full_name(str(schema.get("name")), schema.get("namespace", namespace))
        namespace = name.rpartition(".")[0]
        yield name, {**schema, "name": name, "namespace": namespace}
    for child in _children(schema):
        yield from _definitions(child, namespace)


def _children(schema: dict[str, Any]) -> Iterator[AvroType]:
    kind = _kind(schema)
    if kind in _RECORDS:
        fields = schema.get("fields")
        if not isinstance(fields, list):
            raise RefusedSchemaError("a record without fields")
        yield from (field.get("type") for field in fields if isinstance(field, dict))
    elif kind in {"array", "map"}:
        yield schema.get("items" if kind == "array" else "values")
    elif kind not in _NAMED:
        yield schema.get("type")


def _kind(schema: dict[str, Any]) -> str:
    """What stands under "type" if that is a word; the empty string for a type within a type."""
    kind = schema.get("type")
    return kind if isinstance(kind, str) else ""


def full_name(name: str, namespace: str | None) -> str:
    """A name with its namespace, unless it has one already."""
    return name if "." in name or not namespace else f"{namespace}.{name}"


class _Unroller:
    """Copies a schema, each level of a recursion under a name of its own."""

    def __init__(self, definitions: dict[str, AvroType], limits: Limits) -> None:
        self._definitions = definitions
        self._levels = limits.depth
        self._nodes_left = limits.schema_nodes
        self._open: set[tuple[str, int]] = set()
        self._emitted: set[tuple[str, int]] = set()
        self._bottom_name = _free_name(definitions)
        self._has_bottom = False

    def emit(self, schema: AvroType, namespace: str, level: int, depth: int) -> AvroType:
        """The copy of `schema` at `level` of the recursion that it stands in."""
        self._nodes_left -= 1
        if self._nodes_left < 0 or depth > _MAX_EMITTED_DEPTH:
            raise RefusedSchemaError("the schema is too large or nests too deep")
        if isinstance(schema, list):
            return [self.emit(branch, namespace, level, depth + 1) for branch in schema]
        if isinstance(schema, str):
            return schema if schema in _PRIMITIVE_BYTES else self._named(schema, namespace, level, depth)
        if not isinstance(schema, dict):
            raise RefusedSchemaError("a part of the schema is neither a name, a list nor an object")
        return self._complex(schema, namespace, level, depth)

    def _complex(self, schema: dict[str, Any], namespace: str, level: int, depth: int) -> AvroType:
        kind = _kind(schema)
        if kind in _NAMED:
            name = full_name(str(schema.get("name")), schema.get("namespace", namespace))
            return self._named(name, "", level, depth)
        if kind in {"array", "map"}:
            inner = "items" if kind == "array" else "values"
            return {"type": kind, inner: self.emit(schema.get(inner), namespace, level, depth + 1)}
        # A primitive, or a type within a type. Logical types are left out: the contract has none.
        return self.emit(schema.get("type"), namespace, level, depth + 1)

    def _named(self, name: str, namespace: str, level: int, depth: int) -> AvroType:
        full = full_name(name, namespace)
        found = full if full in self._definitions else name
        if found not in self._definitions:
            raise RefusedSchemaError(f"the schema uses {name[:80]!r} and does not define it")
        if (found, level) in self._open:
            level += 1
        if level > self._levels:
            return self._bottom()
        if (found, level) in self._emitted:
            return _leveled(found, level)
        return self._define(found, level, depth)

    def _define(self, name: str, level: int, depth: int) -> AvroType:
        schema = self._definitions[name]
        kept = {key: schema[key] for key in ("type", "symbols", "size", "default", "aliases") if key in schema}
        copy = {**kept, "name": _leveled(name, level)}
        self._emitted.add((name, level))
        if schema["type"] in _RECORDS:
            self._open.add((name, level))
            copy["fields"] = [self._field(field, schema["namespace"], level, depth) for field in schema["fields"]]
            self._open.discard((name, level))
        return copy

    def _field(self, field: Json, namespace: str, level: int, depth: int) -> dict[str, Any]:
        if not isinstance(field, dict):
            raise RefusedSchemaError("a field that is not an object")
        kept = {key: field[key] for key in ("name", "default", "aliases") if key in field}
        return {**kept, "type": self.emit(field.get("type"), namespace, level, depth + 1)}

    def _bottom(self) -> AvroType:
        if self._has_bottom:
            return self._bottom_name
        self._has_bottom = True
        # The number in front is what shows fastavro the end of the data when it skips an array of these.
        rest = {"type": "fixed", "name": f"{self._bottom_name}Still", "size": _BOTTOM_BYTES}
        fields = [{"name": "number", "type": "long"}, {"name": "rest", "type": rest}]
        return {"type": "record", "name": self._bottom_name, "fields": fields}


def _free_name(definitions: Collection[str]) -> str:
    """A name that no definition of the schema has: one that had it would be taken for the bottom, and never end."""
    name = _BOTTOM
    while any(each.rpartition(".")[2].startswith(name) for each in definitions):
        name += "_"
    return name


def _leveled(name: str, level: int) -> str:
    return name if level == 0 else f"{name}__{level}"


class _Weights:
    """How many bytes the parts of an unrolled schema take at least, and to how many parts they expand."""

    def __init__(self, schema: AvroType, limits: Limits) -> None:
        self._schema = schema
        self._limit = limits.schema_nodes
        self._named = dict(_definitions(schema, ""))
        self._known: dict[str, tuple[int, int, int]] = {}

    def check(self) -> None:
        """Raise `RefusedSchemaError` for a schema under which few bytes become much."""
        self._measure(self._schema, 0)

    def _measure(self, schema: AvroType, depth: int) -> tuple[int, int, int]:
        """Least bytes, parts, and depth of one value of this type."""
        if depth > _MAX_EMITTED_DEPTH:
            raise RefusedSchemaError("the schema nests too deep")
        if isinstance(schema, list):
            inner = [self._measure(branch, depth + 1) for branch in schema]
            return 1, 1, 1 + max((deep for _, _, deep in inner), default=0)
        if isinstance(schema, str) and schema in _PRIMITIVE_BYTES:
            return _PRIMITIVE_BYTES[schema], 1, 1
        if isinstance(schema, str):
            return self._measure_named(self._named[schema], depth)
        return self._measure_complex(schema, depth)

    def _measure_complex(self, schema: dict[str, Any], depth: int) -> tuple[int, int, int]:
        kind = schema["type"]
        if kind in _NAMED:
            return self._measure_named(schema, depth)
        least, _, deep = self._measure(schema["items" if kind == "array" else "values"], depth + 1)
        if kind == "array" and least == 0:
            raise RefusedSchemaError("an array of what takes no bytes")
        return 1, 1, deep + 1

    def _measure_named(self, schema: dict[str, Any], depth: int) -> tuple[int, int, int]:
        name = schema["name"]
        if name not in self._known:
            self._known[name] = (0, 1, 1)
            self._known[name] = self._measure_fresh(schema, depth)
        known = self._known[name]
        if depth + known[2] > _MAX_EMITTED_DEPTH:
            raise RefusedSchemaError("the schema nests too deep")
        return known

    def _measure_fresh(self, schema: dict[str, Any], depth: int) -> tuple[int, int, int]:
        if schema["type"] == "enum":
            return 1, 1, 1
        if schema["type"] == "fixed":
            size = schema.get("size")
            if not isinstance(size, int) or size < 0:
                raise RefusedSchemaError("a fixed without a size")
            return size, 1, 1
        fields = [self._measure(field["type"], depth + 1) for field in schema["fields"]]
        parts = 1 + sum(part for _, part, _ in fields)
        if parts > self._limit:
            raise RefusedSchemaError("a record expands to too many parts")
        return sum(least for least, _, _ in fields), parts, 1 + max((deep for _, _, deep in fields), default=0)
