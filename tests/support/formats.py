"""One event in the bytes of every format, and what decoders make of bytes."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import fastavro

from processor.decode import (
    Decoder,
    Limits,
    RegisteredSchema,
    TypedEvents,
    build_decoder,
    read_schemas,
)
from processor.decode.avro import fingerprint_of
from processor.decode.compile import compile_contract
from processor.decode.shape import to_avro
from processor.model.errors import Rejected
from processor.resources import schemas_dir

SAMPLES = Path(__file__).parent.parent / "samples"
SCHEMAS = read_schemas(schemas_dir())
CONTRACT = compile_contract(SCHEMAS.event)
OURS = fastavro.parse_schema(json.loads(SCHEMAS.event))
EVENT: dict[str, Any] = json.loads((SAMPLES / "dbt_model_complete.json").read_bytes())
JSON = json.dumps(EVENT).encode()
GUID = "1f8a4d52-7c4b-4c8e-9a53-0d1c2b3a4f5e"


class Registry:
    """A registry that holds the contract as schema 7, and under a GUID."""

    def __init__(self, schema: RegisteredSchema | None = None) -> None:
        self.schema = schema or RegisteredSchema((SCHEMAS.event,))

    def by_id(self, schema_id: int) -> RegisteredSchema | None:
        return self.schema if schema_id == 7 else None

    def by_guid(self, guid: str) -> RegisteredSchema | None:
        return self.schema if guid == GUID else None


def limited_decoder() -> Decoder:
    """Of every format, with the registry."""
    return build_decoder("auto", SCHEMAS, Registry(), Limits(value_bytes=200_000, avro_bytes=100_000))


def avro(event: dict[str, Any] = EVENT) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, OURS, to_avro(event, CONTRACT))
    return out.getvalue()


def single(event: dict[str, Any] = EVENT) -> bytes:
    return b"\xc3\x01" + fingerprint_of(SCHEMAS.event) + avro(event)


def container(*events: dict[str, Any], codec: str = "null") -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, OURS, [to_avro(event, CONTRACT) for event in events], codec=codec)
    return out.getvalue()


def confluent(payload: bytes, schema_id: int = 7) -> bytes:
    return struct.pack(">bI", 0, schema_id) + payload


def good(found: object) -> TypedEvents:
    assert isinstance(found, TypedEvents), found
    return found


def bad(found: object) -> Rejected:
    assert isinstance(found, Rejected), found
    return found


def record(name: str, *types: object) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": f"f{i}", "type": kind} for i, kind in enumerate(types)]}
