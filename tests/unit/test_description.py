"""What `lineage show` tells of a dataset."""

from __future__ import annotations

from typing import Any

import pytest

from processor.index.memory import MemoryStore
from processor.index.view import View
from processor.render import console
from processor.render.describe import describe
from processor.render.description import description
from tests.support.events import NAMESPACE, Json, ds, event, facet, memory, table


def shown(store: MemoryStore, name: str, capsys: pytest.CaptureFixture[str], column: str | None = None) -> str:
    node = ds(name) if column is None else ds(name).column(column)
    console.print_out(description(describe(View(store), node)))
    return capsys.readouterr().out


def also_known_as(store: MemoryStore, name: str) -> list[Any]:
    return [each["name"] for each in describe(View(store), ds(name))["aliases"]]


def linked(minutes: float, name: str, *others: str) -> Json:
    identifiers = [{"namespace": NAMESPACE, "name": other, "type": "TABLE"} for other in others]
    return event(minutes=minutes, run=int(minutes), outputs=[table(name, symlinks=facet(identifiers=identifiers))])


def test_what_a_column_is_stands_beside_it_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    fields = [{"name": "id", "type": "int", "description": "Which\n order."}, {"name": "at", "type": "date"}]
    out = shown(memory(event(outputs=[table("t", schema=facet(fields=fields))])), "t", capsys)
    assert [line.split() for line in out.splitlines() if line.startswith("  ")][:2] == [
        ["id", "int", "Which", "order."],
        ["at", "date"],
    ]


def test_what_a_column_is_stands_below_its_type_where_it_is_asked_for_alone(capsys: pytest.CaptureFixture[str]) -> None:
    fields = [{"name": "id", "type": "int", "description": "Which\n order."}, {"name": "at", "type": "date"}]
    store = memory(event(outputs=[table("t", schema=facet(fields=fields))]))
    assert [line.strip() for line in shown(store, "t", capsys, "id").splitlines()[1:]] == ["int", "Which order."]
    assert describe(View(store), ds("t").column("id"))["description"] == "Which\n order."
    assert "description" not in describe(View(store), ds("t").column("at"))


def test_a_name_that_was_taken_back_is_none_and_those_of_other_names_are_also_its() -> None:
    assert also_known_as(memory(linked(0, "a", "b"), linked(1, "b", "c")), "a") == ["b", "c"]
    assert also_known_as(memory(linked(0, "a", "b"), linked(1, "a")), "a") == []
