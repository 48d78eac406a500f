"""Where a partition is read from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from processor.index.progress import Progress, is_whole
from processor.indexer.stock import Known, Start, lowest, start_of

OFFSETS = st.integers(0, 50)


@st.composite
def known(draw: st.DrawFn) -> Known:
    low, high = sorted((draw(OFFSETS), draw(OFFSETS)))
    return Known(draw(st.none() | OFFSETS), draw(OFFSETS), low, high)


def test_an_index_that_holds_what_the_group_has_committed_is_read_on_from_there() -> None:
    assert start_of(Known(reached=7, stored=7, low=0, high=9)) == Start(7, until=7, lost=0, is_vouched=True)


def test_what_was_indexed_and_not_committed_is_seen_through_again() -> None:
    assert start_of(Known(reached=5, stored=7, low=0, high=9)) == Start(5, until=5, lost=0, is_vouched=True)


def test_an_index_that_went_back_is_read_again_up_to_where_it_was() -> None:
    start = start_of(Known(reached=7, stored=3, low=0, high=9))
    assert start == Start(3, until=7, lost=0, is_vouched=True)
    assert start.is_again


def test_what_is_no_longer_retained_is_lost_and_the_buckets_are_told_that_nobody_will_bring_it() -> None:
    assert start_of(Known(reached=7, stored=2, low=5, high=9)) == Start(5, until=7, lost=3, is_vouched=False)
    assert start_of(Known(reached=3, stored=3, low=5, high=9)) == Start(5, until=5, lost=2, is_vouched=False)


def test_a_first_worker_on_an_old_log_has_lost_nothing() -> None:
    assert start_of(Known(reached=None, stored=0, low=5, high=9)) == Start(5, until=5, lost=0, is_vouched=False)


def test_an_index_that_speaks_of_a_longer_log_speaks_of_another_one() -> None:
    assert start_of(Known(reached=70, stored=70, low=0, high=9)) == Start(0, until=0, lost=0, is_vouched=True)


@given(known())
def test_nothing_that_is_there_is_passed_over(what: Known) -> None:
    start = start_of(what)
    assert what.low <= start.offset <= max(what.low, what.high)
    held = what.stored if what.stored <= what.high else 0
    assert start.offset <= max(what.low, held)
    assert start.offset <= start.until


def test_the_bucket_that_is_behind_most_counts() -> None:
    assert lowest([{b"a:0": 5}, {b"a:0": 3}, {b"b:0": 1}], b"a:0") == 0
    assert lowest([{b"a:0": 5}, {b"a:0": 3}], b"a:0") == 3


def test_an_index_is_whole_when_every_bucket_holds_what_was_read_and_nothing_is_read_again() -> None:
    progress = {b"a:0": Progress(1, 0, 1, position=5, until=5)}
    assert is_whole({}, [])
    assert is_whole(progress, [{b"a:0": 5}, {b"a:0": 6}])
    assert not is_whole(progress, [{b"a:0": 5}, {b"a:0": 4}])
    assert not is_whole(progress, [{b"a:0": 5}, {}])
    assert not is_whole({b"a:0": Progress(1, 0, 1, position=4, until=5)}, [{b"a:0": 5}])
