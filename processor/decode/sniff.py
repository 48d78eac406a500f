"""What the bytes of a record look like, from their first few."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from processor.decode.avro import SINGLE_OBJECT_MAGIC
from processor.decode.container import MAGIC

SCHEMA_ID_HEADER = "__value_schema_id"
"""Header in which Confluent's newer serializers put the schema's id. Source: confluent-kafka 2.11."""

Headers = Sequence[tuple[str, bytes | None]]


class Format(StrEnum):
    """Formats of a topic; `AUTO` looks at each record."""

    AUTO = "auto"
    OPENLINEAGE = "openlineage"
    AVRO_CONTAINER = "avro-container"
    AVRO_SINGLE = "avro-single"
    CONFLUENT = "confluent"


_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"\x04\x22\x4d\x18", "LZ4"),
    (b"\x82SNAPPY", "framed Snappy"),
    (b"\xff\x06\x00\x00sNaPpY", "framed Snappy"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PAR1", "Parquet"),
    (b"ORC", "ORC"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
    (b"{\x00", "UTF-16 text"),
    (b"\x00{", "UTF-16 text"),
    (b"\x16\x03", "a TLS handshake"),
    (b"HTTP/", "an HTTP response"),
    (b"GET ", "an HTTP request"),
    (b"POST ", "an HTTP request"),
    (b"PUT ", "an HTTP request"),
    (b"<", "XML or HTML"),
    (b"\xac\xed\x00\x05", "a serialized Java object"),
    (b"\x80\x04", "a Python pickle"),
    (b"\xd9\xd9\xf7", "CBOR"),
)
BOM = b"\xef\xbb\xbf"
"""Byte order mark of UTF-8, which some editors and tools put in front."""

_LEN_FIELD_1 = 0x0A
_MSGPACK_MAPS = (*range(0x81, 0x90), 0xDE, 0xDF)
_SHOWN_BYTES = 8
_SCALAR_STARTS = frozenset(bytes([byte]) for byte in b'"-0123456789tfn')
_read_scalar: Final = msgspec.json.Decoder(str | int | float | bool | None).decode


def sniff(value: bytes, headers: Headers = ()) -> Format | None:
    """The format of a record, or None for one that is none of ours."""
    for name, _ in headers:
        if name == SCHEMA_ID_HEADER:
            return Format.CONFLUENT
    if value.startswith(MAGIC):
        return Format.AVRO_CONTAINER
    if value.startswith(SINGLE_OBJECT_MAGIC):
        return Format.AVRO_SINGLE
    if first_of_text(value) in (b"{", b"[") and value[1:2] != b"\x00":
        return Format.OPENLINEAGE
    if value[:1] == b"\x00" and value[1:2] not in (b"{", b"["):
        return Format.CONFLUENT
    return None


def first_of_text(value: bytes) -> bytes:
    """The first character of a text that says something, as one byte; empty if there is none."""
    first = value[:1]
    return first if first == b"{" else value.removeprefix(BOM).lstrip()[:1]


def is_scalar(value: bytes) -> bool:
    """Whether it is a JSON string, number, true, false or null."""
    if first_of_text(value) not in _SCALAR_STARTS:
        return False
    try:
        _read_scalar(value.removeprefix(BOM))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def describe(value: bytes) -> str:
    """What the bytes look like, for a person: a known format, or their first few in hex."""
    for start, name in _FOREIGN:
        if value.startswith(start):
            return name
    if value[:1] == b"\x00":
        return "Confluent framing"
    if len(value) > 1 and value[0] == _LEN_FIELD_1 and value[1] < len(value) and value[1] != _LEN_FIELD_1:
        return "a Protocol Buffers message"
    if value[:1] and value[0] in _MSGPACK_MAPS:
        return "MessagePack"
    return _describe_text(value)


def _describe_text(value: bytes) -> str:
    if is_scalar(value):
        return f"{value.strip()[:_SHOWN_BYTES].decode('utf-8', 'replace')!r}, a JSON value without members"
    if value.isascii() and value.decode("ascii").isprintable():
        return "plain text"
    return f"unknown bytes {value[:_SHOWN_BYTES].hex(' ')}"
