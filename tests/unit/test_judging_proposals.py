"""What a proposal says of a dataset: queries, dbt's artifacts, schema files."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.judging.dbt import read_catalog, read_manifest
from processor.judging.proposal import Field, Proposal, fitted
from processor.judging.schema_files import name_in, read_schema
from processor.judging.sql import Query
from processor.model.errors import UsageError
from processor.model.tables import Column
from tests.support.dbt import catalog, manifest, model

MEMBERS = st.sampled_from(["type", "fields", "name", "properties", "columns", "$ref"])
JSON = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(MEMBERS, inner),
    max_leaves=12,
)
KNOWN = (Column("id", "bigint"), Column("amount", "double"), Column("note", "varchar"))


@pytest.mark.parametrize(
    ("text", "column", "given_out"),
    [
        ("select id, amount from t", "amount", True),
        ("select id, AMOUNT from t", "amount", True),
        ('select "amount" from t', "amount", True),
        ("select t.amount, id from t", "amount", True),
        ("select amount::double, id from t", "amount", True),
        ("select x as amount from t", "amount", True),
        ("select id from t union all select amount from u", "amount", True),
        ("select amount", "amount", True),
        ("select id, amount as net from t", "amount", False),
        ("select amount net, id from t", "amount", False),
        ("select id, coalesce(amount, 0) as net from t", "amount", False),
        ("select id -- amount, \n from t", "amount", False),
        ("select id, 'amount, ' as x from t", "amount", False),
        ("with a as (select id, amount from t) select id from a", "amount", False),
        ("with a as (select id, amount as net from t), b as (select * from a) select * from b", "amount", False),
        ("with a as (select id, amount from t), b as (select * from a) select * from b", "amount", None),
        ("select * from t", "amount", None),
        ("with a as (select * from t) select id from a", "amount", False),
        ("with a as (select * from t) select * from a", "amount", None),
        ("select a.*, id from a", "amount", None),
        ("select {{ dbt_utils.star(ref('t')) }} from t", "amount", None),
        ("select id, count(*) as n from {{ ref('t') }}", "amount", False),
        ("select id, price * n as total from {{ source('a', 'b') }}", "amount", False),
        ("select id /* and amount from t", "amount", None),
        ('select "net amount", id from t', "net amount", True),
        ("select amount, id from t", "net amount", False),
        ("select id # amount, \n from t", "amount", None),
        ("select id, 'it\\'s' as x, amount from t", "amount", None),
        ("select 'it\\'s, amount from t' as x from t", "amount", None),
        ("select 'a\\\\' as x, amount from t", "amount", True),
        ("select 'a\\d' as x, amount from t", "amount", True),
        ("select $$it's$$ as x, amount from t", "amount", None),
        ("select q'[it's]' as x, amount from t", "amount", None),
        ("select id, // amount,\n from t", "amount", None),
        ("select 5--amount, id from t", "amount", None),
        ("select id --amount, \n from t", "amount", False),
        ("select /* /* */ amount, */ id from t", "amount", None),
        ("select \"it's\", amount, 'x' from t", "amount", None),
        ("select `net amount`, amount from t", "amount", True),
        ('select "x, amount" from t', "amount", None),
        ("select 'x, amount from t", "amount", None),
        ("{# amount, #} {{ config(materialized='view') }} select id from {{ this }}", "amount", False),
    ],
)
def test_what_a_query_gives_out(text: str, column: str, given_out: object) -> None:
    assert Query(text).gives(column) is given_out


@pytest.mark.parametrize("opening", ["/* ", "{# "])
def test_comments_that_never_end_are_read_once(opening: str) -> None:
    assert Query("select id " + opening * 300_000).gives("amount") is None


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("select amount - 1 as x from t", True),
        ("select id from t where t.Amount > 1", True),
        ("select * from t", True),
        ("select amounts from t", False),
        ("select id, count(*) from t", False),
        ("{% if x %} select id from t {% endif %}", True),
    ],
)
def test_whether_a_query_may_use_a_column(text: str, uses: object) -> None:
    assert Query(text).may_use(frozenset({"amount"})) is uses


@given(st.text(max_size=200), st.text(min_size=1, max_size=10))
def test_no_text_of_a_query_breaks_the_reading(text: str, column: str) -> None:
    assert Query(text).gives(column) in {True, False, None}
    assert Query(text).may_use(frozenset({column})) in {True, False}


# dbt


def test_a_manifest_tells_what_is_built_where_and_from_what() -> None:
    found = read_manifest(manifest(model("stg", {"id": "bigint"}), model("mart", depends_on=["stg"], alias="m")))
    assert found.project == "shop"
    assert {m.relation for m in found.models.values()} == {"db.main.stg", "db.main.m"}
    assert found.models["model.shop.mart"].depends_on == {"model.shop.stg"}
    assert found.models["model.shop.stg"].proposal.fields == (Field("id", "bigint"),)


def test_what_is_not_built_is_no_model() -> None:
    parts = model("a", config={"enabled": False}), model("b", config={"materialized": "ephemeral"})
    assert read_manifest(manifest(*parts, model("c", resource_type="test"))).models == {}


def test_a_contract_or_a_catalog_names_all_columns() -> None:
    held = model("a", {"id": "bigint"}, config={"contract": {"enforced": True}})
    assert read_manifest(manifest(held)).models["model.shop.a"].proposal.is_whole
    described = manifest(model("a", {"id": "bigint"}))
    assert not read_manifest(described).models["model.shop.a"].proposal.is_whole
    built = read_manifest(described, read_catalog(catalog(a={"ID": "BIGINT", "X": "TEXT"}))).models["model.shop.a"]
    assert built.proposal.is_whole
    assert built.proposal.fields == (Field("ID", "BIGINT"), Field("X", "TEXT"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is not dbt's manifest.json"),
        (b"[]", "is not dbt's manifest.json"),
        (b'{"nodes": {}}', "is not dbt's manifest.json"),
        (manifest(version="v3"), "is of version v3"),
        (manifest(version="v99"), "is of version v99"),
        (b'{"metadata": {"dbt_schema_version": "x"}, "nodes": {}}', "is of version x"),
        (b'{"metadata": {"dbt_schema_version": "a/manifest/v12.json"}, "nodes": 4}', "is not dbt's manifest.json"),
    ],
)
def test_what_is_no_manifest_is_refused_by_name(data: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=r"^new\.json") as refused:
        read_manifest(data, None, "new.json")
    assert said in str(refused.value)


# Schema files


@pytest.mark.parametrize(
    "document",
    [
        [{"name": "id", "type": "bigint"}, {"name": "amount", "type": "double"}],
        {"columns": [{"name": "id", "type": "bigint"}, {"name": "amount", "type": "double"}]},
        {"fields": [{"name": "id", "type": "bigint"}, {"name": "amount", "type": "double"}]},
        {"columns": {"id": "bigint", "amount": "double"}},
    ],
)
def test_a_plain_list_of_columns(document: object) -> None:
    assert read_schema(document, "f").fields == (Field("id", "bigint"), Field("amount", "double"))


AVRO: dict[str, Any] = {
    "type": "record",
    "name": "orders",
    "namespace": "shop.public",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "amount", "type": ["null", "double"]},
        {"name": "at", "type": {"type": "record", "name": "Place", "fields": [{"name": "city", "type": "string"}]}},
    ],
}


def test_avro_with_its_name_and_its_members() -> None:
    proposal = read_schema(AVRO, "f")
    assert [field.name for field in proposal.fields] == ["id", "amount", "at"]
    assert proposal.fields[2].members == (Field("city", "string"),)
    assert name_in(AVRO) == "shop.public.orders"
    nested = fitted(proposal, (Column("at", "struct"), Column("at.city", "string")), "s3://lake")
    assert {column.path for column in nested.columns} == {"id", "amount", "at", "at.city"}
    flat = fitted(proposal, (Column("at", "struct<city: string>"),), "s3://lake")
    assert {column.path for column in flat.columns} == {"id", "amount", "at"}


def test_json_schema_says_kinds_of_values_and_follows_its_own_references() -> None:
    document = {
        "properties": {
            "id": {"type": "integer"},
            "amount": {"type": ["number", "null"]},
            "note": {"$ref": "#/$defs/text"},
            "other": {"$ref": "https://elsewhere/x"},
        },
        "$defs": {"text": {"type": "string"}},
    }
    proposal = read_schema(document, "f")
    assert proposal.is_loose
    assert [field.type for field in proposal.fields] == ["bigint", "double", "string", None]
    known = (Column("id", "int"), Column("amount", "decimal(10,2)"), Column("note", "date"), Column("other", "x"))
    assert [column.type for column in fitted(proposal, known, "").columns] == [None] * 4
    assert fitted(proposal, (Column("id", "boolean"),), "").columns[0].type == "bigint"


@pytest.mark.parametrize(
    "document",
    [None, 4, "id", {}, {"columns": 4}, [4], [{"type": "x"}], [""], {"type": "record"}, {"columns": {"a": 4}}],
)
def test_what_is_no_schema_is_refused_by_name(document: object) -> None:
    with pytest.raises(UsageError, match=r"^f is no schema: .*state Avro"):
        read_schema(document, "f")


def test_a_schema_that_refers_to_itself_or_is_nested_without_end_is_refused() -> None:
    looped = {"properties": {"a": {"$ref": "#"}}}
    assert read_schema(looped, "f").fields == (Field("a"),)
    deep: dict[str, Any] = {"properties": {}}
    for _ in range(100):
        deep = {"properties": {"a": deep}}
    with pytest.raises(UsageError, match="nested too deeply"):
        read_schema(deep, "f")


def test_references_that_make_a_few_columns_into_very_many_are_refused() -> None:
    parts = {f"p{i}": {"properties": {name: {"$ref": f"#/parts/p{i + 1}"} for name in "ab"}} for i in range(30)}
    with pytest.raises(UsageError, match="more than 20000 columns"):
        read_schema({"properties": {"a": {"$ref": "#/parts/p0"}}, "parts": parts}, "f")


@given(JSON)
def test_no_document_breaks_the_reading(document: object) -> None:
    try:
        assert isinstance(read_schema(document, "f"), Proposal)
    except UsageError:
        assert msgspec.json.encode(document)


# Held against what is known


def test_a_whole_proposal_leaves_out_what_goes_and_another_only_what_the_query_gives_up() -> None:
    fields = (Field("ID", "bigint"),)
    whole = fitted(Proposal("m", fields=fields, ignores_case=True), KNOWN, "")
    assert whole.columns == (Column("id", "bigint"),)
    described = Proposal("m", fields=fields, is_whole=False, ignores_case=True)
    assert fitted(described, KNOWN, "") == ((Column("id", "bigint"), *KNOWN[1:]), ("amount", "note"))
    with_query = Proposal("m", fields=fields, is_whole=False, ignores_case=True, query=Query("select id, note from t"))
    assert fitted(with_query, KNOWN, "") == ((Column("id", "bigint"), KNOWN[2]), ())


def test_names_of_files_compare_exactly() -> None:
    assert fitted(Proposal("f", fields=(Field("ID"),)), KNOWN, "").columns == (Column("ID"),)
