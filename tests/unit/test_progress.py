from __future__ import annotations

from processor.index.progress import SILENT_US, Clock, Progress, decode_progress, encode_progress, now_us

WALL = 1_000_000_000_000


def partition(watermark: int, lag: int = 0, *, age: int = 0) -> Progress:
    return Progress(watermark, lag, WALL - age)


def test_while_nothing_was_read_there_is_no_time() -> None:
    assert now_us([], WALL, Clock.AUTO) is None


def test_caught_up_it_is_the_wall_clock_or_in_stream_time_the_newest_event() -> None:
    partitions = [partition(5), partition(9)]
    assert now_us(partitions, WALL, Clock.AUTO) == WALL
    assert now_us(partitions, WALL, Clock.STREAM) == 9


def test_behind_it_is_what_the_last_of_those_behind_has_reached() -> None:
    assert now_us([partition(5), partition(9, lag=1), partition(7, lag=3)], WALL, Clock.AUTO) == 7


def test_when_every_indexer_is_gone_the_clock_stands() -> None:
    partitions = [partition(5, age=SILENT_US + 1), partition(9, age=SILENT_US + 1)]
    assert now_us(partitions, WALL, Clock.AUTO) == 9


def test_a_retired_partition_does_not_hold_the_clock() -> None:
    assert now_us([partition(5, lag=4, age=SILENT_US + 1), partition(9)], WALL, Clock.AUTO) == WALL


def test_progress_survives_being_stored() -> None:
    assert decode_progress(encode_progress(partition(5, lag=2))) == partition(5, lag=2)


def test_a_partition_of_which_no_event_time_is_known_does_not_hold_the_clock() -> None:
    assert now_us([partition(0, lag=5), partition(9)], WALL, Clock.AUTO) == WALL
    assert now_us([partition(0, lag=5), partition(9, lag=1)], WALL, Clock.AUTO) == 9
    assert now_us([partition(0), partition(0, lag=3)], WALL, Clock.AUTO) is None


def test_events_from_the_future_do_not_take_the_clock_there() -> None:
    assert now_us([partition(WALL + 10, lag=1)], WALL, Clock.AUTO) == WALL
    assert now_us([partition(WALL + 10)], WALL, Clock.STREAM) == WALL
