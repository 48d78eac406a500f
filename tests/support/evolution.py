"""Whether one Avro schema reads what another wrote. Source: Avro 1.12 specification, "Schema Resolution"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

AvroType: TypeAlias = Any

_PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
_RECORDS = {"record", "error"}
_NAMED = {*_RECORDS, "enum", "fixed"}


class Reading:
    """One schema reading another. `problems` says, place by place, what it could not read."""

    def __init__(self, reader: AvroType, writer: AvroType) -> None:
        self._readers = dict(named_types(reader))
        self._writers = dict(named_types(writer))
        self._seen: set[tuple[str, str]] = set()
        self.problems = list(self._compare(reader, writer, ""))

    def _compare(self, reader: AvroType, writer: AvroType, at: str) -> Iterator[str]:
        reader, writer = _definition(reader, self._readers), _definition(writer, self._writers)
        if isinstance(writer, list):
            for branch in writer:
                yield from self._compare(reader, branch, at)
        elif isinstance(reader, list):
            if not any(self._fits(branch, writer, at) for branch in reader):
                yield f"{at}: no branch of the reader's union reads {_kind(writer)}"
        elif _kind(reader) != _kind(writer):
            if _kind(reader) not in _PROMOTIONS.get(_kind(writer), set()):
                yield f"{at}: {_kind(writer)} became {_kind(reader)}"
        elif _kind(reader) in _NAMED:
            yield from self._compare_named(reader, writer, at)
        elif _kind(reader) in {"array", "map"}:
            inner = "items" if _kind(reader) == "array" else "values"
            yield from self._compare(reader[inner], writer[inner], f"{at}[]")

    def _fits(self, reader: AvroType, writer: AvroType, at: str) -> bool:
        seen = set(self._seen)
        fits = not list(self._compare(reader, writer, at))
        if not fits:
            self._seen = seen
        return fits

    def _compare_named(self, reader: dict[str, Any], writer: dict[str, Any], at: str) -> Iterator[str]:
        names = (reader["name"].rpartition(".")[2], writer["name"].rpartition(".")[2])
        if names[0] != names[1] and names[1] not in reader.get("aliases", ()):
            yield f"{at}: {names[1]} became {names[0]}"
        elif names not in self._seen:
            self._seen.add(names)
            yield from {"enum": _compare_enums, "fixed": _compare_fixed}.get(_kind(reader), self._compare_records)(
                reader, writer, at
            )

    def _compare_records(self, reader: dict[str, Any], writer: dict[str, Any], at: str) -> Iterator[str]:
        written = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            place = f"{at}/{field['name']}"
            known = [name for name in (field["name"], *field.get("aliases", ())) if name in written]
            if known:
                yield from self._compare(field["type"], written[known[0]]["type"], place)
            elif "default" not in field:
                yield f"{place}: not written, and without a default"


def can_read(reader: AvroType, writer: AvroType) -> list[str]:
    """What `reader` cannot read of what `writer` writes; empty if it reads all."""
    return Reading(reader, writer).problems


def undocumented(schema: AvroType, at: str = "") -> Iterator[str]:
    """Named types and fields without a `doc`."""
    for name, definition in named_types(schema):
        if not definition.get("doc"):
            yield f"{at}{name}"
        for field in definition.get("fields", ()):
            if not field.get("doc"):
                yield f"{at}{name}.{field['name']}"


def named_types(schema: AvroType) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every record, enum and fixed that the schema defines, by unqualified name."""
    if isinstance(schema, list):
        for branch in schema:
            yield from named_types(branch)
    if not isinstance(schema, dict):
        return
    if schema["type"] in _NAMED:
        yield schema["name"].rpartition(".")[2], schema
    inner = [field["type"] for field in schema.get("fields", ())]
    for child in [*inner, schema.get("items"), schema.get("values"), schema["type"]]:
        yield from named_types(child)


def _compare_enums(reader: dict[str, Any], writer: dict[str, Any], at: str) -> Iterator[str]:
    unknown = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
    if unknown and "default" not in reader:
        yield f"{at}: unknown symbols {unknown}, and no default"


def _compare_fixed(reader: dict[str, Any], writer: dict[str, Any], at: str) -> Iterator[str]:
    if reader["size"] != writer["size"]:
        yield f"{at}: another size"


def _definition(schema: AvroType, names: Mapping[str, AvroType]) -> AvroType:
    if isinstance(schema, dict) and isinstance(schema["type"], dict | list):
        return _definition(schema["type"], names)
    if isinstance(schema, dict) and schema["type"] not in {*_NAMED, "array", "map"}:
        return schema["type"]
    return names.get(schema.rpartition(".")[2], schema) if isinstance(schema, str) else schema


def _kind(schema: AvroType) -> str:
    return str(schema["type"] if isinstance(schema, dict) else schema)
