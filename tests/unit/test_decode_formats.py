"""Bytes of every kind: what is read, and what each rejection says."""

import io
import json
import struct
from typing import Any
from uuid import UUID

import fastavro
import pytest

from processor.decode import (
    Decoder,
    Headers,
    Limits,
    RegisteredSchema,
    build_decoder,
)
from processor.decode.shape import to_avro
from processor.model.errors import DependencyError, Reason, Rejected, UsageError
from tests.support.formats import (
    CONTRACT,
    EVENT,
    GUID,
    JSON,
    OURS,
    SAMPLES,
    SCHEMAS,
    Registry,
    avro,
    bad,
    confluent,
    container,
    good,
    limited_decoder,
    single,
)


class BrokenRegistry:
    def by_id(self, schema_id: int) -> RegisteredSchema | None:
        raise DependencyError("schema registry", f"no answer about {schema_id}")

    def by_guid(self, guid: str) -> RegisteredSchema | None:
        raise DependencyError("schema registry", f"no answer about {guid}")


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return limited_decoder()


# One event, the same from every transport


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (JSON, []),
        (b"\xef\xbb\xbf" + JSON, []),
        (b" \n" + JSON + b"\n", []),
        (json.dumps(EVENT, indent=4, sort_keys=True).encode(), []),
        (single(), []),
        (container(EVENT), []),
        (confluent(avro()), []),
        (avro(), [("__value_schema_id", struct.pack(">bI", 0, 7))]),
        (avro(), [("other", b"x"), ("__value_schema_id", b"\x01" + UUID(GUID).bytes)]),
    ],
    ids=["json", "bom", "spaces", "sorted", "single", "container", "prefix", "header-id", "header-guid"],
)
def test_the_same_event_in_every_spelling(decoder: Decoder, value: bytes, headers: Headers) -> None:
    assert good(decoder(value, headers)) == good(decoder(JSON))


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "bzip2", "xz"])
def test_a_container_in_each_codec(decoder: Decoder, codec: str) -> None:
    assert len(good(decoder(container(EVENT, EVENT, codec=codec))).events) == 2


def test_json_behind_a_schema_id(decoder: Decoder) -> None:
    by_json_schema = build_decoder("confluent", SCHEMAS, Registry(RegisteredSchema(("{}",), "JSON")))
    assert good(by_json_schema(confluent(JSON))) == good(decoder(JSON))


def test_an_older_writer_is_resolved_to_the_contract(decoder: Decoder) -> None:
    writer = {
        "type": "record",
        "name": "LineageEvent",
        "fields": [
            {"name": "internal", "type": {"type": "array", "items": "long"}},
            {"name": "producer", "type": "string"},
            {"name": "eventTime", "type": "string"},
            {"name": "eventType", "type": {"type": "enum", "name": "EventType", "symbols": ["COMPLETE", "PAUSED"]}},
            {
                "name": "job",
                "type": {
                    "type": "record",
                    "name": "Job",
                    "fields": [{"name": "name", "type": "string"}, {"name": "namespace", "type": "string"}],
                },
            },
        ],
    }
    record = {
        "internal": [1, 2, 3],
        "producer": "p",
        "eventTime": "2026-03-02T06:00:00Z",
        "eventType": "PAUSED",
        "job": {"name": "load", "namespace": "jobs"},
    }
    out = io.BytesIO()
    fastavro.writer(out, writer, [record])
    event = good(decoder(out.getvalue())).events[0]
    assert (event.kind, event.body.job.name, event.body.eventType) == ("job", "load", "OTHER")


def test_a_schema_that_refers_to_another() -> None:
    names = [{"name": "namespace", "type": "string"}, {"name": "name", "type": "string"}]
    job = json.dumps({"type": "record", "name": "lineage.Job", "fields": names})
    event = {
        "type": "record",
        "name": "lineage.LineageEvent",
        "fields": [
            {"name": "eventTime", "type": "string"},
            {"name": "producer", "type": "string"},
            {"name": "job", "type": "lineage.Job"},
        ],
    }
    named: dict[str, Any] = {}
    fastavro.parse_schema(json.loads(job), named)
    out = io.BytesIO()
    record = {"eventTime": "2026-03-02T06:00:00Z", "producer": "p", "job": {"namespace": "jobs", "name": "load"}}
    fastavro.schemaless_writer(out, fastavro.parse_schema(event, named), record)
    registry = Registry(RegisteredSchema((job, json.dumps(event))))
    found = build_decoder("confluent", SCHEMAS, registry)(confluent(out.getvalue()))
    assert good(found).events[0].body.job.name == "load"


