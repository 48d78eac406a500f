"""A schema as a file or a document states it: Avro, JSON Schema, or a plain list of columns.

| document | what it is |
|---|---|
| `{"type": "record", "fields": […]}` | Avro; members of records within are members here |
| `{"properties": {…}}` | JSON Schema; its types say what kind of value there is, and no more |
| `["id", {"name": "amount", "type": "double"}]`, or such a list as `columns` or `fields` | a plain list |
| `{"columns": {"id": "bigint"}}` | names and types |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from processor.judging.proposal import Field, Proposal
from processor.model.errors import UsageError
from processor.model.text import quoted

_DEEPEST = 32
_MOST_FIELDS = 20_000
_TOO_MANY = f"it has more than {_MOST_FIELDS} columns"
_JSON_TYPES = {"integer": "bigint", "number": "double", "boolean": "boolean", "string": "string"}
_FORMATS = {"date-time": "timestamp", "date": "date", "time": "time", "uuid": "uuid"}
_FORMS = (
    "state Avro (`type: record`), JSON Schema (`properties`), or columns as a list of names or of `name` and `type`"
)


def read_schema(document: object, stated_by: str, file: str | None = None) -> Proposal:
    """The columns that a document states. Raises `UsageError` that begins with `stated_by`."""
    try:
        fields, is_loose = _fields(document)
        _check_count(fields)
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"{stated_by} is no schema: {quoted(error)}; {_FORMS}") from None
    return Proposal(stated_by, file, fields, is_loose=is_loose)


def name_in(document: object) -> str | None:
    """What the document says that it is the schema of."""
    if not isinstance(document, Mapping):
        return None
    named = document.get("dataset")
    if isinstance(named, str):
        return named
    if document.get("type") == "record" and isinstance(document.get("name"), str):
        space, name = document.get("namespace"), document["name"]
        return f"{space}.{name}" if isinstance(space, str) and space and "." not in name else str(name)
    return None


def _fields(document: object) -> tuple[tuple[Field, ...], bool]:
    if isinstance(document, list):
        return tuple(_listed(document)), False
    if not isinstance(document, Mapping):
        raise TypeError("it is neither a list nor an object")
    if document.get("type") == "record":
        return tuple(_of_avro(document, 0)), False
    if isinstance(document.get("properties"), Mapping):
        return tuple(_of_json_schema(document, _Whole(document), 0)), True
    columns = document.get("columns", document.get("fields"))
    if isinstance(columns, Mapping):
        return tuple(_mapped(columns)), False
    if isinstance(columns, list):
        return tuple(_listed(columns)), False
    raise ValueError("it states no columns")


def _check_count(fields: Iterable[Field]) -> None:
    if _count(fields) > _MOST_FIELDS:
        raise ValueError(_TOO_MANY)


def _count(fields: Iterable[Field]) -> int:
    return sum(1 + _count(each.members) for each in fields)


# Plain lists


def _listed(columns: Iterable[Any], depth: int = 0) -> Iterator[Field]:
    _check(depth)
    for column in columns:
        if isinstance(column, str):
            yield Field(_name(column))
        elif isinstance(column, Mapping) and "name" in column:
            inner = column.get("fields") or ()
            yield Field(_name(column["name"]), _type(column.get("type")), tuple(_listed(inner, depth + 1)))
        else:
            raise ValueError("a column is a name, or has a `name`")


def _mapped(columns: Mapping[Any, Any]) -> Iterator[Field]:
    for name, type_ in columns.items():
        yield Field(_name(name), _type(type_))


def _name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise ValueError("a name is empty, or is no text")
    return name


def _type(stated: object) -> str | None:
    if stated is None or isinstance(stated, str):
        return stated or None
    raise ValueError("a type is no text")


# Avro


def _of_avro(record: Mapping[str, Any], depth: int) -> Iterator[Field]:
    _check(depth)
    for each in record["fields"]:
        yield Field(_name(each["name"]), _avro_text(each["type"]), tuple(_avro_members(each["type"], depth + 1)))


def _avro_text(type_: object) -> str:
    return type_ if isinstance(type_, str) else msgspec.json.encode(type_).decode()


def _avro_members(type_: object, depth: int) -> Iterator[Field]:
    _check(depth)
    if isinstance(type_, list):
        others = [branch for branch in type_ if branch != "null"]
        if len(others) == 1:
            yield from _avro_members(others[0], depth + 1)
    elif isinstance(type_, Mapping) and type_.get("type") == "record":
        yield from _of_avro(type_, depth + 1)


# JSON Schema


@dataclass(slots=True)
class _Whole:
    """A document to which references point. Few of them make very many columns, so these are counted as they come."""

    document: Mapping[str, Any]
    columns: int = 0

    def count(self) -> None:
        self.columns += 1
        if self.columns > _MOST_FIELDS:
            raise ValueError(_TOO_MANY)

    def resolved(self, stated: object) -> Mapping[str, Any]:
        """What a reference within the document stands for; anything for one that leads out of it."""
        for _ in range(_DEEPEST):
            if not isinstance(stated, Mapping):
                return {}
            pointer = stated.get("$ref")
            if not isinstance(pointer, str):
                return stated
            stated = self._at(pointer)
        return {}

    def _at(self, pointer: str) -> object:
        if not pointer.startswith("#/"):
            return {}
        found: Any = self.document
        for part in pointer.removeprefix("#/").split("/"):
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
        return found


def _of_json_schema(part: Mapping[str, Any], whole: _Whole, depth: int) -> Iterator[Field]:
    _check(depth)
    for name, stated in part["properties"].items():
        whole.count()
        inner = whole.resolved(stated)
        members = _of_json_schema(inner, whole, depth + 1) if isinstance(inner.get("properties"), Mapping) else ()
        yield Field(_name(name), _json_type(inner), tuple(members))


def _json_type(stated: Mapping[str, Any]) -> str | None:
    """None for what may be several things."""
    named = stated.get("type")
    kinds = [kind for kind in (named if isinstance(named, list) else [named]) if kind != "null"]
    if len(kinds) != 1:
        return None
    if kinds[0] == "string":
        return _FORMATS.get(str(stated.get("format")), "string")
    return _JSON_TYPES.get(str(kinds[0]))


def _check(depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
