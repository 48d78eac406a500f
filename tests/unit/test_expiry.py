"""What expires does so by the time that events tell."""

from __future__ import annotations

import pytest

from processor.index.memory import MemoryStore
from processor.index.reduce import reduce
from processor.index.view import View
from tests.support.events import event, jb, observe, run_id, us

DAY = 24 * 60


@pytest.mark.parametrize("wall_day", [200, 900])
def test_a_run_is_kept_until_events_tell_that_its_time_is_over_whatever_the_wall_clock_says(wall_day: int) -> None:
    store, now_us = MemoryStore(), us(wall_day * DAY)
    store.apply(reduce([(observe(event("j", "COMPLETE", 0, run=1)), None)], store.buckets, now_us))
    assert View(store).run(jb("j"), run_id(1)) is not None
    store.apply(reduce([(observe(event("j", "START", 199 * DAY, run=2)), None)], store.buckets, now_us))
    assert View(store).run(jb("j"), run_id(1)) is None
    assert View(store).run(jb("j"), run_id(2)) is not None
