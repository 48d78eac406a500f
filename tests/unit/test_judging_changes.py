"""What a proposed change breaks downstream, and how that is told."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import msgspec
import pytest

from processor.index.memory import MemoryStore
from processor.index.resolve import resolve
from processor.index.view import View
from processor.judging.markdown import markdown
from processor.judging.questions import BadPartError, ImpactQuestion, answer_impact
from processor.judging.sarif import sarif
from processor.judging.verdicts import FailOn, Grade, ImpactVerdict
from tests.support.dbt import catalog, manifest, model
from tests.support.events import PIPELINE, Json, column_lineage, event, facet, memory, schema, table

STG = "select id, customer, amount from db.main.raw"
MART = "select customer, amount as revenue from db.main.stg"
STG_COLUMNS = {"id": "bigint", "customer": "bigint", "amount": "double"}


def built(name: str, minutes: float = 0, *, inputs: list[Json], output: Json) -> Json:
    """A run of a dbt model, as dbt-ol tells it."""
    node = facet(unique_id=f"model.shop.{name}", database="db", schema="main", alias=name)
    kind = facet(processingType="BATCH", integration="DBT", jobType="MODEL")
    facets = {"dbt_node": node, "jobType": kind}
    return event(
        f"db.main.shop.{name}.run",
        minutes=minutes,
        run=sum(name.encode()),
        inputs=inputs,
        outputs=[output],
        job_facets=facets,
    )


def project(minutes: float = 0) -> list[Json]:
    stg = table(
        "db.main.stg",
        schema=schema(*(f"{name}:{type_}" for name, type_ in STG_COLUMNS.items())),
        columnLineage=column_lineage({name: [("db.main.raw", name)] for name in STG_COLUMNS}),
    )
    lineage = {"customer": [("db.main.stg", "customer")], "revenue": [("db.main.stg", "amount")]}
    mart = table("db.main.mart", columnLineage=column_lineage(lineage), ownership=facet(owners=[{"name": "ann"}]))
    return [
        built("stg", minutes, inputs=[table("db.main.raw")], output=stg),
        built("mart", minutes, inputs=[table("db.main.stg")], output=mart),
    ]


def asked(store: MemoryStore, **question: Any) -> ImpactVerdict:  # noqa: ANN401  any part
    view = View(store)
    raw = {n: msgspec.Raw(v) if n in {"manifest", "catalog", "base"} else v for n, v in question.items()}
    return answer_impact(view, msgspec.convert(raw, ImpactQuestion), lambda text: resolve(view, text))


def proposed(stg: Json | None = None, mart: Json | None = None) -> bytes:
    """The project's manifest, with a model that is changed."""
    return manifest(
        stg or model("stg", STG_COLUMNS, STG), mart or model("mart", sql=MART, depends_on=["stg"], database="db")
    )


def grades(verdict: ImpactVerdict) -> dict[str, Grade]:
    return {change.dataset.name: change.grade for change in verdict.changes}


WITHOUT_AMOUNT = model("stg", {"id": "bigint", "customer": "bigint"}, "select id, customer from db.main.raw")


# dbt


def test_the_manifest_as_it_is_built_changes_nothing() -> None:
    verdict = asked(memory(*project()), manifest=proposed())
    assert (verdict.ok, verdict.changes, verdict.compared, verdict.notes) == (True, [], 2, [])


def test_an_empty_index_says_nothing_good_of_a_change() -> None:
    verdict = asked(MemoryStore(), manifest=proposed())
    assert not verdict.ok
    assert verdict.notes[0].startswith("the index knows no dataset at all")
    assert asked(MemoryStore(), manifest=proposed(), fail_on="never").ok


