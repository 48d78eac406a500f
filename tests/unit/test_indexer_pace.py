"""How many messages make a batch."""

from __future__ import annotations

import pytest

from processor.indexer.pace import Pace


def test_batches_grow_while_they_are_quick_up_to_the_most() -> None:
    pace, counts = Pace(8_000), []
    for _ in range(4):
        counts.append(pace.count)
        pace.took(pace.count, 0.1)
    assert counts == [2_000, 4_000, 8_000, 8_000]


def test_a_batch_that_took_too_long_makes_the_next_one_smaller() -> None:
    pace = Pace(8_000)
    pace.took(2_000, 4.0)
    assert pace.count == 500
    pace.took(500, 1_000.0)
    assert pace.count == 200


def test_it_settles_where_a_batch_takes_a_second() -> None:
    pace = Pace(8_000)
    for _ in range(10):
        pace.took(pace.count, pace.count / 5_000)
    assert pace.count == 5_000


@pytest.mark.parametrize("records", [0, 1_999])
def test_a_batch_that_was_not_full_says_nothing_unless_it_took_long(records: int) -> None:
    pace = Pace(8_000)
    pace.took(records, 0.5)
    assert pace.count == 2_000
    pace.took(100, 2.0)
    assert pace.count == 200


def test_it_is_never_more_than_the_most_however_small_that_is() -> None:
    pace = Pace(20)
    assert pace.count == 20
    pace.took(20, 10.0)
    assert pace.count == 20
    pace.took(20, 0.0)
    assert pace.count == 20


def test_who_keeps_up_takes_less_at_once_than_who_is_behind() -> None:
    counts = {}
    for behind_s in (0.1, 60.0, None):
        pace = Pace(8_000)
        for _ in range(20):
            pace.took(pace.count, pace.count / 4_000, behind_s)
        counts[behind_s] = pace.count
    assert counts[0.1] * 4 <= counts[60.0] == counts[None] <= 8_000


@pytest.mark.parametrize(("behind_s", "count"), [(0.05, 800), (0.2, 800), (0.5, 2_000), (1.0, 4_000), (9.0, 4_000)])
def test_who_only_just_keeps_up_takes_what_it_gets_done_in_the_time_that_it_is_behind(
    behind_s: float, count: int
) -> None:
    pace = Pace(8_000)
    for _ in range(20):
        pace.took(pace.count, pace.count / 4_000, behind_s)
    assert pace.count == count
