"""The sample company: the same story every time, told in events that a real producer could have sent."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from openlineage.client.serde import Serde

from processor.decode import read_schemas
from processor.decode.observe import build_observer
from processor.demo.company import Beat, Script, beats
from processor.demo.estate import TABLES, TASKS
from processor.demo.play import typed
from processor.resources import schemas_dir

END = datetime(2026, 3, 6, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def story() -> list[Beat]:
    return list(beats(END))


def events(story: list[Beat]) -> list[dict[str, Any]]:
    return [beat.event for beat in story if beat.event is not None]


def test_the_same_seed_tells_the_same_story(story: list[Beat]) -> None:
    assert list(beats(END)) == story
    assert list(beats(END, seed=2)) != story


def test_the_story_is_told_in_order_and_ends_at_its_end(story: list[Beat]) -> None:
    assert all(one.time <= other.time for one, other in pairwise(story))
    assert END - timedelta(hours=1) < story[-1].time <= END
    assert story[0].time == datetime(2026, 3, 1, 19, 0, tzinfo=UTC)


def test_every_event_is_accepted_whole(story: list[Beat]) -> None:
    observe = build_observer("auto", read_schemas(schemas_dir(), None))
    for event in events(story):
        seen = observe(json.dumps(event).encode(), ())
        assert not seen.rejected
        assert [each.problems for each in seen.observations] == [()]


def test_the_real_client_sends_what_the_story_says(story: list[Beat]) -> None:
    def told(value: Any) -> Any:  # noqa: ANN401  any JSON
        """Without what the client leaves out or puts in by itself."""
        if isinstance(value, dict):
            parts = {
                name: told(part) for name, part in value.items() if name.lower() not in {"_schemaurl", "schemaurl"}
            }
            return {name: part for name, part in parts.items() if part not in ({}, [])}
        return [told(part) for part in value] if isinstance(value, list) else value

    for event in events(story):
        assert told(json.loads(Serde.to_json(typed(event)))) == told(event)


def test_what_goes_wrong_is_in_the_story() -> None:
    calm = Script(
        column_added_h=None,
        retyped_h=None,
        retype_undone_h=None,
        column_dropped_h=None,
        orphan_read_h=None,
        job_silent_h=None,
        training_stuck_h=None,
    )
    ordinary, story = events(list(beats(END, script=calm))), events(list(beats(END)))
    assert not any("fx_rates" in json.dumps(event) for event in ordinary)
    assert any("fx_rates" in json.dumps(event) for event in story)
    assert len(story) < len(ordinary)


def unfinished(story: list[Beat]) -> dict[str, datetime]:
    """Start by job of the runs that have not ended."""
    started: dict[str, tuple[str, datetime]] = {}
    for beat in story:
        if beat.event is not None and beat.event["eventType"] == "START":
            started[beat.event["run"]["runId"]] = (beat.event["job"]["name"], beat.time)
        elif beat.event is not None:
            del started[beat.event["run"]["runId"]]
    return dict(started.values())


def test_only_the_last_training_never_ends(story: list[Beat]) -> None:
    assert [job for job, start in unfinished(story).items() if start < END - timedelta(hours=1)] == [
        "train_churn_model"
    ]


def test_every_column_that_is_derived_exists() -> None:
    for task in TASKS:
        words = [word for inputs in task.derives.values() for word in inputs.split()] + task.filters.split()
        for word in words:
            table, column = word.split(".")
            assert table in task.inputs
            assert column in TABLES[table].columns
        if task.output is not None:
            assert set(task.derives) == set(TABLES[task.output].columns) - {"_loaded_at"}