def test_a_dropped_column_that_somebody_reads_is_named_with_what_it_breaks() -> None:
    verdict = asked(memory(*project()), manifest=proposed(WITHOUT_AMOUNT))
    [change] = verdict.changes
    assert (verdict.ok, change.grade, change.file) == (False, Grade.BREAKING, "models/stg.sql")
    assert [(each.path, each.change.value) for each in change.changes] == [("amount", "REMOVED")]
    assert [(a.node.name, a.node.field) for a in change.impact.columns] == [("db.main.mart", "revenue")]
    assert change.impact.owners == ["ann"]
    assert change.summary.startswith("Column amount of db.main.stg would be dropped; 1 downstream column")


@pytest.mark.parametrize(("fail_on", "ok"), [("breaking", False), ("possible", False), ("any", False), ("never", True)])
def test_from_which_grade_on_the_answer_is_no(fail_on: str, ok: object) -> None:
    verdict = asked(memory(*project()), manifest=proposed(WITHOUT_AMOUNT), fail_on=FailOn(fail_on))
    assert verdict.ok is ok


def test_a_reader_that_is_changed_with_it_is_not_broken_by_it() -> None:
    mart = model("mart", sql="select customer from db.main.stg", depends_on=["stg"])
    verdict = asked(memory(*project()), manifest=proposed(WITHOUT_AMOUNT, mart))
    assert verdict.ok
    assert grades(verdict) == {"db.main.stg": Grade.POSSIBLE, "db.main.mart": Grade.HARMLESS}
    assert any("is changed with it" in note for note in verdict.notes)


def test_a_reader_that_does_not_depend_on_it_any_more_is_not_broken_by_it() -> None:
    mart = model("mart", sql="select customer, amount as revenue from db.main.other", depends_on=["other"])
    assert asked(memory(*project()), manifest=proposed(WITHOUT_AMOUNT, mart)).ok


def test_columns_that_are_not_described_are_taken_to_stay_and_told_where_that_is_not_certain() -> None:
    known_by_query = model("stg", {"id": "bigint"}, STG)
    assert asked(memory(*project()), manifest=proposed(known_by_query)).notes == []
    anything = model("stg", {"id": "bigint"}, "select * from db.main.raw")
    verdict = asked(memory(*project()), manifest=proposed(anything))
    assert (verdict.ok, verdict.changes) == (True, [])
    assert verdict.notes == ["model.shop.stg does not list 2 known columns: customer, amount are taken to stay"]
    [note] = asked(memory(*project()), manifest=proposed(model("stg"))).notes
    assert note == "model.shop.stg lists no columns: id, customer, amount are taken to stay"


def test_a_catalog_says_what_there_is_whatever_the_query_says() -> None:
    columns = {"id": "BIGINT", "customer": "BIGINT"}
    verdict = asked(memory(*project()), manifest=proposed(), catalog=catalog(stg=columns))
    assert grades(verdict) == {"db.main.stg": Grade.BREAKING}
    same = {name.upper(): type_.upper() for name, type_ in STG_COLUMNS.items()}
    assert asked(memory(*project()), manifest=proposed(), catalog=catalog(stg=same)).changes == []


def test_types_are_judged_as_those_of_a_drift() -> None:
    retyped = model("stg", {**STG_COLUMNS, "amount": "varchar"}, STG)
    assert grades(asked(memory(*project()), manifest=proposed(retyped))) == {"db.main.stg": Grade.BREAKING}
    widened = model("stg", {**STG_COLUMNS, "customer": "numeric(30,0)"}, STG)
    assert grades(asked(memory(*project()), manifest=proposed(widened))) == {"db.main.stg": Grade.POSSIBLE}
    respelled = model("stg", {**STG_COLUMNS, "amount": "DOUBLE PRECISION"}, STG)
    assert asked(memory(*project()), manifest=proposed(respelled)).changes == []


def test_a_model_that_is_built_elsewhere_is_known_by_its_id() -> None:
    stg = {**WITHOUT_AMOUNT, "database": "ci", "schema": "pr_17"}
    verdict = asked(memory(*project()), manifest=manifest(stg), deleted=False)
    assert grades(verdict) == {"db.main.stg": Grade.BREAKING}


