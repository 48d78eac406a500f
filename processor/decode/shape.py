"""An event as the contract's Avro record ↔ the same event as OpenLineage JSON.

The two differ in three places only, each marked in the .avsc: a map marked `"rest"` holds what its
record does not name, as JSON text; a field marked `"json"` holds any JSON as text; and what JSON leaves
out is null in Avro.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from processor.decode.compile import Contract, is_nullable, unwrap
from processor.decode.explain import point
from processor.decode.facets import AvroType, Json
from processor.decode.node import canonical_json
from processor.model.errors import FacetProblem
from processor.model.text import quoted

_value = msgspec.json.Decoder().decode


def to_avro(event: Json, contract: Contract) -> Json:
    """The datum of the contract's Avro record for an event in JSON form. What is malformed stays so."""
    return _to_avro(event, contract.schema, contract.names)


def from_avro(record: dict[str, Any], contract: Contract) -> tuple[bytes, list[FacetProblem]]:
    """OpenLineage JSON of an event read from Avro, and the facets whose JSON text is no JSON: left out."""
    flattening = _Flattening(contract.names)
    event = flattening.value(record, contract.schema, "")
    return canonical_json(event), flattening.problems


def _to_avro(value: Json, schema: AvroType, names: Mapping[str, AvroType]) -> Json:
    found = unwrap(schema)
    found = names.get(found, found) if isinstance(found, str) else found
    kind = found["type"] if isinstance(found, dict) else found
    if kind == "record" and isinstance(value, dict):
        return _to_record(value, found, names)
    if kind == "array" and isinstance(value, list):
        return [_to_avro(item, found["items"], names) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {key: _to_avro(item, found["values"], names) for key, item in value.items()}
    return value


def _to_record(value: dict[str, Any], schema: AvroType, names: Mapping[str, AvroType]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    named = {field["name"] for field in schema["fields"] if not field.get("rest")}
    for field in schema["fields"]:
        name = field["name"]
        if field.get("rest"):
            record[name] = {key: _text(item) for key, item in value.items() if key not in named and item is not None}
        elif name in value:
            is_json = field.get("json")
            record[name] = (
                _to_json_field(value[name], field) if is_json else _to_avro(value[name], field["type"], names)
            )
    return record


def _to_json_field(value: Json, field: dict[str, Any]) -> Json:
    if value is None and is_nullable(field["type"]):
        return None
    if isinstance(unwrap(field["type"]), dict):
        return {key: _text(item) for key, item in value.items()} if isinstance(value, dict) else value
    return _text(value)


def _text(value: Json) -> str:
    return canonical_json(value).decode()


class _Flattening:
    """Avro record → JSON value. Facets that cannot be spelt are left out and noted."""

    def __init__(self, names: Mapping[str, AvroType]) -> None:
        self._names = names
        self.problems: list[FacetProblem] = []

    def value(self, value: Json, schema: AvroType, at: str) -> Json:
        """The JSON value of an Avro datum; `at` is its pointer in the event.

        fastavro lets some writers' types through that do not match ours; reading the JSON refuses them.
        """
        if value is None:
            return None
        found = unwrap(schema)
        found = self._names.get(found, found) if isinstance(found, str) else found
        kind = found["type"] if isinstance(found, dict) else found
        if kind == "record" and isinstance(value, dict):
            return self._facets(value, found, at) if "container" in found else self._record(value, found, at)
        if kind == "array" and isinstance(value, list):
            return [self.value(item, found["items"], point(at, index)) for index, item in enumerate(value)]
        if kind == "map" and isinstance(value, dict):
            return {key: self.value(item, found["values"], point(at, key)) for key, item in value.items()}
        return value

    def _record(self, value: dict[str, Any], schema: AvroType, at: str) -> dict[str, Any]:
        flat: dict[str, Any] = {}
        for field in schema["fields"]:
            name, item = field["name"], value.get(field["name"])
            if item is None:
                continue
            if field.get("rest"):
                flat = {key: _value(text) for key, text in item.items()} | flat
            else:
                is_json = field.get("json")
                flat[name] = _from_json_field(item) if is_json else self.value(item, field["type"], point(at, name))
        return flat

    def _facets(self, value: dict[str, Any], schema: AvroType, at: str) -> dict[str, Any]:
        """Each facet on its own: one whose JSON text is no JSON must not take the others along."""
        flat: dict[str, Any] = {}
        for field in schema["fields"]:
            item = value.get(field["name"])
            if field.get("rest"):
                for name, text in item.items() if isinstance(item, dict) else ():
                    self._facet(flat, name, at, partial(_from_text, text))
            elif item is not None:
                self._facet(flat, field["name"], at, partial(self.value, item, field["type"]))
        return flat

    def _facet(self, flat: dict[str, Any], name: str, at: str, read: Callable[[str], Any]) -> None:
        where = point(at, name)
        try:
            found = read(where)
        except (msgspec.DecodeError, RecursionError) as error:
            self.problems.append(FacetProblem(where, name, f"carries text that is no JSON: {quoted(error)}"))
            return
        flat.setdefault(name, found)


def _from_text(text: str, _at: str) -> Json:
    return _value(text)


def _from_json_field(item: Json) -> Json:
    return {key: _value(text) for key, text in item.items()} if isinstance(item, dict) else _value(item)
