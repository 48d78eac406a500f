"""The limit of rejected records: when it is passed, and when it is not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.indexer.intake import Intake
from processor.indexer.records import Partition, Record, Sorted
from processor.indexer.rejects import Kind, RejectLimit, RejectWindow, Storm, producer_of
from processor.model.errors import Reason, Rejected, Stage
from processor.telemetry import metrics
from processor.telemetry.health import Health

JSON, TIME = Kind(Reason.NOT_JSON, "events"), Kind(Reason.BAD_TIME, "events")


def noted(limit: RejectLimit, *batches: tuple[int, int], step_s: float = 0.0) -> list[bool]:
    """Whether each batch of (records, rejected) passed the limit."""
    window = RejectWindow(limit)
    return [
        window.note(seen, {JSON: rejected} if rejected else {}, number * step_s) is not None
        for number, (seen, rejected) in enumerate(batches)
    ]


def test_a_few_bad_records_on_a_small_topic_stop_nothing() -> None:
    assert noted(RejectLimit(), *[(1, 1)] * 199) == [False] * 199


def test_nothing_but_bad_records_stop_it_as_soon_as_they_are_enough() -> None:
    assert noted(RejectLimit(), *[(1, 1)] * 200)[-1]
    assert noted(RejectLimit(), (2000, 2000)) == [True]


def test_a_share_that_is_reached_is_not_passed() -> None:
    limit = RejectLimit(share=0.5, records=400, rejected=100)
    assert noted(limit, (400, 200), (400, 201)) == [False, True]


def test_good_records_of_before_the_window_do_not_hide_a_storm() -> None:
    assert noted(RejectLimit(records=500), *[(100, 0)] * 1000, *[(100, 100)] * 3)[-3:] == [False, False, True]


def test_what_was_bad_long_ago_does_not_add_up() -> None:
    assert not any(noted(RejectLimit(window_s=60), *[(1, 1)] * 1000, step_s=1.0))
    assert noted(RejectLimit(window_s=600), *[(1, 1)] * 1000, step_s=1.0)[200]


def test_a_share_of_one_turns_it_off() -> None:
    assert not any(noted(RejectLimit(share=1), *[(2000, 2000)] * 50))


def test_it_tells_what_most_of_them_were() -> None:
    window = RejectWindow(RejectLimit(rejected=10))
    assert window.note(10, {JSON: 4, TIME: 5}, 0) is None
    assert window.note(10, {JSON: 3, TIME: 1}, 1) == Storm(13, 20, JSON, 7)


@given(
    st.builds(
        RejectLimit,
        share=st.floats(0.01, 1),
        records=st.integers(1, 60),
        rejected=st.integers(1, 30),
        window_s=st.floats(0.5, 30),
    ),
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 20), st.floats(0, 10)), max_size=60),
)
def test_it_is_the_share_over_the_newest_batches_and_nothing_else(
    limit: RejectLimit, batches: Sequence[tuple[int, int, float]]
) -> None:
    """Against a reading of the rules that keeps everything and counts anew each time."""
    window, log, now_s = RejectWindow(limit), list[tuple[float, int, int]](), 0.0
    for seen, bad, step_s in batches:
        now_s += step_s
        log.append((now_s, seen, min(bad, seen)))
        storm = window.note(seen, {JSON: min(bad, seen)}, now_s)
        newest = _newest(limit, log, now_s)
        rejected, total = sum(each[2] for each in newest), sum(each[1] for each in newest)
        assert (storm is not None) == (rejected >= limit.rejected and rejected > limit.share * total)
        if storm is not None:
            assert (storm.rejected, storm.seen) == (rejected, total)


def _newest(limit: RejectLimit, log: Sequence[tuple[float, int, int]], now_s: float) -> list[tuple[float, int, int]]:
    newest: list[tuple[float, int, int]] = []
    for batch in reversed(log):
        if batch[0] < now_s - limit.window_s or sum(each[1] for each in newest) >= limit.records:
            break
        newest.append(batch)
    return newest


@pytest.mark.parametrize(
    ("value", "producer"),
    [
        (b'{"producer": "https://spark/3.5", "eventTime": 7}', "https://spark/3.5"),
        (b'{"producer" :"a\xff"', "a\\xff"),
        (b'{"producer": "' + b"x" * 5000 + b'"}', None),
        (b" " * 100_000 + b'"producer": "late"', None),
        (b"\x00\x01", None),
        (None, None),
    ],
)
def test_the_producer_of_what_cannot_be_read_is_a_guess_of_bounded_cost(
    value: bytes | None, producer: str | None
) -> None:
    assert producer_of(value) == producer


def test_a_stopped_intake_is_not_ready_and_says_why() -> None:
    health = Health((), livez_timeout_s=60)
    intake = Intake(RejectLimit(rejected=3), health)
    bad = Record(Partition("events", 0), 0, 0, None, b'{"producer": "etl"', ())
    result = Sorted(rejected=[(bad, Rejected(Reason.NOT_JSON, Stage.DECODE))] * 3)
    intake.judge(10, result)
    assert (intake.is_stopped, health.is_ready) == (False, True)
    intake.judge(3, result)
    intake.judge(3, result)
    assert (intake.is_stopped, health.is_alive) == (True, True)
    assert "9 of the last 16 records were rejected, 9 as not_json from events" in health.missing()["rejects"]
    assert metrics.REGISTRY.get_sample_value("lineage_processor_intake_stopped") == 1
    intake.judge(1000, Sorted())
    assert intake.is_stopped
