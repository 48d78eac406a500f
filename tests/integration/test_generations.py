"""Which generation is live and which is built, whatever was cut short."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from processor.index.generations import Generation, Generations
from processor.index.layout import FORMAT_VERSION

LIVE, BUILDING = "lineage:{meta}:index", "lineage:{meta}:building"


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def generations(client: redis.Redis) -> Generations:
    return Generations(client)


@pytest.mark.parametrize("made", [{"format": FORMAT_VERSION}, {"format": FORMAT_VERSION, "generation": 1}])
def test_an_index_whose_maker_was_killed_over_it_is_finished_by_the_next(
    client: redis.Redis, generations: Generations, made: dict[str, int]
) -> None:
    client.hset(LIVE, mapping={name: str(value) for name, value in made.items()})
    assert generations.live(16) == Generation(1, 16)
    assert generations.live(64) == Generation(1, 16)


def test_what_is_built_where_no_index_is_yet_is_none_that_a_worker_creates_meanwhile(generations: Generations) -> None:
    built = generations.begin(128)
    assert generations.live(64) == Generation(1, 64)
    assert built == generations.begin(128) == Generation(2, 128)


def test_a_build_whose_flip_was_cut_short_is_done_and_the_next_begins_another(
    client: redis.Redis, generations: Generations
) -> None:
    built = generations.begin(16)
    named: Any = client.hgetall(BUILDING)
    generations.flip(built)
    client.hset(BUILDING, mapping=named)
    assert generations.building() is None
    assert generations.begin(16).number == built.number + 1
