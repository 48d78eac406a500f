from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.index import joins
from processor.model.history import HOUR_US, RECENT_HOURS, RECENT_RUNS, STARTED_DAYS
from processor.model.observation import RunState

TIMES = st.integers(-(2**50), 2**50)
DIGESTS = st.binary(min_size=8, max_size=8)


def hours_of(hours: list[int]) -> bytes:
    """What statements in these hours come to, one after another."""
    return reduce(joins.JOINS["H"], (joins.pack_hours(hour * HOUR_US) for hour in hours))


def week_of(hours: list[int]) -> bytes:
    """What runs that start in these hours come to, one after another."""
    return reduce(joins.JOINS["K"], (joins.pack_week(hour * HOUR_US) for hour in hours))


VALUES = {
    "S": st.builds(joins.pack_span, TIMES, st.integers(0, 63)),
    "H": st.lists(st.integers(-40, 40), min_size=1, max_size=30).map(hours_of),
    "K": st.lists(st.integers(-300, 300), min_size=1, max_size=30).map(week_of),
    "L": st.builds(joins.pack_stamped, TIMES, DIGESTS, st.just(b"")),
    "E": st.builds(joins.pack_stamped, TIMES, DIGESTS, st.just(b"")),
    "X": st.builds(joins.pack_time, TIMES),
}


@pytest.mark.parametrize("letter", sorted(VALUES))
@given(data=st.data())
def test_a_join_does_not_care_about_order_grouping_or_repetition(letter: str, data: st.DataObject) -> None:
    join, values = joins.JOINS[letter], VALUES[letter]
    a, b, c = data.draw(values), data.draw(values), data.draw(values)
    assert join(a, b) == join(b, a)
    assert join(join(a, b), c) == join(a, join(b, c))
    assert join(a, a) == a


@given(st.lists(st.integers(-40, 40), min_size=1, max_size=60))
def test_of_the_hours_the_newest_are_kept_each_once_beside_the_first_of_all(hours: list[int]) -> None:
    kept = joins.unpack_hours(hours_of(hours))
    assert kept.first_us == min(hours) * HOUR_US
    assert list(kept.hours) == sorted(set(hours), reverse=True)[:RECENT_HOURS]


@given(st.lists(st.integers(-300, 300), min_size=1, max_size=60))
def test_of_the_hours_of_starts_those_of_the_newest_days_are_kept(hours: list[int]) -> None:
    oldest = (max(hours) // 24 - STARTED_DAYS + 1) * 24
    kept = sorted({hour for hour in hours if hour >= oldest}, reverse=True)
    assert list(joins.unpack_week(week_of(hours))) == kept
    assert joins.pack_week(*(hour * HOUR_US for hour in hours)) == week_of(hours)


def test_latest_prefers_the_later_time_and_then_the_greater_digest() -> None:
    early = joins.pack_stamped(1, b"\xff" * 8, b"early")
    late = joins.pack_stamped(2, b"\x00" * 8, b"late")
    tie = joins.pack_stamped(2, b"\x01" * 8, b"tie")
    assert joins.JOINS["L"](late, early) == late
    assert joins.JOINS["L"](late, tie) == tie


def test_a_register_is_news_only_when_what_it_holds_differs() -> None:
    old, same, other = (joins.pack_stamped(t, bytes(8), p) for t, p in ((1, b"a"), (2, b"a"), (3, b"b")))
    assert joins.is_news("L", None, old)
    assert not joins.is_news("L", old, same)
    assert joins.is_news("L", same, other)


def test_touches_whose_facets_are_all_stated_later_are_dropped() -> None:
    owner, sql = b"ownr", b"sql_"
    touches = {
        b"Told": joins.pack_time(1, owner + sql),
        b"Tboth": joins.pack_time(2, owner + sql),
        b"Tsql": joins.pack_time(3, sql),
    }
    assert joins.dominated(touches) == [b"Told"]


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from([b"aaaa", b"bbbb", b"aaaabbbb", b"cccc", b"aaaacccc"])),
        min_size=1,
        max_size=12,
    )
)
def test_dropping_dominated_touches_as_they_come_ends_where_dropping_once_ends(
    stated: list[tuple[int, bytes]],
) -> None:
    def touched(order: list[tuple[int, bytes]], *, each_time: bool) -> dict[bytes, bytes]:
        there: dict[bytes, bytes] = {}
        for time_us, names in order:
            field, value = b"T" + names, joins.pack_time(time_us, names)
            there[field] = joins.JOINS["T"](there[field], value) if field in there else value
            if each_time:
                for dropped in joins.dominated(there):
                    del there[dropped]
        for dropped in joins.dominated(there):
            del there[dropped]
        return there

    assert touched(stated, each_time=True) == touched(stated[::-1], each_time=True)
    assert touched(stated, each_time=True) == touched(stated, each_time=False)


def test_a_recent_run_survives_packing() -> None:
    run = {
        b"i": b"r1",
        b"t": joins.pack_span(5_000_000),
        b"e": joins.pack_stamped(9_000_000, bytes(8), b"FAIL"),
        b"Iaaaaaaaaaaaa": b"",
        b"Obbbbbbbbbbbb": b"",
    }
    recent = joins.recent_run(run)
    assert recent is not None
    assert (recent.started_us, recent.ended_us, recent.state) == (5_000_000, 9_000_000, "FAIL")
    assert (recent.inputs, recent.outputs, recent.mapped) == (1, 1, 0)
    assert joins.unpack_recent(joins.pack_recent(recent)) == recent


def test_more_than_the_kept_number_of_runs_drops_the_oldest_end() -> None:
    def packed(end: int) -> bytes:
        return joins.pack_recent(joins.Recent(end, 0, RunState.COMPLETE, 0, 0, 0, b"0" * 16, "r"))

    recents = {bytes([n]): packed(n) for n in range(RECENT_RUNS)}
    assert joins.overflow(recents) is None
    recents[b"new"] = packed(500)
    assert joins.overflow(recents) == bytes([0])