def test_a_model_that_goes_breaks_those_who_are_left() -> None:
    dashboard = event("dashboard", run=5, inputs=[table("db.main.mart")])
    store = memory(*project(), dashboard)
    verdict = asked(store, manifest=manifest(model("stg", STG_COLUMNS, STG)))
    [change] = verdict.changes
    assert (change.dataset.name, change.grade) == ("db.main.mart", Grade.BREAKING)
    assert change.summary == "Dataset db.main.mart would no longer be built; 1 reader left (shop.dashboard)."
    assert asked(store, manifest=manifest(model("stg", STG_COLUMNS, STG)), deleted=False).changes == []


def test_a_model_that_goes_with_its_readers_breaks_nobody() -> None:
    verdict = asked(memory(*project()), manifest=manifest(model("new", sql="select 1 as x")))
    assert grades(verdict) == {"db.main.stg": Grade.HARMLESS, "db.main.mart": Grade.HARMLESS}


def test_a_model_that_went_long_ago_is_not_told_again() -> None:
    old = built("old", 0, inputs=[table("db.main.raw")], output=table("db.main.old"))
    reader = event("reader", run=5, inputs=[table("db.main.old")])
    assert asked(memory(old, reader, *project(3 * 24 * 60)), manifest=proposed()).changes == []
    assert grades(asked(memory(old, reader, *project(60)), manifest=proposed())) == {"db.main.old": Grade.BREAKING}


def test_the_manifest_before_says_what_goes() -> None:
    old = built("old", 0, inputs=[table("db.main.raw")], output=table("db.main.old"))
    reader = event("reader", run=5, inputs=[table("db.main.old")])
    store = memory(old, reader, *project(3 * 24 * 60))
    base = manifest(model("stg"), model("mart"), model("old"))
    assert grades(asked(store, manifest=proposed(), base=base)) == {"db.main.old": Grade.BREAKING}
    assert asked(store, manifest=proposed(), base=proposed()).changes == []


def test_a_name_in_two_namespaces_is_judged_in_each_or_in_the_one_that_is_asked_for() -> None:
    there = event("copy", run=8, outputs=[table("db.main.stg", "duckdb:///ci", schema=schema("id", "amount"))])
    store = memory(*project(), there)
    both = asked(store, manifest=proposed(WITHOUT_AMOUNT))
    assert both.compared == 3
    assert any("choose one with --namespace" in note for note in both.notes)
    assert asked(store, manifest=proposed(WITHOUT_AMOUNT), namespace="duckdb:///ci", deleted=False).ok


def test_models_that_the_index_does_not_know_are_told() -> None:
    verdict = asked(memory(*project()), manifest=proposed(mart=model("brand_new")), deleted=False)
    assert verdict.notes == ["1 model not in the index, so nothing depends on them yet: model.shop.brand_new"]


# A schema


def test_a_schema_is_held_against_the_dataset_that_it_is_of() -> None:
    verdict = asked(memory(*PIPELINE), schema=["id"], dataset="raw")
    [change] = verdict.changes
    assert (change.grade, change.dataset.name, change.impact.columns[0].node.field) == (Grade.BREAKING, "raw", "total")
    named = {"dataset": "raw", "columns": [{"name": "id"}, {"name": "amount", "type": "int"}]}
    assert asked(memory(*PIPELINE), schema=named).changes == []
    added = asked(memory(*PIPELINE), schema=["id", "amount", "new"], dataset="raw")
    assert (added.ok, added.changes[0].grade) == (True, Grade.HARMLESS)


@pytest.mark.parametrize(
    ("question", "parameter"),
    [
        ({}, "manifest"),
        ({"manifest": proposed(), "schema": []}, "manifest"),
        ({"manifest": b"[]"}, "manifest"),
        ({"manifest": proposed(), "catalog": b"[]"}, "catalog"),
        ({"manifest": proposed(), "base": b"4"}, "base"),
        ({"schema": 4, "dataset": "raw"}, "schema"),
        ({"schema": ["id"]}, "dataset"),
        ({"schema": ["id"], "dataset": "stage"}, "dataset"),
    ],
)
def test_the_part_that_cannot_be_used_is_named(question: dict[str, Any], parameter: str) -> None:
    with pytest.raises(BadPartError) as refused:
        asked(memory(*PIPELINE), **question)
    assert refused.value.parameter == parameter


