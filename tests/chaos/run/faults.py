"""What is done to the members, the brokers and the registry: each fault a small class that does and undoes."""

from __future__ import annotations

import signal
import threading
from typing import ClassVar, Final

from tests.chaos.run.members import Member
from tests.chaos.run.schedule import Act
from tests.chaos.run.world import World
from tests.waiting import eventually

_STARTING: Final = 7
_AT_WORK_S: Final = 20.0

FAULTS: Final[dict[str, type[Fault]]] = {}
"""Every fault by its name in the schedule: that of its class."""


class Fault:
    """One fault of one act. `undo` is called after the act's time, and has to leave the world whole."""

    name: ClassVar[str]
    waits_itself: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        cls.name = "".join(f"_{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("_")
        if not cls.__name__.startswith("_"):
            FAULTS[cls.name] = cls

    def __init__(self, world: World, act: Act, sleep: threading.Event) -> None:
        self.world = world
        self.act = act
        self._sleep = sleep

    def do(self) -> None:
        """Do harm."""
        raise NotImplementedError

    def undo(self) -> None:
        """Take it back."""

    def sleep(self, seconds: float) -> None:
        """Wait, unless the run is to end."""
        self._sleep.wait(seconds)

    def some(self, role: str) -> Member:
        """The act's victim among the members of a role: mostly one at work, now and then one that still starts."""
        there = self.world.crew.of(role)
        victim = there[self.act.dice % len(there)]
        if self.act.dice % _STARTING:
            eventually(lambda: victim.is_at_work, guard_s=_AT_WORK_S)
        return victim


class _Kill(Fault):
    role: ClassVar[str]

    def do(self) -> None:
        self.some(self.role).send(signal.SIGKILL)


class KillIndexer(_Kill):
    role = "indexer"


class KillAlerter(_Kill):
    role = "alerter"


class AllIndexersDie(Fault):
    def do(self) -> None:
        for member in self.world.crew.of("indexer"):
            member.send(signal.SIGKILL)


class _Freeze(Fault):
    """Longer than its session: it wakes as a zombie whose partitions others read."""

    role: ClassVar[str]

    def do(self) -> None:
        self.victim = self.some(self.role)
        self.victim.send(signal.SIGSTOP)

    def undo(self) -> None:
        self.victim.send(signal.SIGCONT)


class FreezeIndexer(_Freeze):
    role = "indexer"


class FreezeAlerter(_Freeze):
    role = "alerter"


class JoinIndexer(Fault):
    """A member more for a while; it leaves in order."""

    def do(self) -> None:
        self.guest = self.world.add("indexer", 100 + self.act.number)

    def undo(self) -> None:
        self.guest.is_wanted = False
        self.guest.send(signal.SIGTERM)


class _Leave(Fault):
    role: ClassVar[str]

    def do(self) -> None:
        self.victim = self.some(self.role)
        self.victim.is_wanted = False
        self.victim.send(signal.SIGTERM)

    def undo(self) -> None:
        self.victim.is_wanted = True


class LeaveIndexer(_Leave):
    role = "indexer"


class LeaveAlerter(_Leave):
    role = "alerter"


class KillBroker(Fault):
    def do(self) -> None:
        self.broker = self.act.dice % self.world.kafka.size
        self.world.kafka.kill(self.broker)

    def undo(self) -> None:
        self.world.kafka.restart(self.broker)


class PauseBroker(Fault):
    def do(self) -> None:
        self.broker = self.act.dice % self.world.kafka.size
        self.world.kafka.pause(self.broker)

    def undo(self) -> None:
        self.world.kafka.resume(self.broker)


class KillTwoBrokers(Fault):
    """Fewer in-sync replicas than `min.insync.replicas`, and no quorum of controllers."""

    def do(self) -> None:
        first = self.act.dice % self.world.kafka.size
        self.brokers = (first, (first + 1) % self.world.kafka.size)
        for broker in self.brokers:
            self.world.kafka.kill(broker)

    def undo(self) -> None:
        for broker in self.brokers:
            self.world.kafka.restart(broker)


class RegistryAway(Fault):
    """It accepts connections and answers nothing."""

    def do(self) -> None:
        if self.world.registry is not None:
            self.world.registry.pause()

    def undo(self) -> None:
        if self.world.registry is not None:
            self.world.registry.resume()
