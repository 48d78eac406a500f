"""Reactions go first."""

from __future__ import annotations

import threading

from processor.alerter.right_of_way import RightOfWay


def test_who_gives_way_goes_on_when_the_other_has_passed() -> None:
    way, order = RightOfWay(most_wait_s=60), list[str]()
    arrived = threading.Event()

    def sweep() -> None:
        arrived.set()
        way.give()
        order.append("swept")

    sweeping = threading.Thread(target=sweep)
    with way.taken():
        sweeping.start()
        arrived.wait()
        order.append("reacted")
    sweeping.join()
    assert order == ["reacted", "swept"]


def test_nobody_gives_way_for_ever() -> None:
    way = RightOfWay(most_wait_s=0.01)
    with way.taken():
        way.give()


def test_a_sweep_goes_on_beside_reactions_that_do_not_end() -> None:
    """A sweep gives way at each dataset: did it wait each time, this would take half an hour."""
    way = RightOfWay(most_wait_s=0.2)
    with way.taken():
        for _ in range(10_000):
            way.give()


def test_nobody_waits_while_nobody_is_under_way() -> None:
    way = RightOfWay(most_wait_s=60)
    with way.taken():
        pass
    way.give()
