"""Reading files: every kind of file gives the values that stand in it, byte for byte."""

import gzip
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa  # type: ignore[import-untyped]  # it comes without types
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from processor.decode import build_decoder, read_schemas
from processor.decode.keys import message_key
from processor.decode.observe import build_observer, observer
from processor.index.digest import digest
from processor.index.memory import MemoryStore
from processor.load import Entry, read
from processor.load.documents import document_values
from processor.load.into_index import load_into
from processor.load.reader import refuse_missing
from processor.load.stream import Peek, as_raw
from processor.model.errors import Reason, Rejected, UsageError
from processor.resources import schemas_dir

Schema = dict[str, Any]

EVENTS = [
    {"eventTime": "2026-03-02T06:00:00Z", "producer": "https://p.example", "job": {"namespace": "n", "name": f"j{i}"}}
    for i in range(4)
]
LINES = [json.dumps(event).encode() for event in EVENTS]
SAMPLES = Path(__file__).parents[1] / "samples"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
json_objects = st.dictionaries(st.text(), json_values, min_size=1, max_size=4)
Pack = Callable[[bytes], bytes]


def written(folder: Path, data: bytes, name: str = "events") -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


def values(source: str) -> list[bytes | None]:
    return [entry.value for entry in read(source)]


def split(text: str) -> list[Any]:
    stream = Peek(as_raw(io.BytesIO(text.encode("utf-8", "surrogatepass"))))
    return [json.loads(value) for _, value in document_values(stream)]


@pytest.mark.parametrize(
    "text",
    [
        b"\n".join(LINES),
        b"\n".join(LINES) + b"\n",
        b"\r\n".join(LINES) + b"\r\n",
        b"\n\n  \n".join(LINES),
        b"\xef\xbb\xbf" + b"\n".join(LINES),
        b"[" + b",".join(LINES) + b"]",
        b" [\n" + b" ,\n".join(LINES) + b"\n]\n",
        b"[" + b",\n".join(LINES) + b"\n]\n",
        b"[\n" + b"\n,".join(LINES) + b"\n]\n",
        b"[" + b",".join(LINES[:2]) + b"]\n[" + b",".join(LINES[2:]) + b"]",
        b"\n".join(json.dumps(event, indent=2).encode() for event in EVENTS),
        b"".join(json.dumps(event, indent=2).encode() for event in EVENTS),
    ],
)
def test_json_is_cut_into_its_documents_however_it_is_laid_out(tmp_path: Path, text: bytes) -> None:
    found = values(written(tmp_path, text))
    assert [json.loads(value or b"") for value in found] == EVENTS


def test_each_value_knows_the_line_it_starts_on(tmp_path: Path) -> None:
    source = written(tmp_path, b"\n" + b"\n\n".join(LINES[:3]))
    assert [(entry.line, entry.place) for entry in read(source)] == [(n, f"{source}:{n}") for n in (2, 4, 6)]
    source = written(tmp_path, b"[\n" + b",\n".join(LINES[:2]) + b"]")
    assert [entry.line for entry in read(source)] == [2, 3]


def test_broken_lines_stay_whole_and_do_not_take_others_along(tmp_path: Path) -> None:
    lines = [b'{"a": ', LINES[0], b"no json", b'{"a": "', LINES[1], b"\xff\xfe"]
    assert values(written(tmp_path, b"\n".join(lines))) == [line.strip() for line in lines]


def test_an_array_of_one_on_a_line_of_its_own_is_an_array(tmp_path: Path) -> None:
    assert values(written(tmp_path, b"[\n" + LINES[0] + b"\n]\n")) == LINES[:1]


def test_what_never_closes_is_one_value(tmp_path: Path) -> None:
    text = b'{\n "a": [1,\n 2'
    assert values(written(tmp_path, text)) == [text]


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    assert values(written(tmp_path, b"")) == []
    assert values(written(tmp_path, b" \n\n")) == []


