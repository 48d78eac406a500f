"""Bytes and schemas that were made to cost: what is read of them is capped."""

import bz2
import io
import json
import lzma
import zlib
from collections.abc import Callable
from typing import Any

import fastavro
import pytest
import zstandard

from processor.decode import (
    Decoder,
    Limits,
    RegisteredSchema,
    build_decoder,
)
from processor.decode.avro import fingerprint_of
from processor.model.errors import Reason
from tests.support.formats import JSON, SCHEMAS, Registry, avro, bad, confluent, good, limited_decoder, record, single


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return limited_decoder()


def packed(codec: str, block: bytes) -> bytes:
    """A container of one record, its block already compressed."""
    metadata = [text(b"avro.codec"), text(codec.encode()), text(b"avro.schema"), text(SCHEMAS.event.encode())]
    head = [b"Obj\x01", long_(2), *metadata, b"\x00", b"S" * 16]
    return b"".join([*head, long_(1), text(block), b"S" * 16])


def long_(number: int) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "long", number)
    return out.getvalue()


def text(data: bytes) -> bytes:
    return long_(len(data)) + data


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("codec", "compress"),
    [("deflate", deflated), ("bzip2", bz2.compress), ("xz", lzma.compress), ("zstandard", zstandard.compress)],
)
def test_a_block_that_unpacks_to_too_much_is_rejected_and_a_good_one_read(
    decoder: Decoder, codec: str, compress: Callable[[bytes], bytes]
) -> None:
    assert bad(decoder(packed(codec, compress(b"\x00" * 50_000_000)))).reason is Reason.TOO_LARGE
    assert good(decoder(packed(codec, compress(avro())))) == good(decoder(JSON))


def nested_columns(levels: int) -> dict[str, Any]:
    column: dict[str, Any] = {"name": "leaf"}
    for _ in range(levels):
        column = {"name": "node", "fields": [column]}
    dataset = {"namespace": "n", "name": "t", "facets": {"schema": {"fields": [column]}}}
    return {"eventTime": "2026-03-02T06:00:00Z", "producer": "p", "dataset": dataset}


def test_columns_nested_five_thousand_deep_do_not_end_the_process(decoder: Decoder) -> None:
    """fastavro reads our own recursive record down to a crash of the process; what it reads is capped."""
    shallow = avro(nested_columns(2))
    start = shallow.index(b"\x08node")
    level = shallow[start : shallow.index(b"\x08node", start + 1)]
    bomb = shallow[:start] + level * 5_000
    found = bad(decoder(b"\xc3\x01" + fingerprint_of(SCHEMAS.event) + bomb))
    assert found.reason is Reason.BAD_AVRO


def test_columns_as_deep_as_in_json_are_read(decoder: Decoder) -> None:
    event = nested_columns(20)
    assert good(decoder(single(event))) == good(decoder(json.dumps(event).encode()))


def ladder(levels: int, leaf: object) -> dict[str, Any]:
    """Records that each hold the one before twice: small to write down, huge when followed."""
    rungs = [record(f"R{i}", *([f"R{i - 1}"] * 2 if i else [leaf])) for i in range(levels)]
    return record("LineageEvent", *rungs)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": "null"},
        {"type": "array", "items": record("Empty")},
        {"type": "array", "items": record("Nulls", "null", record("More", "null"))},
        ladder(40, "null"),
        ladder(40, "int"),
        record("LineageEvent", *[record(f"C{i}", f"C{i - 1}" if i else "int") for i in range(3_000)]),
        record("LineageEvent", "Undefined"),
        {"type": "record", "name": "LineageEvent"},
        {"type": "fixed", "name": "F", "size": -1},
        {"type": "enum", "name": "E"},
        {"type": [[]]},
        5,
        None,
    ],
)
def test_a_schema_that_is_not_safe_to_follow_is_refused(schema: object) -> None:
    registry = Registry(RegisteredSchema((json.dumps(schema),)))
    found = build_decoder("confluent", SCHEMAS, registry)(confluent(b"\x80\x94\xeb\xdc\x03\x00"))
    assert bad(found).reason in {Reason.SCHEMA_REFUSED, Reason.BAD_AVRO}


@pytest.mark.parametrize("levels", [200, 100_000])
def test_a_schema_that_nests_too_deep_is_refused(levels: int) -> None:
    registry = Registry(RegisteredSchema(('{"type": "array", "items": ' * levels + '"int"' + "}" * levels,)))
    found = build_decoder("confluent", SCHEMAS, registry)(confluent(b"\x00"))
    assert bad(found).reason is Reason.SCHEMA_REFUSED


def test_a_schema_that_is_too_long_is_refused() -> None:
    decoder = build_decoder("confluent", SCHEMAS, Registry(), Limits(schema_bytes=1_000))
    assert bad(decoder(confluent(avro()))).reason is Reason.SCHEMA_REFUSED
