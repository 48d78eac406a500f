"""A record's bytes → typed events, or the reason why not. One function for each format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from io import BytesIO
from typing import NamedTuple
from uuid import UUID

from processor.decode.avro import FINGERPRINT_BYTES, SINGLE_OBJECT_MAGIC, AvroJson, AvroReader, Writer
from processor.decode.compile import compile_contract
from processor.decode.event import EventReader, TypedEvent
from processor.decode.limits import Limits
from processor.decode.schemas import RegisteredSchema, Schemas, SchemaSource
from processor.decode.sniff import BOM, SCHEMA_ID_HEADER, Format, Headers, describe, first_of_text, is_scalar, sniff
from processor.model.errors import Reason, Rejected, Stage, UsageError
from processor.model.text import quoted

_ID_BYTES = 4
_GUID_BYTES = 16
_BY_ID = 0
_BY_GUID = 1


class TypedEvents(NamedTuple):
    """What a record holds. `rejected`: parts of a container that could not be read, beside those that could."""

    events: tuple[TypedEvent, ...]
    rejected: tuple[Rejected, ...] = ()


Decoded = TypedEvents | Rejected


class Decoder:
    """Decodes records of one format. Call it with a record's value and headers.

    Keeps what it has seen (fragments of JSON, schemas), so one decoder serves one thread. Raises
    `DependencyError` when a schema is needed and the registry cannot be asked: the record is fine.

    `contract`: what events are held to; `limits`: how much a record may ask for.
    """

    def __init__(self, form: Format, schemas: Schemas, registry: SchemaSource | None, limits: Limits) -> None:
        contract = compile_contract(schemas.event, schemas.facets)
        self.contract = contract
        self.limits = limits
        self._form = form
        self._registry = registry
        self._events = EventReader(contract, limits)
        self._avro = AvroReader(contract, schemas.event, limits)
        for text in schemas.writers:
            self._avro.know(text)
        self._formats: dict[Format, Callable[[bytes, Headers], Decoded]] = {
            Format.AUTO: self._auto,
            Format.OPENLINEAGE: self._json,
            Format.AVRO_CONTAINER: self._container,
            Format.AVRO_SINGLE: self._single,
            Format.CONFLUENT: self._confluent,
        }
        self._decode = self._formats[form]

    def __call__(self, value: bytes | None, headers: Headers = ()) -> Decoded:
        """Decode one record."""
        if value is None:
            return _reject(Reason.NULL, "a tombstone: lineage is never taken back by a record without a value")
        if not value:
            return _reject(Reason.EMPTY, "a record without bytes")
        if len(value) > self.limits.value_bytes:
            return _reject(Reason.TOO_LARGE, f"{len(value)} bytes are more than {self.limits.value_bytes}")
        return self._decode(value, headers)

    def _auto(self, value: bytes, headers: Headers) -> Decoded:
        if not headers and value.startswith(b'{"'):
            return self._json(value, headers)  # what nearly all are
        form = sniff(value, headers)
        if form is None:
            what = "JSON, but not an object" if is_scalar(value) else "neither JSON nor Avro"
            return _reject(Reason.UNKNOWN_FORMAT, f"{what}: it looks like {describe(value)}")
        return self._formats[form](value, headers)

    def _json(self, value: bytes, _headers: Headers) -> Decoded:
        text = value.removeprefix(BOM)
        first = first_of_text(text)
        if first == b"[":
            return _reject(Reason.NOT_JSON, "an array: a record holds one event")
        if first != b"{":
            return _reject(Reason.NOT_JSON, f"not a JSON object: it looks like {describe(value)}")
        if not text.isascii():
            try:
                text.decode()
            except UnicodeDecodeError as error:
                return _reject(Reason.NOT_UTF8, f"{error.reason} at byte {error.start}")
        return _one(self._events.read(text))

    def _container(self, value: bytes, _headers: Headers) -> Decoded:
        if len(value) > self.limits.avro_bytes:
            return _reject(Reason.TOO_LARGE, f"{len(value)} bytes are more than {self.limits.avro_bytes} of Avro")
        found = [self._from_avro(part) for part in self._avro.read_container(BytesIO(value))]
        return _many(found)

    def _single(self, value: bytes, _headers: Headers) -> Decoded:
        start = len(SINGLE_OBJECT_MAGIC) + FINGERPRINT_BYTES
        if not value.startswith(SINGLE_OBJECT_MAGIC) or len(value) < start:
            return _reject(Reason.BAD_AVRO, f"no single-object encoding: it looks like {describe(value)}")
        fingerprint = value[len(SINGLE_OBJECT_MAGIC) : start]
        writer = self._avro.known(fingerprint)
        if writer is None:
            return _reject(Reason.UNKNOWN_SCHEMA, f"no schema is known with fingerprint {fingerprint.hex()}")
        return self._avro_record(value[start:], writer)

    def _confluent(self, value: bytes, headers: Headers) -> Decoded:
        """Schema id in a header, or in front of the value. Source: Confluent's wire format, both versions."""
        stated = next((data for name, data in reversed(headers) if name == SCHEMA_ID_HEADER), None)
        key, payload = _frame(value) if stated is None else (_frame(stated)[0], value)
        if key is None:
            where = "value" if stated is None else f"header {SCHEMA_ID_HEADER}"
            return _reject(Reason.BAD_AVRO, f"no schema id in the {where}: it looks like {describe(stated or value)}")
        if self._registry is None:
            return _reject(Reason.UNKNOWN_SCHEMA, f"written with schema {key}, and no schema registry is set")
        found = self._registry.by_id(key) if isinstance(key, int) else self._registry.by_guid(key)
        if found is None:
            return _reject(Reason.UNKNOWN_SCHEMA, f"the schema registry has no schema {key}")
        return self._registered(found, payload)

    def _registered(self, found: RegisteredSchema, payload: bytes) -> Decoded:
        if found.kind == "JSON":
            return self._json(payload, ())
        if found.kind != "AVRO":
            return _reject(Reason.UNKNOWN_FORMAT, f"the schema is of kind {quoted(found.kind)}, not AVRO or JSON")
        writer = self._avro.writer(found.texts)
        return writer if isinstance(writer, Rejected) else self._avro_record(payload, writer)

    def _avro_record(self, data: bytes, writer: Writer) -> Decoded:
        return _one(self._from_avro(self._avro.read(data, writer)))

    def _from_avro(self, found: AvroJson | Rejected) -> TypedEvent | Rejected:
        if isinstance(found, Rejected):
            return found
        value, problems = found
        event = self._events.read(value)
        if isinstance(event, Rejected) or not problems:
            return event
        return event._replace(bad_facets=(*problems, *event.bad_facets))


