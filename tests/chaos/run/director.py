"""Carries out a schedule: one thread a lane, so that within a lane one fault is over before the next begins."""

from __future__ import annotations

import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Final

from tests.chaos.run import redis_faults  # noqa: F401  its faults register themselves
from tests.chaos.run.faults import FAULTS, Fault
from tests.chaos.run.schedule import Act
from tests.chaos.run.world import World

_JOIN_S: Final = 240.0


class Director:
    """Does what the schedule says, and counts what was done."""

    def __init__(self, world: World, say: Callable[[str], None]) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self._world = world
        self._say = say
        self._began_s = 0.0
        self._end = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin; the run's clock starts now."""
        self._began_s = time.monotonic()
        acts = sorted(self._world.plan.acts, key=lambda act: act.lane)
        for lane, those in groupby(acts, key=lambda act: act.lane):
            thread = threading.Thread(target=self._play, args=(sorted(those),), name=lane, daemon=True)
            self._threads.append(thread)
            thread.start()

    def finish(self) -> None:
        """Wait until every act is over and undone."""
        for thread in self._threads:
            thread.join(_JOIN_S)
            if thread.is_alive():
                self.failures.append(f"the lane {thread.name} does not come to its end")

    def _play(self, acts: Iterable[Act]) -> None:
        for act in acts:
            self._end.wait(max(0.0, self._began_s + act.at_s - time.monotonic()))
            self._say(f"{time.monotonic() - self._began_s:6.1f} s  {act.fault} #{act.number}")
            fault = FAULTS[act.fault](self._world, act, self._end)
            if not self._guarded(act, fault.do):
                return
            self.counts[act.fault] += 1
            self._end.wait(_hold(act, fault))
            if not self._guarded(act, fault.undo):
                return

    def _guarded(self, act: Act, step: Callable[[], None]) -> bool:
        try:
            step()
        except Exception:  # noqa: BLE001  outermost of a thread; told in the verdict
            self.failures.append(f"the harness failed at act {act}:\n{traceback.format_exc()}")
            return False
        return True


def _hold(act: Act, fault: Fault) -> float:
    """Some faults have used their time up already."""
    return 0.0 if fault.waits_itself else act.hold_s