# How it is told


def test_markdown_names_what_would_break() -> None:
    told = markdown(asked(memory(*project()), manifest=proposed(WITHOUT_AMOUNT)))
    assert "## Lineage: this change breaks readers downstream" in told
    assert "| `amount` | removed | `double` |  |" in told
    assert "| `db.main.mart.revenue` | 1 | yes |" in told
    assert "Owners: `ann`." in told
    assert "nobody downstream is broken" in markdown(asked(memory(*project()), manifest=proposed()))


def test_no_name_is_markup() -> None:
    evil = "x`</details>|@all\n[a](b)"
    output = table("out", columnLineage=column_lineage({evil: [("raw", "amount")]}))
    store = memory(*PIPELINE, event("evil", run=9, inputs=[table("raw")], outputs=[output]))
    told = markdown(asked(store, schema=["id"], dataset="raw"))
    assert "``out.x`</details>\\|@all\\n[a](b)``" in told
    prose = told.partition("| column |")[0]
    assert "\\<" in prose
    assert "\\@all" in prose
    assert "</details>" not in prose


SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": {"$ref": "#/$defs/run"}},
    },
    "$defs": {
        "message": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}},
        "rules": {"type": "array", "uniqueItems": True, "items": {"required": ["id"]}},
        "uri": {"type": "string", "pattern": "^[^ \\\\]+$"},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "run": {
            "type": "object",
            "required": ["tool", "results"],
            "properties": {
                "tool": {
                    "type": "object",
                    "required": ["driver"],
                    "properties": {
                        "driver": {
                            "type": "object",
                            "required": ["name"],
                            "properties": {
                                "rules": {"type": "array", "uniqueItems": True, "items": {"required": ["id"]}}
                            },
                        }
                    },
                },
                "invocations": {"type": "array", "items": {"required": ["executionSuccessful"]}},
                "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
            },
        },
        "result": {
            "type": "object",
            "required": ["message", "ruleId", "level", "locations"],
            "additionalProperties": False,
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"$ref": "#/$defs/level"},
                "message": {"$ref": "#/$defs/message"},
                "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
                "locations": {
                    "type": "array",
                    "items": {
                        "properties": {
                            "physicalLocation": {
                                "required": ["artifactLocation"],
                                "properties": {
                                    "artifactLocation": {
                                        "properties": {"uri": {"type": "string", "pattern": "^[^ \\\\]+$"}}
                                    },
                                    "region": {"properties": {"startLine": {"type": "integer", "minimum": 1}}},
                                },
                            },
                            "logicalLocations": {"type": "array", "items": {"required": ["fullyQualifiedName"]}},
                        },
                        "additionalProperties": False,
                    },
                },
            },
        },
    },
}
"""What SARIF 2.1.0 demands of the parts that are used."""


def test_sarif_is_as_its_schema_demands() -> None:
    verdict = asked(memory(*project()), manifest=proposed({**WITHOUT_AMOUNT, "original_file_path": "a b\\stg.sql"}))
    document = sarif(verdict)
    jsonschema_rs.validate(SARIF, document)
    [result] = document["runs"][0]["results"]
    rules = document["runs"][0]["tool"]["driver"]["rules"]
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "lineage/breaking"
    assert result["level"] == "error"
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20b/stg.sql"
    assert (
        result["partialFingerprints"]["change/v1"]
        == sarif(verdict)["runs"][0]["results"][0]["partialFingerprints"]["change/v1"]
    )
    jsonschema_rs.validate(SARIF, sarif(asked(memory(*project()), manifest=proposed())))