@given(st.lists(json_objects, min_size=1, max_size=6), st.sampled_from([None, 1]), st.sampled_from(["\n", " \n ", ""]))
def test_documents_one_after_the_other_come_back(documents: list[Any], indent: int | None, between: str) -> None:
    lines = indent is None and between != ""
    text = ("\n" if lines else between).join(json.dumps(each, indent=indent) for each in documents)
    assert split(text) == documents


@given(st.lists(json_values, max_size=6), st.sampled_from([None, 1]), st.booleans())
def test_elements_of_an_array_come_back(documents: list[Any], indent: int | None, is_ascii: bool) -> None:  # noqa: FBT001
    assert split(json.dumps(documents, indent=indent, ensure_ascii=is_ascii or None is indent)) == documents


@pytest.mark.parametrize(
    "pack", [gzip.compress, zstandard.compress, lambda data: zstandard.compress(gzip.compress(data))]
)
def test_packed_files_are_unpacked_whatever_their_name(tmp_path: Path, pack: Pack) -> None:
    assert values(written(tmp_path, pack(b"\n".join(LINES)))) == LINES


def test_packed_files_may_be_joined(tmp_path: Path) -> None:
    for compress in (gzip.compress, zstandard.compress):
        data = compress(LINES[0] + b"\n") + compress(LINES[1] + b"\n")
        assert values(written(tmp_path, data)) == LINES[:2]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_damaged_file_gives_what_stands_before_the_damage(tmp_path: Path, pack: Pack) -> None:
    many = b"\n".join(json.dumps({"n": n}).encode() for n in range(200_000))
    seen: list[bytes | None] = []
    reader = read(written(tmp_path, pack(many)[:-1000]))
    with pytest.raises(UsageError, match="damaged"):
        seen.extend(entry.value for entry in reader)
    assert seen[:2] == [b'{"n": 0}', b'{"n": 1}']


def test_a_file_that_cannot_be_opened_is_a_usage_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(UsageError, match="cannot read"):
            values(str(path))


def test_one_binary_value_is_one_value(tmp_path: Path) -> None:
    for data in (b"\xc3\x01" + bytes(20), b"\x00\x00\x00\x00\x07" + bytes(9)):
        assert values(written(tmp_path, data)) == [data]


@pytest.mark.parametrize("form", [pa.string(), pa.binary(), pa.large_string()])
@pytest.mark.parametrize("name", ["value", "anything"])
def test_parquet_gives_its_values(tmp_path: Path, form: pa.DataType, name: str) -> None:
    column = pa.array([line.decode() for line in LINES] + [None], pa.string()).cast(form)
    parquet.write_table(pa.table({name: column}), tmp_path / "events")
    assert values(str(tmp_path / "events")) == [*LINES, None]


def test_parquet_that_holds_no_events_says_so(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"a": ["x"], "b": ["y"]}), tmp_path / "two")
    with pytest.raises(UsageError, match="'value'"):
        values(str(tmp_path / "two"))
    parquet.write_table(pa.table({"value": [1]}), tmp_path / "number")
    with pytest.raises(UsageError, match="int64"):
        values(str(tmp_path / "number"))
    with pytest.raises(UsageError, match="Parquet"):
        values(written(tmp_path, b"PAR1 and nothing more"))


FOREIGN = {
    "type": "record",
    "name": "LineageEvent",
    "namespace": "lineage",
    "fields": [
        {"name": "eventTime", "type": "string"},
        {"name": "producer", "type": "string"},
        {
            "name": "job",
            "type": {
                "type": "record",
                "name": "Job",
                "fields": [{"name": "namespace", "type": "string"}, {"name": "name", "type": "string"}],
            },
        },
    ],
}


def avro(schema: Schema, codec: str = "null") -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, schema, EVENTS, codec=codec, sync_interval=100)
    return out.getvalue()


