"""Input that means harm gets an answer at once, and within bounds. What the fuzzer found stands here by name."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path

import msgspec
import pytest
import zstandard

from processor.decode import RegisteredSchema, build_decoder, read_schemas
from processor.decode.limits import MIB
from processor.decode.observe import Observed, build_observer
from processor.detect.policy_text import PolicyError, parse_policy
from processor.index.memory import MemoryStore
from processor.index.reduce import reduce
from processor.load import read
from processor.model.change import Cause, Change, ChangeItem, ItemKind
from processor.model.codec import UnreadableRecordError, decode_change, encode_change
from processor.model.errors import Reason, UsageError
from processor.model.identity import Kind, Node
from processor.model.observation import Place
from processor.resources import schema_text, schemas_dir
from tests.fuzz.avro import long
from tests.support.bounds import bounded
from tests.support.events import Json, event, facet, run_id, schema, table

SCHEMAS = read_schemas(schemas_dir())
HUGE = 2**62


class Registry:
    def __init__(self, schema: object) -> None:
        self._schema = RegisteredSchema((json.dumps(schema),))

    def by_id(self, _schema_id: int) -> RegisteredSchema:
        return self._schema

    def by_guid(self, _guid: str) -> RegisteredSchema:
        return self._schema


def observed(value: bytes, form: str = "auto") -> Observed:
    return build_observer(form, SCHEMAS)(value, ())


def framed(writer: object, payload: bytes) -> Observed:
    return build_observer("confluent", SCHEMAS, Registry(writer))(b"\x00\x00\x00\x00\x07" + payload, ())


def reason(found: Observed) -> str:
    (rejected,) = found.rejected
    return rejected.reason


def with_facet(name: str, text: bytes) -> bytes:
    value = msgspec.json.encode(event(outputs=[table("t")]))
    return value.replace(b'"facets":{}}]', b'"facets":{"%s":%s}}]' % (name.encode(), text))


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b"[{", b'{"run":[', b'{"inputs":[{"facets":{"x":'])
@bounded(seconds=20, mib=512)
def test_a_hundred_thousand_levels_are_rejected(opening: bytes) -> None:
    assert not observed(opening * 100_000).observations
    assert not observed(with_facet("own", opening * 100_000)).observations


@bounded(seconds=20, mib=512)
def test_a_facet_nested_too_deep_costs_the_facet_only() -> None:
    deep = b"[" * 100 + b"]" * 100
    (said,) = observed(with_facet("own", deep)).observations
    assert [problem.facet for problem in said.problems] == ["own"]


@pytest.mark.parametrize(
    "number", [b"1e999", b"-1e999", b"1" * 100_000, b"0." + b"1" * 100_000, b"1e-99999", b"1" * 20], ids=len
)
@bounded(seconds=20, mib=512)
def test_numbers_of_any_size_get_an_answer(number: bytes) -> None:
    found = observed(with_facet("own", b'{"n":%s}' % number))
    assert found.observations or found.rejected[0].reason is Reason.NOT_JSON


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity", b"undefined", b"0x1"])
def test_words_that_are_no_json_are_rejected(word: bytes) -> None:
    assert reason(observed(with_facet("own", word))) == "not_json"


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    value = msgspec.json.encode(event("first"))
    (said,) = observed(value.replace(b'"name":"first"', b'"name":"first","name":"second"')).observations
    assert said.job is not None
    assert said.job.name == "second"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'"\xff"', "not_utf8"),
        (b'"\xc3"', "not_utf8"),
        (b'"\xed\xa0\x80"', "not_utf8"),
        (b'"\xf4\x90\x80\x80"', "not_utf8"),
        (b'"\xc0\x80"', "not_utf8"),
        (b'"\\ud800"', "not_json"),
        (b'"\\udc00\\ud800"', "not_json"),
        (b'"\n"', "not_json"),
        (b'"\x00"', "not_json"),
    ],
)
def test_broken_text_is_rejected(text: bytes, expected: str) -> None:
    assert reason(observed(with_facet("own", text))) == expected


@bounded(seconds=60, mib=1024)
def test_ten_megabytes_of_one_key_or_value_stay_within_bounds() -> None:
    big = b"k" * 10 * MIB
    for text in (b'{"%s":1}' % big, b'{"a":"%s"}' % big, b'"%s"' % big):
        (said,) = observed(with_facet("own", text)).observations
        assert [problem.facet for problem in said.problems] == ["own"]
    assert observed(with_facet(big.decode(), b"{}")).observations
    assert not observed(b'{"' + big + b'":1}').observations


@pytest.mark.parametrize("member", ["name", "namespace"])
def test_a_name_of_a_megabyte_is_none(member: str) -> None:
    long_name: Json = {"namespace": "n", "name": "n"} | {member: "x" * MIB}
    value = event(inputs=[long_name, table("t")])
    (said,) = observed(msgspec.json.encode(value)).observations
    assert [fact.node.name for fact in said.datasets] == ["t"]
    assert [problem.pointer for problem in said.problems] == [f"/inputs/0/{member}"]
    assert reason(observed(msgspec.json.encode(value | {"job": long_name}))) == "bad_name"


@bounded(seconds=60, mib=1024)
def test_a_schema_of_a_hundred_thousand_columns_is_kept_in_time_and_memory_that_fit_its_size() -> None:
    columns = [f"column_{number}" for number in range(100_000)]
    value = msgspec.json.encode(event(outputs=[table("wide", schema=schema(*columns))]))
    found = observed(value)
    store = MemoryStore()
    store.apply(reduce([(said, None) for said in found.observations], store.buckets))
    stored = sum(len(name) + len(data) for there in store.fetch(list(store.keys())) for name, data in there.items())
    assert stored < 2 * len(value)
    assert len(found.observations[0].datasets[0].columns or ()) == 100_000


@bounded(seconds=30, mib=512)
def test_a_long_name_above_many_columns_multiplies_nothing() -> None:
    inner = [{"name": str(number)} for number in range(20_000)]
    nested = {"fields": [{"name": "x" * 200_000, "fields": inner}]}
    (said,) = observed(with_facet("schema", msgspec.json.encode(nested))).observations
    (problem,) = said.problems
    assert (problem.pointer, problem.facet) == ("/outputs/0/facets/schema", "schema")
    assert said.datasets[0].columns is None


LONG = "x" * 4_097
BAD_NAMES = (LONG, " ")


def other_named(name: str) -> dict[str, Json]:
    """Events of which one part of one facet has this name, by where that is."""
    there, fine = {"namespace": "n", "name": name}, {"namespace": "n", "name": "fine"}
    whole = {**there, "field": "f"}
    mapping = {"inputFields": [whole, {**fine, "field": name}, {**fine, "field": "f"}]}
    stated = {"type": "DATASET", **fine, "fields": {"c": {"inputs": [{"type": "DATASET", **whole}]}}}
    entries = [{"type": "DATASET", **there}, {"type": "JOB", **there, "inputs": [{"type": "DATASET", **fine}]}, stated]
    parent = facet(job=there, run={"runId": run_id(1)})
    renamed = facet(lifecycleStateChange="RENAME", previousIdentifier=there)
    return {
        "/run/facets/parent": event(run_facets={"parent": parent}),
        "/job/facets/lineage": event(job_facets={"lineage": facet(entries=entries)}),
        "/outputs/0/facets/symlinks": event(outputs=[table("t", symlinks=facet(identifiers=[there, fine]))]),
        "/outputs/0/facets/lifecycleStateChange": event(outputs=[table("t", lifecycleStateChange=renamed)]),
        "/outputs/0/facets/columnLineage": event(
            outputs=[
                table("t", columnLineage=facet(fields={"c": mapping, name: mapping}, dataset=[{**there, "field": "f"}]))
            ]
        ),
        "/outputs/0/facets/lineage": event(
            outputs=[table("t", lineage=facet(inputs=[{"type": "DATASET", **there}, {"type": "DATASET", **fine}]))]
        ),
    }


@pytest.mark.parametrize("name", BAD_NAMES, ids=["long", "blank"])
@pytest.mark.parametrize("pointer", other_named(""))
def test_a_name_in_a_facet_that_is_none_is_left_out_and_the_rest_counts(pointer: str, name: str) -> None:
    (said,) = observed(msgspec.json.encode(other_named(name)[pointer])).observations
    assert [problem.pointer for problem in said.problems] == [pointer]
    named = [*(node for edge in said.edges for node in edge[1:3]), *(fact.node for fact in said.datasets)]
    named += [source.node for fact in said.datasets for source in (fact.mapping.sources() if fact.mapping else ())]
    assert not any(name in (node.name, node.field) for node in named)
    assert said.run is not None
    assert said.run.parent is None
    assert said.job is not None
    if "parent" not in pointer and "Change" not in pointer:
        assert any(node.name == "fine" for node in named)


@pytest.mark.parametrize("pointer", other_named(""))
def test_a_name_in_a_facet_of_the_greatest_length_counts(pointer: str) -> None:
    name = "x" * 4_096
    (said,) = observed(msgspec.json.encode(other_named(name)[pointer])).observations
    assert said.problems == ()
    named = [node for edge in said.edges for node in edge[1:3]]
    assert name in {node.name for node in named}


# Avro


def record(*fields: tuple[str, object]) -> Json:
    return {
        "type": "record",
        "name": "LineageEvent",
        "namespace": "lineage",
        "fields": [{"name": name, "type": kind} for name, kind in fields],
    }


@pytest.mark.parametrize(
    "items", ["float", "double", "boolean", {"type": "fixed", "name": "F", "size": 9}, record(("f", "float"))["fields"]]
)
@bounded(seconds=20, mib=512)
def test_an_array_that_is_skipped_and_says_that_it_is_endless_is_rejected(items: object) -> None:
    inner = {"type": "record", "name": "Inner", "fields": items} if isinstance(items, list) else items
    writer = record(("more", {"type": "array", "items": inner}))
    assert reason(framed(writer, long(HUGE) + bytes(200))) == "bad_avro"
    assert reason(framed(writer, long(HUGE))) == "bad_avro"


@bounded(seconds=20, mib=512)
def test_an_array_at_the_bottom_of_a_recursion_ends_too() -> None:
    node: Json = {"type": "record", "name": "N", "fields": [{"name": "next", "type": {"type": "array", "items": "N"}}]}
    writer = record(("more", node))
    assert framed(writer, long(1) * 200).rejected
    assert framed(writer, long(1) * 65 + long(HUGE)).rejected


@bounded(seconds=20, mib=512)
def test_a_writer_of_nonsense_is_refused_as_fast_as_any_other() -> None:
    decode = build_observer("confluent", SCHEMAS, Registry("double"))
    for _ in range(5_000):
        assert reason(decode(b"\x00\x00\x00\x00\x07" + bytes(8), ())) == "bad_avro"


@bounded(seconds=20, mib=512)
def test_recursions_on_top_of_each_other_are_refused() -> None:
    kind: object = "LineageEvent"
    for number in range(40):
        fields = [{"name": "a", "type": ["null", kind]}, {"name": "b", "type": ["null", "LineageEvent"]}]
        kind = {"type": "record", "name": f"R{number}", "fields": fields}
    assert reason(framed(record(("a", kind)), b"\x00")) in {"schema_refused", "bad_avro"}


@pytest.mark.parametrize("name", ["NestedTooDeep", "NestedTooDeep_", "NestedTooDeepStill"])
@bounded(seconds=20, mib=512)
def test_a_recursion_under_the_name_of_what_ends_recursions_ends(name: str) -> None:
    node: Json = {"type": "record", "name": name, "fields": [{"name": "next", "type": [name]}]}
    assert reason(framed(node, bytes(100_000))) == "bad_avro"
    assert reason(framed(record(("more", node)), bytes(100_000))) == "bad_avro"


@bounded(seconds=60, mib=192)
def test_schemas_that_are_all_different_fill_no_memory() -> None:
    text = schema_text("lineage_event.avsc")
    decoder = build_decoder("avro-container", SCHEMAS)
    for number in range(60):
        writer = text.replace('"OpenLineage', f'"{number} OpenLineage').encode()
        named = long(11) + b"avro.schema" + long(len(writer)) + writer
        assert decoder(b"Obj\x01" + long(1) + named + long(0) + bytes(16)) is not None


def test_what_a_schema_is_called_does_nothing_to_a_terminal() -> None:
    (rejected,) = framed(record() | {"name": "\x1b[2J\u202e"}, b"").rejected
    assert rejected.detail.isprintable()


# Files


def packed_zeros(pack: str) -> bytes:
    """Half a gigabyte of zeros."""
    pack_zstd, pack_gzip = zstandard.ZstdCompressor().compressobj(), zlib.compressobj(1, zlib.DEFLATED, 31)
    packer = pack_zstd if pack == "zst" else pack_gzip
    return b"".join(packer.compress(bytes(16 * MIB)) for _ in range(32)) + packer.flush()


@pytest.mark.parametrize("pack", ["zst", "gz"])
@bounded(seconds=60, mib=400)
def test_a_decompression_bomb_stays_within_bounds(pack: str, tmp_path: Path) -> None:
    bomb = tmp_path / f"bomb.{pack}"
    bomb.write_bytes(packed_zeros(pack))
    assert bomb.stat().st_size < 4 * MIB
    values = [entry.value for entry in read(str(bomb))]
    assert len(values) == 1
    assert len(values[0] or b"") <= 64 * MIB + 1


@pytest.mark.parametrize("codec", ["deflate", "zstandard", "bzip2", "xz", "snappy"])
@bounded(seconds=60, mib=512)
def test_a_bomb_in_a_container_is_too_large(codec: str) -> None:
    from tests.fuzz.avro import CODECS  # noqa: PLC0415 - named here beside its use

    packed = CODECS[codec.encode()](bytes(64 * MIB))
    text = schema_text("lineage_event.avsc").encode()
    pairs = [(b"avro.schema", text), (b"avro.codec", codec.encode())]
    named = b"".join(long(len(part)) + part for pair in pairs for part in pair)
    value = b"Obj\x01" + long(2) + named + long(0) + bytes(16) + long(1) + long(len(packed)) + packed + bytes(16)
    assert reason(observed(value)) == "too_large"


@bounded(seconds=20, mib=512)
def test_a_container_of_records_without_bytes_ends(tmp_path: Path) -> None:
    file = tmp_path / "endless.avro"
    writer = b'{"type":"record","name":"E","fields":[]}'
    named = long(11) + b"avro.schema" + long(len(writer)) + writer
    file.write_bytes(b"Obj\x01" + long(1) + named + long(0) + bytes(16) + long(HUGE) + long(1) + b"x" + bytes(16))
    assert len(list(read(str(file)))) == 1


@pytest.mark.parametrize("writer", [b'"Unknown"', b"{}", b'{"type":[[[1]]]}', b""])
def test_a_container_with_a_schema_that_is_none_is_refused(writer: bytes, tmp_path: Path) -> None:
    file = tmp_path / "bad.avro"
    named = long(11) + b"avro.schema" + long(len(writer)) + writer
    file.write_bytes(b"Obj\x01" + long(1) + named + long(0) + bytes(16) + long(1) + long(1) + b"x" + bytes(16))
    with pytest.raises(UsageError, match="cannot be read as Avro"):
        list(read(str(file)))


# The policy


def laughs(start: str, line: str) -> str:
    return start + "".join(line.format(this=number, last=number - 1) for number in range(1, 30))


@pytest.mark.parametrize(
    "text",
    [
        laughs("x0: &a0 {k: v}\n", "x{this}: &a{this} {{p: *a{last}, q: *a{last}}}\n"),
        laughs("x0: &a0 [a]\n", "x{this}: &a{this} [*a{last}, *a{last}]\n"),
        laughs("x0: &a0 {k: v}\n", "x{this}: &a{this} {{<<: [*a{last}, *a{last}]}}\n"),
        "&a [*a]",
        "? &a [*a]\n: 1",
        '"\\ud800": 1',
        "version: !!timestamp 0001-01-01T00:00:00+01:00",
        "version: 9999-12-31T23:59:59-23:00",
        "[" * 100_000,
        "version: " + "1" * 100_000,
        "version: 1:" + ":".join(["59"] * 5_000),
        "sources: !!python/object/apply:os.system [true]",
    ],
    ids=range(12),
)
@bounded(seconds=20, mib=512)
def test_a_policy_that_means_harm_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        parse_policy(text)


# Changes and alerts


def test_a_number_that_the_schema_cannot_hold_is_unreadable() -> None:
    place = Place("events", 5, 7)
    change = Change("id", Node(Kind.JOB, "n", "j"), (ChangeItem("i", ItemKind.NODE_ADDED, 0, Cause(place=place)),))
    data = encode_change(change)
    at = data.index(b"events") + len(b"events")
    assert decode_change(data) == change
    with pytest.raises(UnreadableRecordError):
        decode_change(data[:at] + long(2**40) + data[at + 1 :])


def test_a_damaged_gzip_is_said_to_be(tmp_path: Path) -> None:
    file = tmp_path / "cut.gz"
    file.write_bytes(gzip.compress(b'{"a": 1}\n' * 10_000)[:-20])
    with pytest.raises(UsageError, match="damaged"):
        list(read(str(file)))