def build_decoder(
    form: str, schemas: Schemas, registry: SchemaSource | None = None, limits: Limits | None = None
) -> Decoder:
    """A decoder for records of `form`, one of `Format`. Raises `UsageError` for another word or a bad schema."""
    try:
        known = Format(form)
    except ValueError:
        raise UsageError(f"unknown format {form!r}; use one of {', '.join(Format)}") from None
    return Decoder(known, schemas, registry, limits or Limits())


def _one(found: TypedEvent | Rejected) -> Decoded:
    return found if isinstance(found, Rejected) else TypedEvents((found,))


def _frame(data: bytes) -> tuple[int | str | None, bytes]:
    """Schema id (a number) or GUID (text) in front of `data`, and what follows it."""
    kind = data[0] if data else None
    if kind == _BY_ID and len(data) > _ID_BYTES:
        return int.from_bytes(data[1 : 1 + _ID_BYTES], "big"), data[1 + _ID_BYTES :]
    if kind == _BY_GUID and len(data) > _GUID_BYTES:
        return str(UUID(bytes=data[1 : 1 + _GUID_BYTES])), data[1 + _GUID_BYTES :]
    return None, b""


def _many(found: Iterable[TypedEvent | Rejected]) -> Decoded:
    events: list[TypedEvent] = []
    rejected: list[Rejected] = []
    for index, part in enumerate(found):
        if isinstance(part, Rejected):
            rejected.append(replace(part, pointer=f"/{index}{part.pointer}"))
        else:
            events.append(part)
    if not events and rejected:
        return replace(rejected[0], pointer=rejected[0].pointer.removeprefix("/0"))
    return TypedEvents(tuple(events), tuple(rejected))


def _reject(reason: Reason, detail: str) -> Rejected:
    return Rejected(reason, Stage.DECODE, "", detail)
