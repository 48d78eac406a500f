"""Whatever way a log is delivered, the index comes out the same, and says what the events say."""

from __future__ import annotations

from tests.support.deliveries import BUCKETS, LosingMemory, hold_together


def test_any_delivery_comes_to_what_the_events_say_in_memory() -> None:
    hold_together([lambda: LosingMemory(BUCKETS)], examples=150)
