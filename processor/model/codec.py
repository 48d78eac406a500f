"""Changes and alerts as bytes: Avro in single-object encoding.

A record is `C3 01`, the 8-byte CRC-64-AVRO fingerprint of the writer's schema (little-endian) and the
Avro binary of `schemas/lineage_change.avsc` or `schemas/lineage_alert.avsc`. A record that an older release wrote is
found by that fingerprint among `schemas/released`, and read as Avro resolves the two versions.
Source: Avro 1.12 specification, "Single-object encoding".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from io import BytesIO
from typing import Any, Final, TypeVar

import msgspec
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from fastavro.schema import fingerprint, to_parsing_canonical_form

from processor.model.alert import Alert
from processor.model.change import Change
from processor.model.errors import LineageError
from processor.model.fields import alert_fields, change_fields, to_alert, to_change
from processor.model.text import quoted
from processor.resources import released_texts, schema_text

__all__ = ["SchemaCodec", "UnreadableRecordError", "decode_alert", "decode_change", "encode_alert", "encode_change"]

CHANGE_SCHEMA: Final = "lineage_change.avsc"
ALERT_SCHEMA: Final = "lineage_alert.avsc"
_json: Final = msgspec.json.Decoder().decode
_MAGIC: Final = b"\xc3\x01"
_HEADER_BYTES: Final = 10

_Fields = dict[str, Any]
T = TypeVar("T")


class UnreadableRecordError(LineageError):
    """These bytes are no change or alert that this version can read; the message says why."""


def encode_change(change: Change) -> bytes:
    """Encode a change, ready for the topic."""
    return _codec(CHANGE_SCHEMA).encode(change_fields(change))


def decode_change(data: bytes) -> Change:
    """Inverse of `encode_change`; items of kinds that only a newer version knows are left out."""
    return _made(to_change, _codec(CHANGE_SCHEMA).decode(data))


def encode_alert(alert: Alert) -> bytes:
    """Encode an alert, ready for the topic."""
    return _codec(ALERT_SCHEMA).encode(alert_fields(alert))


def decode_alert(data: bytes) -> Alert:
    """Inverse of `encode_alert`."""
    return _made(to_alert, _codec(ALERT_SCHEMA).decode(data))


class SchemaCodec:
    """Records of one schema. `writers`: other versions of it, which single-object encoding names by fingerprint."""

    def __init__(self, name: str, text: str, writers: Sequence[str] = ()) -> None:
        """Parse the schemas; `name` is for messages."""
        self._name = name
        self._header, self._schema = _parsed(text)
        self._writers = dict(map(_parsed, writers))

    def encode(self, fields: _Fields) -> bytes:
        """Encode a record with the schema itself."""
        out = BytesIO()
        out.write(self._header)
        schemaless_writer(out, self._schema, fields)
        return out.getvalue()

    def decode(self, data: bytes) -> _Fields:
        """Decode a record of any known version, as the schema itself says it. Raises `UnreadableRecordError`."""
        header = data[:_HEADER_BYTES]
        if header == self._header:
            return self._read(data, self._schema, None)
        if header in self._writers:
            return self._read(data, self._writers[header], self._schema)
        raise UnreadableRecordError(f"not written with {self._name} of a known version (header {header.hex()})")

    def _read(self, data: bytes, writer: Any, reader: Any) -> _Fields:  # noqa: ANN401  parsed schemas
        body = BytesIO(data)
        body.seek(_HEADER_BYTES)
        try:
            fields = schemaless_reader(body, writer, reader)
        except (EOFError, ValueError, IndexError, OverflowError, MemoryError, SchemaResolutionError) as error:
            raise UnreadableRecordError(f"broken Avro for {self._name}: {quoted(error)}") from error
        if not isinstance(fields, dict) or body.read(1):
            raise UnreadableRecordError(f"bytes left after a record of {self._name}")
        return fields


@cache
def _codec(name: str) -> SchemaCodec:
    return SchemaCodec(name, schema_text(name), released_texts(name))


def _parsed(text: str) -> tuple[bytes, Any]:
    """Make the header of a schema's records, and parse it. Times stay integers: logical types are left out."""
    raw = _json(text)
    # fastavro gives the fingerprint's bytes in the order that the header wants, least significant first.
    crc = bytes.fromhex(fingerprint(to_parsing_canonical_form(raw), "CRC-64-AVRO"))
    return _MAGIC + crc, parse_schema(_without_logical_types(raw))


def _without_logical_types(schema: Any) -> Any:  # noqa: ANN401  an Avro schema is any JSON
    if isinstance(schema, list):
        return [_without_logical_types(part) for part in schema]
    if isinstance(schema, dict):
        return {key: _without_logical_types(part) for key, part in schema.items() if key != "logicalType"}
    return schema


def _made(make: Callable[[_Fields], T], fields: _Fields) -> T:
    """The value that the fields spell; a word or a number that it cannot hold makes the record unreadable."""
    try:
        return make(fields)
    except (ValueError, LookupError) as error:
        raise UnreadableRecordError(f"a value that this version does not know: {quoted(error)}") from error