def test_what_the_writer_calls_its_numbers_does_not_matter() -> None:
    amount = {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal"}}
    fields = [amount, {"name": "eventTime", "type": "string"}, {"name": "producer", "type": "string"}]
    writer = {"type": "record", "name": "LineageEvent", "fields": fields}
    registry = Registry(RegisteredSchema((json.dumps(writer),)))
    found = build_decoder("confluent", SCHEMAS, registry)(confluent(b"\x02\xff\x02t\x02p"))
    assert (bad(found).reason, bad(found).detail) == (
        Reason.CONTRACT,
        "the event has neither a run, a job nor a dataset",
    )


@pytest.mark.parametrize("writer", ["string", "bytes", ["null", "string"], {"type": "map", "values": "string"}])
def test_a_writer_of_something_else_is_rejected(writer: object) -> None:
    registry = Registry(RegisteredSchema((json.dumps(writer),)))
    found = build_decoder("confluent", SCHEMAS, registry)(confluent(b"\x02\x02a\x02b\x00"))
    assert isinstance(found, Rejected)


# A facet carried as JSON text by an Avro writer


def test_a_typed_facet_may_come_as_text(decoder: Decoder) -> None:
    record = to_avro(EVENT, CONTRACT)
    facets = record["outputs"][0]["facets"]
    facets["rest"]["schema"] = json.dumps(EVENT["outputs"][0]["facets"]["schema"])
    facets["schema"] = None
    out = io.BytesIO()
    fastavro.writer(out, OURS, [record])
    assert good(decoder(out.getvalue())) == good(decoder(JSON))


def test_a_facet_whose_text_is_no_json_is_dropped(decoder: Decoder) -> None:
    record = to_avro(EVENT, CONTRACT)
    record["run"]["facets"]["rest"]["acme"] = "{"
    out = io.BytesIO()
    fastavro.writer(out, OURS, [record])
    event = good(decoder(out.getvalue())).events[0]
    assert [(p.pointer, p.facet) for p in event.bad_facets] == [("/run/facets/acme", "acme")]
    assert event.stated == good(decoder(JSON)).events[0].stated


# Rejections


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.NULL),
        (b"", Reason.EMPTY),
        (b"{" + b" " * 200_000, Reason.TOO_LARGE),
        (b"{", Reason.NOT_JSON),
        (b'{"eventTime": "2026-03-02T06:00:00Z", "producer": NaN}', Reason.NOT_JSON),
        (b'{"eventTime": 1, "producer": 1, "x": tru}', Reason.NOT_JSON),
        (b'{"eventTime": "\\ud800 lone", "producer": ""}', Reason.NOT_JSON),
        (b"[" + JSON + b"]", Reason.NOT_JSON),
        (JSON + b"{}", Reason.TRAILING_BYTES),
        (JSON + b"\x00", Reason.TRAILING_BYTES),
        (b'{"x": "\xff"}', Reason.NOT_UTF8),
        (b'{"x": "\xed\xa0\x80"}', Reason.NOT_UTF8),
        (b'{"x": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", Reason.TOO_DEEP),
        (b"\x1f\x8b\x08\x00", Reason.UNKNOWN_FORMAT),
        (b"\xc3\x01\x00", Reason.BAD_AVRO),
        (b"\xc3\x01" + b"\x00" * 8 + avro(), Reason.UNKNOWN_SCHEMA),
        (single()[:-3], Reason.BAD_AVRO),
        (single() + b"\x00", Reason.TRAILING_BYTES),
        (b"\x00\x00", Reason.BAD_AVRO),
        (confluent(avro(), 8), Reason.UNKNOWN_SCHEMA),
        (confluent(avro()[:-1]), Reason.BAD_AVRO),
        (confluent(avro()) + b"\x00", Reason.TRAILING_BYTES),
        (b"Obj\x01", Reason.BAD_AVRO),
        (container(EVENT)[:-20], Reason.BAD_AVRO),
    ],
)
def test_what_cannot_be_read_says_why(decoder: Decoder, value: bytes | None, reason: Reason) -> None:
    found = bad(decoder(value))
    assert (found.reason, bool(found.detail)) == (reason, True)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"\x1f\x8b\x08\x00\x00", "gzip"),
        (b"\x28\xb5\x2f\xfd\x04", "Zstandard"),
        (b"PAR1\x15\x04", "Parquet"),
        (b"HTTP/1.1 200 OK\r\n", "HTTP response"),
        (b"GET / HTTP/1.1\r\n", "HTTP request"),
        (b"<html>", "HTML"),
        (b"\x16\x03\x01\x02\x00", "TLS"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16"),
        ('{"a": 1}'.encode("utf-16-le"), "UTF-16"),
        ('{"a": 1}'.encode("utf-16-be"), "UTF-16"),
        (b"\x0a\x05hello\x12\x05world", "Protocol Buffers"),
        (b"\x81\xa1a\x01", "MessagePack"),
        (b"ping", "plain text"),
        (b"\xde\xad\xbe\xef" * 4, "MessagePack"),
        (b"\xca\xfe\xba\xbe\x00", "ca fe ba be 00"),
    ],
)
def test_bytes_of_another_protocol_are_named(decoder: Decoder, value: bytes, name: str) -> None:
    found = bad(decoder(value))
    assert (found.reason, name in found.detail) == (Reason.UNKNOWN_FORMAT, True), found.detail


