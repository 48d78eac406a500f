"""Avro bytes → JSON of the event, resolved from the writer's schema to the contract.

Rules kept here:
- a writer's schema is made safe before it is used (`foreign`), and that is done once for each schema;
- all bytes of a record must be consumed;
- what an Avro record says is spelt as OpenLineage JSON and then read as any other event, so that both
  transports meet the same rules and end in the same digest.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any, BinaryIO

import fastavro
from fastavro.read import SchemaResolutionError
from fastavro.schema import SchemaParseException, UnknownType, fingerprint, parse_schema, to_parsing_canonical_form

from processor.decode.compile import Contract
from processor.decode.container import (
    BadContainerError,
    Block,
    ContainerTooLargeError,
    read_blocks,
    read_header,
)
from processor.decode.facets import AvroType
from processor.decode.foreign import RefusedSchemaError, safe_schema
from processor.decode.limits import Limits
from processor.decode.shape import from_avro
from processor.model.errors import FacetProblem, Reason, Rejected, Stage, UsageError

AvroJson = tuple[bytes, list[FacetProblem]]
"""An event as OpenLineage JSON, and the facets that could not be spelt."""

SINGLE_OBJECT_MAGIC = b"\xc3\x01"
FINGERPRINT_BYTES = 8

_MAX_SCHEMAS = 1_000
_MARK = "foreign"
_BAD_DATA = (EOFError, ValueError, LookupError, TypeError, OverflowError, struct.error)
_BAD_SCHEMA = (SchemaParseException, UnknownType, ValueError, LookupError, TypeError, AttributeError)


class AvroReader:
    """Reads the contract's record from Avro. Keeps the schemas that it has seen, so it serves one thread."""

    def __init__(self, contract: Contract, event_schema: str, limits: Limits) -> None:
        self._contract = contract
        self._limits = limits
        self._writers: dict[tuple[str, ...], AvroType | Rejected] = {}
        self._ours = _trusted(event_schema, limits)
        self._known: dict[bytes, AvroType] = {fingerprint_of(event_schema): self._ours}

    def know(self, text: str) -> None:
        """Trust another schema of the event, and read what names it by its fingerprint.

        Raises `UsageError` for one that cannot be used.
        """
        trusted = _marked(_trusted(text, self._limits))
        self._known.setdefault(fingerprint_of(text), trusted)

    def known(self, fingerprint_bytes: bytes) -> AvroType | None:
        """The trusted schema with that fingerprint (8 bytes), ready for reading."""
        return self._known.get(fingerprint_bytes)

    def writer(self, texts: Sequence[str]) -> AvroType | Rejected:
        """The last of `texts`, ready for reading; the ones before define names that it uses."""
        key = tuple(texts)
        if key not in self._writers:
            if len(self._writers) >= _MAX_SCHEMAS:
                self._writers.clear()
            self._writers[key] = self._fresh_writer(key)
        return self._writers[key]

    def _fresh_writer(self, texts: tuple[str, ...]) -> AvroType | Rejected:
        parsed = _parsed(texts, self._limits)
        if isinstance(parsed, Rejected):
            return parsed
        return self._same_as_known(texts) or _marked(parsed)

    def _same_as_known(self, texts: tuple[str, ...]) -> AvroType | None:
        """The trusted schema that writes the same bytes, so that its parsed form can be shared."""
        try:
            return self._known.get(fingerprint_of(texts[-1])) if len(texts) == 1 else None
        except _BAD_SCHEMA:
            return None

    def read(self, data: bytes, writer: AvroType) -> AvroJson | Rejected:
        """Read one record that takes all of `data`."""
        if len(data) > self._limits.avro_bytes:
            return _too_large(self._limits.avro_bytes)
        file = BytesIO(data)
        found = self._next(file, writer)
        if isinstance(found, Rejected) or file.tell() == len(data):
            return found
        return _refused(Reason.TRAILING_BYTES, f"{len(data) - file.tell()} bytes follow the record")

    def _next(self, file: BinaryIO, writer: AvroType) -> AvroJson | Rejected:
        """Read one record from where `file` stands."""
        try:
            record: Any = fastavro.schemaless_reader(file, writer, self._ours)
        except SchemaResolutionError as error:
            return _refused(Reason.BAD_AVRO, f"the writer's schema is not the contract's: {error}"[:200])
        except UnicodeDecodeError as error:
            return _refused(Reason.NOT_UTF8, f"a string is not UTF-8: {error.reason}")
        except _BAD_DATA as error:
            return _refused(Reason.BAD_AVRO, f"no record of its schema: {type(error).__name__}: {error}"[:200])
        return from_avro(record, self._contract)

    def read_container(self, file: BinaryIO) -> Iterator[AvroJson | Rejected]:
        """Yield every record of an object container.

        A record that cannot be read, or a container that breaks off, is the last thing yielded: nothing
        says where the next record starts.
        """
        try:
            text, codec, sync = read_header(file, self._limits.avro_bytes)
            writer = self.writer([text])
            if isinstance(writer, Rejected):
                yield writer
                return
            for block in read_blocks(file, codec, sync, self._limits.avro_bytes):
                for found in self._block(block, writer):
                    yield found
                    if isinstance(found, Rejected):
                        return
        except BadContainerError as error:
            yield _refused(Reason.BAD_AVRO, str(error))
        except ContainerTooLargeError as error:
            yield _refused(Reason.TOO_LARGE, str(error))

    def _block(self, block: Block, writer: AvroType) -> Iterator[AvroJson | Rejected]:
        file = BytesIO(block.data)
        for _ in range(block.count):
            if file.tell() == len(block.data):
                yield _refused(Reason.BAD_AVRO, "a block holds fewer records than it says")
                return
            yield self._next(file, writer)
        if file.tell() != len(block.data):
            yield _refused(Reason.TRAILING_BYTES, "bytes follow the records of a block")


def _trusted(text: str, limits: Limits) -> AvroType:
    """A schema that is ours or the user's: no cap on its size."""
    found = _parsed((text,), Limits(depth=limits.depth))
    if isinstance(found, Rejected):
        raise UsageError(f"a schema of events cannot be used: {found.detail}")
    return found


def _parsed(texts: tuple[str, ...], limits: Limits) -> AvroType | Rejected:
    try:
        schema: AvroType = parse_schema(safe_schema(texts, limits))
    except RefusedSchemaError as error:
        return _refused(Reason.SCHEMA_REFUSED, str(error))
    except _BAD_SCHEMA as error:
        return _refused(Reason.SCHEMA_REFUSED, f"not an Avro schema: {error}"[:200])
    return schema


def _marked(schema: AvroType) -> AvroType:
    """The same schema with a member more.

    fastavro compares writer and reader whole, for every record it reads. Two that differ in their number
    of members are told apart at once; deep inside they may differ late, and that took a millisecond.
    """
    return {**schema, _MARK: True} if isinstance(schema, dict) else schema


def fingerprint_of(text: str) -> bytes:
    """CRC-64-AVRO of a schema's Parsing Canonical Form, little-endian, as single-object encoding wants it."""
    canonical = to_parsing_canonical_form(json.loads(text))
    return bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))


def _refused(reason: Reason, detail: str) -> Rejected:
    return Rejected(reason, Stage.DECODE, "", detail)


def _too_large(cap_bytes: int) -> Rejected:
    return _refused(Reason.TOO_LARGE, f"larger than {cap_bytes} bytes of Avro")
