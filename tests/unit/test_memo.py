"""What is remembered within a budget of bytes, by one thread and by several."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from random import Random
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.model.memo import Memo

THREADS = 6
KEYS = [b"%04d" % number for number in range(64)]
HALF = 4 * len(KEYS[0])


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before_s)


def held(memo: Memo[bytes]) -> list[bytes]:
    return [key for key in KEYS if memo.get("", key) is not None]


@given(st.lists(st.sampled_from(KEYS), max_size=100))
def test_what_is_in_use_is_found_and_all_of_it_keeps_within_the_budget(asked: list[bytes]) -> None:
    memo, often, asking = Memo[bytes](2 * HALF), KEYS[0], 0
    for key in asked:
        for each in (key, often):
            if memo.get("", each) is None:
                memo.put("", each, each)
                asking += each == often
    assert asking == min(1, len(asked))
    assert sum(map(len, held(memo))) <= 2 * HALF


def test_a_kind_is_part_of_the_key() -> None:
    memo = Memo[int](100)
    memo.put("a", b"key", 1)
    assert (memo.get("a", b"key"), memo.get("b", b"key")) == (1, None)


def test_what_costs_more_than_half_of_the_budget_is_not_kept() -> None:
    memo = Memo[int](100)
    memo.put("", b"small", 1, 50)
    memo.put("", b"large", 2, 51)
    assert (memo.get("", b"small"), memo.get("", b"large")) == (1, None)


@pytest.mark.usefixtures("hurried")
def test_several_threads_find_what_was_put_or_nothing_and_keep_within_the_budget() -> None:
    memo, together, decoded = Memo[bytes](2 * HALF), Barrier(THREADS), count()

    def asking(seed: int) -> bool:
        chosen = Random(seed)
        together.wait()
        return all(value_of(chosen.choice(KEYS)) for _ in range(20_000))

    def value_of(key: bytes) -> bool:
        found = memo.get("", key)
        if found is None:
            next(decoded)
            found = b"value of " + key
            memo.put("", key, found, len(key))
        return found == b"value of " + key

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(asking, range(THREADS)))
    assert sum(map(len, held(memo))) <= 2 * HALF
    assert next(decoded) > len(KEYS)  # it forgot, while others looked
