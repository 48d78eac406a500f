"""The chaos run, short and always the same; `make chaos` runs others, and longer ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.chaos.run.schedule import decode_plan, encode_plan, make_plan
from tests.chaos.run.stage import run_chaos

SEED = 11
FOLDER = Path("build/chaos/test")
"""Kept, so that a failure can be looked into."""


@pytest.mark.timeout(900)
def test_a_minute_and_a_half_of_chaos_leaves_no_trace() -> None:
    said: list[str] = []
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    plan = make_plan(seed=SEED, seconds=80)
    assert run_chaos(plan, FOLDER, said.append), "\n".join(said)


def test_a_schedule_follows_from_its_seed_and_replays() -> None:
    plan = make_plan(seed=7, seconds=120)
    assert plan == make_plan(seed=7, seconds=120)
    assert plan != make_plan(seed=8, seconds=120)
    assert decode_plan(encode_plan(plan)) == plan
    assert {act.lane for act in plan.only(("kafka",)).acts} == {"kafka"}
