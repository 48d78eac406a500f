"""What a change of a type's name is to whoever reads the column."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.detect.types.lattice import Family, Relation, Type, relation
from processor.detect.types.names import scheme_of
from processor.detect.types.parse import normal_form, retyping
from processor.model.alert import Retyping

RECORD = """{"type": "record", "name": "r", "fields": [
    {"name": "a", "type": "int"}, {"name": "b", "type": ["null", "string"]}
]}"""
SAME = (
    ("int", "integer", "INT", "int4", "int32", "Int32", "int(11)", "integer not null", "Nullable(Int32)"),
    ("bigint", "long", "int8", "int64", "BIGINT", "int64[pyarrow]", '["null", "long"]'),
    ("smallint", "short", "int2", "int16"),
    ("int unsigned", "uint32", "integer(10) unsigned"),
    ("string", "text", "varchar", "character varying", "utf8", "large_string", '"string"', "string[pyarrow]"),
    ("varchar(255)", "character varying(255)", "nvarchar(255)", "VARCHAR (255)"),
    ("char(3)", "character(3)", "bpchar(3)"),
    ("double", "double precision", "float8", "float64", "DOUBLE"),
    ("float", "real", "float4", "float32"),
    ("boolean", "bool", "BOOLEAN", "bool[pyarrow]"),
    ("decimal(10,2)", "numeric(10, 2)", "NUMBER(10,2)", "decimal128(10, 2)"),
    ("decimal(10)", "decimal(10,0)"),
    ("bytes", "bytea", "blob", "varbinary", "binary", "large_binary"),
    ("date", "date32", "date32[day]", '{"type": "int", "logicalType": "date"}'),
    ("timestamp_ntz", "timestamp without time zone", "datetime", "timestamp(6)", "timestamp[us]", "TIMESTAMP"),
    (
        "timestamptz",
        "timestamp with time zone",
        "timestamp_ltz",
        "timestamp(6) with time zone",
        "timestamp[us, tz=UTC]",
    ),
    ("datetime64[ns]", "timestamp(9)", "timestamp[ns]"),
    ("datetime64[ns, UTC]", "timestamp[ns, tz=Europe/Zurich]", "timestamptz(9)"),
    (
        "struct<a:int,b:string>",
        "STRUCT<b STRING, a INT>",
        "row(a integer, b varchar)",
        "struct<a: int32 not null, b: utf8>",
    ),
    ("array<int>", "int[]", "_int4", "ARRAY<INT>", "list<item: int32>"),
    ("array<struct<x:bigint>>", "ARRAY<STRUCT<x INT64>>", "list<element: struct<x: int64>>"),
    ("map<string,int>", "map<varchar, integer>", "map<string, int32 ('entries')>"),
    ("struct<a:int comment 'x, y', b:string>", RECORD),
    ("dictionary<values=string, indices=int32, ordered=0>", "text"),
    ("geography ( point )", "GEOGRAPHY(POINT)"),
    ("enum('a','b')", "ENUM('b', 'a')", '{"type": "enum", "name": "e", "symbols": ["b", "a"]}'),
)

WIDENED = (
    ("int", "bigint"),
    ("smallint", "int"),
    ("uint8", "smallint"),
    ("uint32", "uint64"),
    ("int", "decimal(10,0)"),
    ("decimal(4)", "int"),
    ("int", "double"),
    ("float", "double"),
    ("decimal(10,2)", "decimal(12,2)"),
    ("decimal(10,2)", "decimal(12,4)"),
    ("varchar(10)", "varchar(255)"),
    ("varchar(255)", "string"),
    ("char(3)", "varchar(3)"),
    ("uuid", "string"),
    ("enum('a','b')", "enum('a','b','c')"),
    ("enum('a','b')", "varchar(1)"),
    ("binary(16)", "bytes"),
    ("date", "timestamp"),
    ("timestamp(3)", "timestamp(6)"),
    ("time(0)", "time"),
    ("void", "int"),
    ("null", "geography"),
    ("struct<a:int>", "struct<a:int,b:string>"),
    ("struct<a:int,b:string>", "struct<a:bigint,b:string>"),
    ("array<int>", "array<bigint>"),
    ("array<struct<a:int>>", "array<struct<a:int,b:int>>"),
    ("map<string,int>", "map<string,bigint>"),
)
INCOMPATIBLE = (
    ("int", "string"),
    ("string", "bytes"),
    ("boolean", "int"),
    ("bigint", "double"),
    ("bigint", "decimal(10,2)"),
    ("int", "uint32"),
    ("decimal(10,2)", "decimal(12,5)"),
    ("decimal(10,2)", "double"),
    ("timestamp", "timestamptz"),
    ("date", "timestamptz"),
    ("time", "timestamp"),
    ("array<int>", "int"),
    ("array<int>", "array<string>"),
    ("struct<a:int>", "map<string,int>"),
    ("struct<a:int,b:int>", "struct<a:bigint>"),
    ("struct<a:int>", "struct<b:int>"),
    ("map<string,int>", "map<int,int>"),
)
UNKNOWN = (
    ("json", "string"),
    ("geography", "geometry"),
    ("variant", "int"),
    ("decimal", "decimal(10,2)"),
    ("int", "numeric"),
    ("struct", "struct<a:int>"),
    ("array<json>", "array<int>"),
    ("object", "string"),
    ('["int", "string"]', "int"),
    ("struct<a:int", "struct<a:int>"),
)


@pytest.mark.parametrize("names", SAME)
def test_a_type_spelled_in_another_way_is_the_same_type(names: tuple[str, ...]) -> None:
    assert {normal_form(name) for name in names} == {normal_form(names[0])}
    assert Family.OTHER not in {normal_form(name).family for name in names[1:] if "GEO" not in name}
    assert retyping(names[0], names[-1], "") is None


@pytest.mark.parametrize(("narrow", "wide"), WIDENED)
def test_what_a_reader_survives_is_widened_and_the_way_back_narrowed(narrow: str, wide: str) -> None:
    assert retyping(narrow, wide, "") is Retyping.WIDENED
    assert retyping(wide, narrow, "") is Retyping.NARROWED


@pytest.mark.parametrize(("one", "other"), INCOMPATIBLE)
def test_what_neither_holds_is_incompatible_both_ways(one: str, other: str) -> None:
    assert retyping(one, other, "") is retyping(other, one, "") is Retyping.INCOMPATIBLE


@pytest.mark.parametrize(("one", "other"), UNKNOWN)
def test_what_nobody_can_tell_is_unknown_both_ways(one: str, other: str) -> None:
    assert retyping(one, other, "") is retyping(other, one, "") is Retyping.UNKNOWN


@pytest.mark.parametrize(
    ("namespace", "one", "other", "expected"),
    [
        ("bigquery", "INTEGER", "INT64", None),
        ("bigquery", "FLOAT", "FLOAT64", None),
        ("bigquery", "TIMESTAMP", "DATETIME", Retyping.INCOMPATIBLE),
        ("bigquery", "NUMERIC", "BIGNUMERIC", Retyping.WIDENED),
        ("snowflake://org-account", "INT", "NUMBER(38,0)", None),
        ("snowflake://org-account", "VARCHAR(16777216)", "TEXT", None),
        ("snowflake://org-account", "FLOAT", "DOUBLE", None),
        ("postgres://db:5432", "numeric(10,2)", "numeric", Retyping.WIDENED),
        ("postgres://db:5432", "int8", "bigint", None),
        ("s3://lake", "int8", "int16", Retyping.WIDENED),
        ("s3://lake", "timestamp", "timestamp_ltz", None),
        ("mystery://x", "int", "bigint", Retyping.WIDENED),
    ],
)
def test_a_name_that_engines_use_differently_is_read_as_the_datasets_engine_does(
    namespace: str, one: str, other: str, expected: Retyping | None
) -> None:
    assert retyping(one, other, scheme_of(namespace)) is expected


def test_types_too_deep_or_too_long_to_read_are_themselves_and_nothing_else() -> None:
    deep, wide = "array<" * 5_000 + "int" + ">" * 5_000, f"struct<{','.join(f'c{n}:int' for n in range(9_000))}>"
    for text in (deep, wide, "[" * 20_000, '{"type":' * 3_000):
        assert normal_form(text).family is Family.OTHER
        assert retyping(text, text.upper(), "") is None
        assert retyping(text, "int", "") is Retyping.UNKNOWN


SCALARS = sorted({name for names in (*SAME, *WIDENED, *INCOMPATIBLE, *UNKNOWN) for name in names})
texts = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: st.one_of(
        inner.map(lambda item: f"array<{item}>"),
        inner.map(lambda item: f"map<string,{item}>"),
        st.dictionaries(st.sampled_from("abc"), inner, min_size=1).map(
            lambda members: f"struct<{','.join(f'{name}:{item}' for name, item in members.items())}>"
        ),
    ),
    max_leaves=4,
)
schemes = st.sampled_from(["", "bigquery", "snowflake", "postgres", "s3"])
CONVERSES = {Relation.WIDENED: Relation.NARROWED, Relation.NARROWED: Relation.WIDENED}


def of(one: str, other: str, scheme: str) -> Relation:
    return relation(normal_form(one, scheme), normal_form(other, scheme))


@given(texts, texts, schemes)
def test_seen_from_the_other_side_widened_is_narrowed_and_all_else_as_it_is(one: str, other: str, scheme: str) -> None:
    there = of(one, other, scheme)
    assert of(other, one, scheme) is CONVERSES.get(there, there)


@given(texts, texts, texts, schemes)
def test_same_is_an_equivalence_and_a_type_may_be_widened_again(a: str, b: str, c: str, scheme: str) -> None:
    assert of(a, a, scheme) is Relation.SAME
    there = {of(a, b, scheme), of(b, c, scheme)}
    if there <= {Relation.SAME}:
        assert of(a, c, scheme) is Relation.SAME
    elif there <= {Relation.SAME, Relation.WIDENED}:
        assert of(a, c, scheme) in {Relation.WIDENED, Relation.UNKNOWN}


@given(st.text(max_size=60) | st.text("<>()[]{},:'\"= intarymapsucde0123456789", max_size=80), schemes)
def test_any_text_is_a_type(text: str, scheme: str) -> None:
    assert isinstance(normal_form(text, scheme), Type)
    assert retyping(text, text, scheme) is None


@pytest.mark.parametrize(
    "text",
    [
        "int" + "[]" * 10_000,
        "_" * 20_000 + "int",
        "int" + " unsigned" * 3_000,
        "a " * 16_000,
        '{"type": 3}',
        "[3]",
        '{"type": null}',
        '{"type": "record", "fields": 1}',
        '{"type": "enum", "symbols": [{"a": 1}, 2]}',
    ],
)
def test_what_is_no_type_is_itself_however_it_is_nested_or_misspelled(text: str) -> None:
    assert retyping(text, text, "") is None
    assert normal_form(text).family is Family.OTHER


def test_digits_without_end_are_weighed_at_once() -> None:
    endless = '{"type": "bytes", "logicalType": "decimal", "precision": 1000000000000}'
    assert retyping(endless, "bigint", "") is Retyping.NARROWED
    assert retyping("bigint", "decimal(9999999,0)", "") is Retyping.WIDENED
    assert retyping("decimal(18,0)", "bigint", "") is Retyping.WIDENED
    assert retyping("decimal(19,0)", "bigint", "") is Retyping.NARROWED


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["int", "null"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "logicalType", "items", "values", "fields", "symbols", "size", "precision", "scale"]
            ),
            inner | st.sampled_from(["record", "array", "map", "enum", "fixed", "decimal"]),
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(documents)
def test_any_document_is_a_type(document: object) -> None:
    text = json.dumps(document)
    assert isinstance(normal_form(text), Type)
    assert retyping(text, text, "") is None
