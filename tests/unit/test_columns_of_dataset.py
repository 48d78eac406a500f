"""Which columns a dataset has for whoever asks of all of them: more than its schema names, where mappings know more."""

from __future__ import annotations

import msgspec

from processor.index.columns import column_lineage as walk
from processor.index.impact import impact
from processor.index.resolve import resolve
from processor.index.view import View
from processor.judging.questions import answer_impact, read_question
from processor.judging.verdicts import Grade
from tests.support.dbt import manifest, model
from tests.support.events import NAMESPACE, Json, column_lineage, ds, event, facet, memory, schema, table


def mart(source: str = "stg") -> Json:
    """A job that makes `mart` of two columns."""
    mapping = column_lineage({"revenue": [(source, "amount")], "buyer": [(source, "customer")]})
    return event("mart", run=1, inputs=[table(source)], outputs=[table("mart", columnLineage=mapping)])


def columns(view: View, name: str, way: str) -> set[str]:
    return {f"{edge.src.name}.{edge.src.field}" for edge in walk(view, ds(name), way).edges}


def test_a_dataset_without_a_schema_has_the_columns_that_readers_name() -> None:
    view = View(memory(mart()))
    assert columns(view, "stg", "down") == {"stg.amount", "stg.customer"}
    assert {a.node.field for a in impact(view, ds("stg"), None).columns} == {"revenue", "buyer"}


def test_a_schema_that_names_some_columns_hides_none_of_the_others() -> None:
    view = View(memory(event(outputs=[table("stg", schema=schema("id"))]), mart()))
    assert columns(view, "stg", "down") == {"stg.amount", "stg.customer"}
    described = event("mart", run=2, minutes=5, outputs=[table("mart", schema=schema("buyer"))])
    view = View(memory(mart(), described))
    assert columns(view, "mart", "up") == {"stg.amount", "stg.customer"}


def test_the_columns_of_all_names_of_a_dataset_are_its_columns() -> None:
    identifiers = [{"namespace": NAMESPACE, "name": "other", "type": "TABLE"}]
    linked = table("stg", schema=schema("amount"), symlinks=facet(identifiers=identifiers))
    mapping = column_lineage({"total": [("stg", "amount")]})
    reader = event("read", run=1, inputs=[table("stg")], outputs=[table("end", columnLineage=mapping)])
    view = View(memory(event(outputs=[linked]), reader))
    assert [edge.dst.field for edge in walk(view, ds("other"), "down").edges] == ["total"]


def test_a_model_that_goes_breaks_who_reads_columns_that_no_schema_names() -> None:
    built = event("stg", outputs=[table("db.main.stg")])
    view = View(memory(built, mart("db.main.stg")))
    parts = {"manifest": msgspec.Raw(manifest()), "base": msgspec.Raw(manifest(model("stg")))}
    verdict = answer_impact(view, read_question(parts), lambda text: resolve(view, text))
    assert [(change.dataset.name, change.grade) for change in verdict.changes] == [("db.main.stg", Grade.BREAKING)]
