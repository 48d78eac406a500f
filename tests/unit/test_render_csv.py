"""Records as CSV: what a reader of CSV finds is what was there."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor import export
from processor.index.view import View
from processor.model.text import visible
from processor.render.csv_lines import EDGES, NODES, RUNS, SCHEMAS, SEARCHED, csv_lines
from tests.support.events import NAMESPACE, PIPELINE, memory


def test_every_record_of_an_index_is_a_line_with_all_of_its_columns() -> None:
    view = View(memory(*PIPELINE))
    sorts = ((export.node_records, NODES), (export.edge_records, EDGES))
    for records, columns in (*sorts, (export.schema_records, SCHEMAS), (export.run_records, RUNS)):
        there = list(records(view))
        found = list(csv.DictReader(io.StringIO("".join(csv_lines(there, columns)))))
        assert len(found) == len(there) > 0
        assert all(tuple(row) == columns for row in found)
        named = {column.partition(".")[0] for column in columns}
        assert all(record.keys() <= named for record in there)


def test_an_edge_between_columns_names_both_and_its_job() -> None:
    lines = csv_lines(export.edge_records(View(memory(*PIPELINE))), EDGES)
    edges = [row for row in csv.DictReader(io.StringIO("".join(lines))) if row["type"] == "derives"]
    [total] = [row for row in edges if (row["to.name"], row["to.field"]) == ("stg", "total")]
    assert (total["from.namespace"], total["from.name"], total["from.field"]) == (NAMESPACE, "raw", "amount")
    assert (total["job.name"], total["direct"]) == ("stage", "true")


@given(st.text())
def test_any_name_is_one_cell_of_one_line(name: str) -> None:
    text = "".join(csv_lines([{"kind": "job", "namespace": "n", "name": name}], SEARCHED))
    assert text.count("\n") == 2
    assert [cell.removeprefix("'") for cell in list(csv.reader(io.StringIO(text)))[1]] == ["job", "n", visible(name)]


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1", "' =1"),
        ("\uff1d1", "'\uff1d1"),
        ("\t=1", "\\t=1"),
        ("'=1", "''=1"),
        ("a=1", "a=1"),
    ],
)
def test_no_name_is_a_formula_to_a_spreadsheet(name: str, cell: str) -> None:
    text = "".join(csv_lines([{"kind": "job", "namespace": "n", "name": name}], SEARCHED))
    assert list(csv.reader(io.StringIO(text)))[1][2] == cell


def test_a_number_below_nothing_stays_one() -> None:
    assert list(csv_lines([{"total": -1}], ("total",)))[1] == "-1\r\n"
