"""What a run tells of itself beside its inputs and outputs makes no other statement of what it reads and writes."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from processor.decode import build_decoder, read_schemas
from processor.decode.event import TypedEvent
from processor.decode.observe import build_observer
from processor.model.observation import CHECKS
from processor.model.tables import Column
from processor.resources import schemas_dir
from tests.support.events import event, facet, schema, table

SCHEMAS = read_schemas(schemas_dir())


def told(rows: int = 1, *, checks: bool | None = None, column: str = "a", note: str = "") -> bytes:
    """An event whose run wrote so many rows, and whose input's check went well or not."""
    source, target = (
        table("in", schema=schema("a:int")),
        table("out", schema=schema(f"{column}:int"), documentation=facet(description=note)),
    )
    target["outputFacets"] = {"outputStatistics": facet(rowCount=rows, size=rows)}
    if checks is not None:
        source["inputFacets"] = {CHECKS: facet(assertions=[{"assertion": "not_null", "success": checks}])}
    return json.dumps(event("load", "COMPLETE", inputs=[source], outputs=[target])).encode()


def typed(value: bytes) -> TypedEvent:
    found = build_decoder("auto", SCHEMAS)(value)
    (only,) = found.events  # type: ignore[union-attr]  # a rejected one fails the test
    return only


def test_statistics_make_no_other_statement() -> None:
    one, other = typed(told(1)), typed(told(2))
    assert one.stated == other.stated
    assert one.body.outputs[0].outputFacets != other.body.outputs[0].outputFacets


def test_what_an_input_was_found_to_be_is_another_statement() -> None:
    stated = {typed(told(checks=each)).stated for each in (None, True, False)}
    assert len(stated) == 3


def test_what_is_said_of_the_dataset_itself_is_another_statement() -> None:
    assert len({typed(each).stated for each in (told(), told(column="b"), told(note="orders"))}) == 3


def test_a_job_and_a_dataset_of_one_name_are_different_events() -> None:
    told_of_both = [
        {"eventTime": "2026-03-01T06:00:00Z", "producer": "p", kind: {"namespace": "shop", "name": "orders"}}
        for kind in ("job", "dataset")
    ]
    observe = build_observer("auto", SCHEMAS)
    seen = [observe(json.dumps(each).encode(), ()).observations[0] for each in told_of_both]
    assert seen[0].digest != seen[1].digest


RUNS = st.tuples(st.integers(0, 3), st.sampled_from([None, True, False]), st.sampled_from("ab"))


@given(st.lists(RUNS, min_size=2, max_size=6))
def test_each_event_is_observed_as_it_is_whatever_was_read_before(runs: list[tuple[int, bool | None, str]]) -> None:
    observe = build_observer("auto", SCHEMAS)
    for rows, checks, column in runs:
        (seen,) = observe(told(rows, checks=checks, column=column), ()).observations
        source, target = seen.datasets
        assert target.columns == (Column(column, "int"),)
        found = [json.loads(data or b"") for name, data in source.facets.items() if name.startswith(f"{CHECKS}@")]
        assert [len(each["failed"]) for each in found] == ([] if checks is None else [0 if checks else 1])
