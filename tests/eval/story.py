"""What happens to a company: how much of everything, and when."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from tests.eval import deaths, drifts, losses, noise, trusting
from tests.eval.build import Builder
from tests.eval.casting import Cast, NobodyLeftError
from tests.eval.spelling import Engine
from tests.eval.world import World

_LEARNT_DAYS = 0.3
"""This share of a history is quiet, so that there is something to learn from."""

Act = Callable[[Cast, float], object]


def world_of(seed: int, *, jobs: int, days: int) -> World:
    """The history of a seed, ready to be played."""
    chance = random.Random(seed)
    world = World(Builder(chance, jobs, days).build(), chance)
    cast = Cast(world)
    for many, act in _acts(days):
        for _ in range(_scaled(many, jobs, chance)):
            day = chance.uniform(days * _LEARNT_DAYS, days * 0.85)
            with suppress(NobodyLeftError):
                act(cast, day)
    losses.crowd(cast)
    return world


def _scaled(many: float, jobs: int, chance: random.Random) -> int:
    exact = many * jobs / 300
    return int(exact) + (chance.random() < exact % 1)


def _acts(days: int) -> list[tuple[float, Act]]:
    short = days * 0.08
    return [
        # These need whole DAGs and projects, of which there are few.
        (1, partial(losses.lose_project, days=6.0)),
        (1, deaths.kill_dag),
        (5, deaths.kill_job),
        *_noises(),
        (2, lambda cast, day: deaths.kill_dataset(cast, int(day), 5, cast.chance.randrange(10**6))),
        (2, partial(deaths.hang, hours=None)),
        (4, partial(deaths.hang, hours=13)),
        (2, drifts.nest),
        (3, drifts.drop),
        (2, partial(drifts.drop, days=short)),
        (4, partial(drifts.retype, how="narrowed")),
        (3, partial(drifts.retype, how="incompatible")),
        (2, partial(drifts.retype, how="incompatible", days=short)),
        (2, partial(drifts.retype, how="widened")),
        (4, drifts.rename),
        (6, drifts.add),
        (4, partial(drifts.flap, days=max(6.0, days * 0.12))),
        (2, partial(losses.lose_inputs, days=short)),
        (2, partial(losses.lose_inputs, days=None)),
        (2, partial(losses.lose_outputs, days=short)),
        (2, partial(losses.lose_outputs, days=None)),
        (2, partial(losses.lose_columns, days=short)),
        (2, partial(losses.lose_columns, days=None)),
        (2, partial(losses.break_edge, days=short)),
        (3, partial(losses.break_edge, days=None)),
        (4, losses.lose_writer),
        (3, losses.orphan),
        (4, losses.fork),
        (2, partial(losses.declare, is_late=False)),
        (2, partial(losses.declare, is_late=True)),
        (2, lambda cast, _: trusting.guard(cast)),
        (2, partial(trusting.mistrust, days=short)),
        (2, partial(trusting.mistrust, days=None)),
        (1, drifts.crawl),
        (2, partial(drifts.drop, is_crawled=True)),
    ]


def _noises() -> list[tuple[float, Act]]:
    engines = (Engine.POSTGRES, Engine.SPARK, Engine.BIGQUERY, Engine.SNOWFLAKE)
    return [
        *((1, partial(noise.upgrade, engine=engine)) for engine in engines),
        (6, noise.reorder),
        (6, noise.backfill),
        (1, noise.outage),
        (2, noise.move),
        (4, noise.begin_job),
        (2, noise.retire),
        (2, noise.replace),
        (2, partial(noise.rename_table, by_symlink=False)),
        (2, partial(noise.rename_table, by_symlink=True)),
        (1, lambda cast, _: noise.notebook(cast, cast.chance.randrange(10**6))),
    ]
