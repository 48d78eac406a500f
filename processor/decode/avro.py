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
from dataclasses import dataclass
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
from processor.decode.foreign import RefusedSchemaError, overruns, safe_schema
from processor.decode.limits import Limits
from processor.decode.shape import from_avro
from processor.model.errors import FacetProblem, Reason, Rejected, Stage, UsageError
from processor.model.memo import Memo
from processor.model.text import quoted

AvroJson = tuple[bytes, list[FacetProblem]]
"""An event as OpenLineage JSON, and the facets that could not be spelt."""

SINGLE_OBJECT_MAGIC = b"\xc3\x01"
FINGERPRINT_BYTES = 8

_PART_BYTES = 400
"""What a part of a parsed schema takes in memory, about."""

_MARK = "foreign"
BAD_DATA = (EOFError, ValueError, LookupError, TypeError, OverflowError, struct.error)
"""What fastavro raises on bytes that do not follow their schema."""

_BAD_SCHEMA = (SchemaParseException, UnknownType, ValueError, LookupError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Writer:
    """A writer's schema, ready for reading. `overruns`: only a `_StrictBytes` may be read with it."""

    schema: AvroType
    overruns: bool = False

    def stream(self, data: bytes) -> BinaryIO:
        """The data as they are to be read."""
        return _StrictBytes(data) if self.overruns else BytesIO(data)


class _StrictBytes(BytesIO):
    """Bytes that end with an error. Slow: each number that is read becomes a call of Python's."""

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any file, but never less than was asked for."""
        data = super().read(size)
        if size is not None and len(data) < size:
            raise EOFError("the data end early")
        return data


class AvroReader:
    """Reads the contract's record from Avro. Keeps the schemas that it has seen, so it serves one thread."""

    def __init__(self, contract: Contract, event_schema: str, limits: Limits) -> None:
        self._contract = contract
        self._limits = limits
        self._writers: Memo[Writer | Rejected] = Memo(limits.schema_memo_bytes)
        self._ours = _trusted(event_schema, limits)
        self._known = {fingerprint_of(event_schema): Writer(self._ours)}

    def know(self, text: str) -> None:
        """Trust another schema of the event, and read what names it by its fingerprint.

        Raises `UsageError` for one that cannot be used.
        """
        trusted = _trusted(text, self._limits)
        self._known.setdefault(fingerprint_of(text), _writer(trusted))

    def known(self, fingerprint_bytes: bytes) -> Writer | None:
        """The trusted schema with that fingerprint (8 bytes), ready for reading."""
        return self._known.get(fingerprint_bytes)

    def writer(self, texts: Sequence[str]) -> Writer | Rejected:
        """The last of `texts`, ready for reading; the ones before define names that it uses."""
        key = "\0".join(texts).encode("utf-8", "surrogatepass")
        found = self._writers.get("", key)
        if found is None:
            found = self._fresh_writer(tuple(texts))
            self._writers.put("", key, found, len(key) + _cost_bytes(found))
        return found

    def _fresh_writer(self, texts: tuple[str, ...]) -> Writer | Rejected:
        parsed = _parsed(texts, self._limits)
        if isinstance(parsed, Rejected):
            return parsed
        return self._same_as_known(texts) or _writer(parsed)

    def _same_as_known(self, texts: tuple[str, ...]) -> Writer | None:
        """The trusted schema that writes the same bytes, so that its parsed form can be shared."""
        found = fingerprint_if_any(texts[-1]) if len(texts) == 1 else None
        return None if found is None else self._known.get(found)

    def read(self, data: bytes, writer: Writer) -> AvroJson | Rejected:
        """Read one record that takes all of `data`."""
        if len(data) > self._limits.avro_bytes:
            return _too_large(self._limits.avro_bytes)
        file = writer.stream(data)
        found = self._next(file, writer)
        if isinstance(found, Rejected) or file.tell() == len(data):
            return found
        return _refused(Reason.TRAILING_BYTES, f"{len(data) - file.tell()} bytes follow the record")

    def _next(self, file: BinaryIO, writer: Writer) -> AvroJson | Rejected:
        """Read one record from where `file` stands."""
        try:
            record: Any = fastavro.schemaless_reader(file, writer.schema, self._ours)
        except SchemaResolutionError as error:
            return _refused(Reason.BAD_AVRO, f"the writer's schema is not the contract's: {quoted(error)}")
        except UnicodeDecodeError as error:
            return _refused(Reason.NOT_UTF8, f"a string is not UTF-8: {error.reason}")
        except BAD_DATA as error:
            return _refused(Reason.BAD_AVRO, f"no record of its schema: {type(error).__name__}: {quoted(error)}")
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

    def _block(self, block: Block, writer: Writer) -> Iterator[AvroJson | Rejected]:
        file = writer.stream(block.data)
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
        return parse_foreign(texts, limits)
    except RefusedSchemaError as error:
        return _refused(Reason.SCHEMA_REFUSED, str(error))


def parse_foreign(texts: Sequence[str], limits: Limits) -> AvroType:
    """The last of `texts`, made safe and ready for fastavro. Raises `RefusedSchemaError`."""
    try:
        return _quiet(parse_schema(safe_schema(texts, limits)), {})
    except _BAD_SCHEMA as error:
        raise RefusedSchemaError(f"not an Avro schema: {quoted(error)}") from None


def _writer(schema: AvroType) -> Writer:
    """A writer's schema, with a member more.

    fastavro compares writer and reader whole, for every record it reads. Two that differ in their number
    of members are told apart at once; deep inside they may differ late, and that took a millisecond.
    """
    marked = _QuietRecord({**schema, _MARK: True}) if isinstance(schema, dict) else schema
    return Writer(marked, overruns(schema))


def _cost_bytes(found: Writer | Rejected) -> int:
    return _PART_BYTES * (_parts(found.schema) if isinstance(found, Writer) else 1)


def _parts(schema: AvroType) -> int:
    """How many types stand in a schema."""
    if isinstance(schema, list):
        return 1 + sum(_parts(branch) for branch in schema)
    if not isinstance(schema, dict):
        return 1
    fields = schema.get("fields") or ()
    return 1 + _parts(schema.get("items") or schema.get("values")) + sum(_parts(field["type"]) for field in fields)


class _QuietRecord(dict[str, Any]):
    """A record's schema that is short in words.

    fastavro writes both schemas into the message of each record that does not fit. Spelt out, ours is
    megabytes: thirty milliseconds for every six bytes that a writer of nonsense sends.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{self.get('type')} {self.get('name')}"


def _quiet(schema: AvroType, done: dict[int, AvroType]) -> AvroType:
    """The same schema, each of its records short in words. What stands in it twice, as named types do, stays one."""
    if isinstance(schema, list):
        return [_quiet(branch, done) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    if id(schema) not in done:
        inner = {key: _quiet(part, done) for key, part in schema.items()}
        done[id(schema)] = _QuietRecord(inner) if schema.get("type") == "record" else inner
    return done[id(schema)]


def fingerprint_if_any(text: str) -> bytes | None:
    """As `fingerprint_of`, None for what is no schema."""
    try:
        return fingerprint_of(text)
    except _BAD_SCHEMA:
        return None


def fingerprint_of(text: str) -> bytes:
    """CRC-64-AVRO of a schema's Parsing Canonical Form, little-endian, as single-object encoding wants it."""
    canonical = to_parsing_canonical_form(json.loads(text))
    return bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))


def _refused(reason: Reason, detail: str) -> Rejected:
    return Rejected(reason, Stage.DECODE, "", detail)


def _too_large(cap_bytes: int) -> Rejected:
    return _refused(Reason.TOO_LARGE, f"larger than {cap_bytes} bytes of Avro")