def indexed(source: str) -> tuple[str, list[Reason]]:
    observe = build_observer("auto", read_schemas(schemas_dir(), None))
    store, rejected = MemoryStore(), list[Reason]()

    def on_rejected(_entry: Entry, why: Rejected) -> None:
        rejected.append(why.reason)

    load_into(store, observe, read(source), on_rejected)
    return digest(store), rejected


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2"])
def test_avro_containers_index_as_their_json_does(tmp_path: Path, codec: str) -> None:
    as_json = indexed(written(tmp_path, b"\n".join(LINES), "json"))
    assert as_json[1] == []
    assert indexed(written(tmp_path, avro(FOREIGN, codec), "foreign")) == as_json
    ours = json.loads((schemas_dir() / "lineage_event.avsc").read_text())
    assert indexed(written(tmp_path, avro(ours, codec), "ours")) == as_json


def test_records_of_a_container_are_values_of_their_own(tmp_path: Path) -> None:
    ours = json.loads((schemas_dir() / "lineage_event.avsc").read_text())
    found = values(written(tmp_path, avro(ours)))
    assert len(found) == len(EVENTS)
    assert all(value and value.startswith(b"\xc3\x01") and len(value) < 500 for value in found)
    foreign = values(written(tmp_path, avro(FOREIGN)))
    assert [value[:4] for value in foreign if value] == [b"Obj\x01"] * len(EVENTS)


def test_a_broken_container_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Avro"):
        values(written(tmp_path, avro(FOREIGN)[:-3]))


def test_a_recursive_schema_does_not_end_the_process(tmp_path: Path) -> None:
    tree = {"type": "record", "name": "T", "fields": [{"name": "t", "type": ["null", "T"]}]}
    out = io.BytesIO()
    fastavro.writer(out, tree, [])
    header = out.getvalue()
    deep = b"\x02" * 5000 + b"\x00"
    block = b"\x02" + zigzag(len(deep)) + deep + header[-16:]
    assert len(values(written(tmp_path, header + block))) == 1


def zigzag(number: int) -> bytes:
    rest, out = number << 1, b""
    while rest > 0x7F:
        out += bytes([rest & 0x7F | 0x80])
        rest >>= 7
    return out + bytes([rest])


def test_what_was_read_before_damage_is_indexed() -> None:
    observe, store = observer(build_decoder("auto", read_schemas(schemas_dir(), None))), MemoryStore()

    def entries() -> Iterator[Entry]:
        yield Entry("f", 1, LINES[0])
        raise UsageError("f is damaged")

    with pytest.raises(UsageError, match="damaged"):
        load_into(store, observe, entries(), lambda *_: None)
    only = MemoryStore()
    load_into(only, observe, [Entry("f", 1, LINES[0])], lambda *_: None)
    assert digest(store) == digest(only)


@pytest.mark.parametrize(
    ("event", "key"),
    [
        ({"run": {}, "job": {"namespace": "n", "name": "j"}}, b"run:n/j"),
        (
            {
                "run": {"facets": {"parent": {"job": {"namespace": "p", "name": "q"}}}},
                "job": {"namespace": "n", "name": "j"},
            },
            b"run:p/q",
        ),
        (
            {
                "run": {
                    "facets": {
                        "parent": {
                            "job": {"namespace": "p", "name": "q"},
                            "root": {"job": {"namespace": "r", "name": "s"}},
                        }
                    }
                },
                "job": {"namespace": "n", "name": "j"},
            },
            b"run:r/s",
        ),
        ({"job": {"namespace": "n", "name": "j"}}, b"job:n/j"),
        ({"dataset": {"namespace": "n", "name": "d"}}, b"dataset:n/d"),
        ({"something": "else"}, None),
    ],
)
def test_keys_are_those_of_the_real_client(event: dict[str, Any], key: bytes | None) -> None:
    assert message_key(json.dumps(event).encode()) == key


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"[]", b'{"run": 3}', b'{"a":' * 100_000])
def test_what_has_no_key_is_sent_without_one(value: bytes | None) -> None:
    assert message_key(value) is None


def test_a_file_that_is_not_there_is_told_before_anything_is_begun(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.touch()
    refuse_missing([str(there), "-"])
    with pytest.raises(UsageError, match="nowhere: no such file"):
        refuse_missing([str(there), "nowhere"])
