"""Bytes of every kind: what is read, and what each rejection says."""

import bz2
import io
import json
import lzma
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import pytest
import zstandard

from processor.decode import (
    Decoder,
    Headers,
    Limits,
    RegisteredSchema,
    Schemas,
    TypedEvents,
    build_decoder,
    read_schemas,
)
from processor.decode.avro import fingerprint_of
from processor.decode.compile import compile_contract
from processor.decode.shape import to_avro
from processor.model.errors import DependencyError, Reason, Rejected, UsageError
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


class BrokenRegistry:
    def by_id(self, schema_id: int) -> RegisteredSchema | None:
        raise DependencyError("schema registry", f"no answer about {schema_id}")

    def by_guid(self, guid: str) -> RegisteredSchema | None:
        raise DependencyError("schema registry", f"no answer about {guid}")


@pytest.fixture(scope="module")
def decoder() -> Decoder:
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


# Bombs


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


def record(name: str, *types: object) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": f"f{i}", "type": kind} for i, kind in enumerate(types)]}


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


# Limits and memory


def test_a_memo_changes_no_result() -> None:
    tiny = build_decoder("auto", SCHEMAS, None, Limits(memo_bytes=2_000))
    none = build_decoder("auto", SCHEMAS, None, Limits(memo_bytes=0))
    lots = build_decoder("auto", SCHEMAS)
    values = [path.read_bytes() for path in sorted(SAMPLES.glob("*.json"))] * 3
    assert [tiny(value) for value in values] == [lots(value) for value in values] == [none(value) for value in values]


# A schema for a facet of one's own


ACME = {
    "type": "record",
    "name": "acme.SlaDatasetFacet",
    "doc": "Our promise.",
    "facet": {"name": "acme_sla", "on": "dataset"},
    "fields": [
        {"name": "minutes", "type": "int", "doc": "Within how many minutes."},
        {"name": "class", "type": ["null", "string"], "default": None, "doc": "Class."},
        {"name": "tree", "type": ["null", "acme.SlaDatasetFacet"], "default": None, "doc": "Recursion."},
    ],
}


def with_facet(facet: object) -> bytes:
    dataset = {"namespace": "n", "name": "t", "facets": {"acme_sla": facet}}
    return json.dumps({"eventTime": "2026-03-02T06:00:00Z", "producer": "p", "dataset": dataset}).encode()


def test_a_facet_of_ones_own_is_typed_and_validated(tmp_path: Path) -> None:
    (tmp_path / "sla.avsc").write_text(json.dumps(ACME))
    own = build_decoder("auto", read_schemas(schemas_dir(), tmp_path))
    facet = {"minutes": 30, "class": "gold", "tree": {"minutes": 1}}
    facets = good(own(with_facet(facet))).events[0].body.dataset.facets
    assert (facets.acme_sla.minutes, facets.acme_sla.class_, facets.acme_sla.tree.minutes) == (30, "gold", 1)
    assert (json.loads(facets.kept()["acme_sla"]), facets.rest) == (facet, {})
    event = good(own(with_facet({"minutes": "soon"}))).events[0]
    assert [problem.pointer for problem in event.bad_facets] == ["/dataset/facets/acme_sla/minutes"]


def test_a_facet_of_ones_own_is_validated_in_avro_too(tmp_path: Path) -> None:
    (tmp_path / "sla.avsc").write_text(json.dumps(ACME))
    own = build_decoder("auto", read_schemas(schemas_dir(), tmp_path))
    event = json.loads(with_facet({"minutes": 2**40}))
    assert good(own(single(event))) == good(own(json.dumps(event).encode()))
    assert good(own(single(event))).events[0].bad_facets


def test_another_version_of_the_event_is_known_by_its_fingerprint(tmp_path: Path) -> None:
    writer = record("LineageEvent")
    writer["fields"] = [{"name": "producer", "type": "string"}, {"name": "eventTime", "type": "string"}]
    (tmp_path / "old.avsc").write_text(json.dumps(writer))
    own = build_decoder("avro-single", read_schemas(schemas_dir(), tmp_path))
    value = b"\xc3\x01" + fingerprint_of(json.dumps(writer)) + b"\x02p\x02t"
    assert (bad(own(value)).reason, bad(own(value)).detail) == (
        Reason.CONTRACT,
        "the event has neither a run, a job nor a dataset",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"facet": {"name": "x", "on": "table"}}, "one of run, job"),
        ({"facet": {"name": "not a name", "on": "job"}}, "cannot be the name"),
        ({"facet": {"name": "rest", "on": "job"}}, "cannot be the name"),
        ({"facet": {"name": "schema", "on": "dataset"}}, "has a schema already"),
        ({"fields": [{"name": "a", "type": "bytes"}]}, "no JSON form"),
        ({"fields": [{"name": "a", "type": ["string", "int"]}]}, "only union"),
        ({"fields": [{"name": "a", "type": "Nowhere"}]}, "not an Avro schema"),
        ({"fields": [{"name": "a", "type": "acme.SlaDatasetFacet"}]}, "without end"),
        ({"type": "enum", "symbols": ["A"]}, "must be an Avro record"),
    ],
)
def test_a_bad_schema_of_ones_own_is_a_usage_error(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_decoder("auto", Schemas(SCHEMAS.event, (json.dumps(ACME | change),)))


@pytest.mark.parametrize("schema", [{"type": "array", "items": "null"}, {"type": "record", "name": "E"}, {}])
def test_an_unusable_version_of_the_event_is_a_usage_error(schema: object) -> None:
    with pytest.raises(UsageError, match="cannot be used"):
        build_decoder("auto", Schemas(SCHEMAS.event, (), (json.dumps(schema),)))


@pytest.mark.parametrize("content", ["{", "[]", "\ud800"])
def test_an_unreadable_file_of_ones_own_is_a_usage_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.avsc").write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(UsageError, match=r"x\.avsc"):
        read_schemas(schemas_dir(), tmp_path)


def test_a_missing_folder_of_schemas_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        read_schemas(schemas_dir(), tmp_path / "missing")