def test_a_named_format_is_not_guessed() -> None:
    json_only = build_decoder("openlineage", SCHEMAS)
    assert bad(json_only(container(EVENT))).reason is Reason.NOT_JSON
    assert bad(build_decoder("avro-single", SCHEMAS)(JSON)).reason is Reason.BAD_AVRO
    assert bad(build_decoder("avro-container", SCHEMAS)(JSON)).reason is Reason.BAD_AVRO
    assert bad(build_decoder("confluent", SCHEMAS, Registry())(JSON)).reason is Reason.BAD_AVRO


def test_a_schema_id_without_a_registry_says_what_to_do() -> None:
    found = bad(build_decoder("auto", SCHEMAS)(confluent(avro())))
    assert (found.reason, "no schema registry is set" in found.detail) == (Reason.UNKNOWN_SCHEMA, True)


def test_a_registry_that_is_down_is_no_verdict_on_the_record() -> None:
    with pytest.raises(DependencyError, match="no answer about 7"):
        build_decoder("auto", SCHEMAS, BrokenRegistry())(confluent(avro()))


def test_protobuf_behind_a_schema_id_is_named() -> None:
    found = build_decoder("confluent", SCHEMAS, Registry(RegisteredSchema(("",), "PROTOBUF")))(
        confluent(b"\x00\x0a\x01")
    )
    assert "PROTOBUF" in bad(found).detail


def test_an_unknown_format_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="avro-container"):
        build_decoder("xml", SCHEMAS)


# A container that is good in part


def test_a_bad_event_in_a_container_does_not_take_the_others_along(decoder: Decoder) -> None:
    found = good(decoder(container(EVENT, EVENT | {"eventTime": "never"}, EVENT)))
    assert len(found.events) == 2
    assert [(r.reason, r.pointer) for r in found.rejected] == [(Reason.BAD_TIME, "/1/eventTime")]


def test_a_container_that_breaks_off_keeps_what_came_before(decoder: Decoder) -> None:
    found = good(decoder(container(EVENT) + b"\x02"))
    assert (len(found.events), [r.reason for r in found.rejected]) == (1, [Reason.BAD_AVRO])


def test_a_container_of_nothing_holds_no_events(decoder: Decoder) -> None:
    assert good(decoder(container())).events == ()


# Limits and memory


def test_a_memo_changes_no_result() -> None:
    tiny = build_decoder("auto", SCHEMAS, None, Limits(memo_bytes=2_000))
    none = build_decoder("auto", SCHEMAS, None, Limits(memo_bytes=0))
    lots = build_decoder("auto", SCHEMAS)
    values = [path.read_bytes() for path in sorted(SAMPLES.glob("*.json"))] * 3
    assert [tiny(value) for value in values] == [lots(value) for value in values] == [none(value) for value in values]
