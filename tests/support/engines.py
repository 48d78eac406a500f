"""Alerters' engines on twins: what they share, and what happens to it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from processor.alerter.config import AlerterConfig, AlerterParts
from processor.alerter.engine import Engine
from processor.alerter.reconcile import react
from processor.alerter.records import Incoming, Outgoing
from processor.alerter.sinks.topic import Send
from processor.alerter.state import MemoryAlerts, Pending
from processor.alerter.topic_log import Said
from processor.detect.policy import Policy
from processor.index.memory import MemoryStore
from processor.index.progress import Clock, Progress, encode_progress
from processor.index.view import View
from processor.model.alert import Alert
from processor.model.change import Change
from processor.model.codec import encode_change
from processor.model.observation import Place
from processor.telemetry.health import Health
from tests.support.events import Json, column_lineage, ds, event, fill, schema, table, us

FULL = ("id:int", "amount:int")
DROPPED = ("id:int",)


def ingest(minutes: float, *columns: str, dataset: str = "orders") -> Json:
    """A run that writes a dataset, and copies a column of it: to lose that is critical, whatever time it is."""
    copy = table(f"{dataset}.copy", columnLineage=column_lineage({"amount": [(dataset, "amount")]}))
    made = [table(dataset, schema=schema(*columns)), copy]
    return event(f"ingest {dataset}", minutes=minutes, run=int(minutes), outputs=made)


BRIEF = AlerterConfig(kafka={}, lease_s=0.3, send_timeout_s=0.2, publish_every_s=0.01)
SHORT = AlerterConfig(kafka={}, lease_s=0.05, send_timeout_s=0.04, publish_every_s=0.01)


class Alerts(MemoryAlerts):
    """Alerts of which another may take the lease at any time."""

    is_taken = False
    is_slow = False
    is_to_be_lost = False

    def lease(self, holder: str, lease_ms: int) -> bool:
        return not self.is_taken and super().lease(holder, lease_ms)

    def firing(self) -> dict[str, Alert]:
        if self.is_to_be_lost:
            self.is_to_be_lost = False
            super().__init__()
        return super().firing()

    def pending(self, limit: int) -> list[Pending]:
        waiting = super().pending(limit)
        if self.is_slow:
            time.sleep(SHORT.lease_s)
            self.is_taken = True
        return waiting


class World:
    """An index of which one dataset lost a column, and alerts that several engines share."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.alerts = Alerts()
        self.store.set_progress({b"t:0": encode_progress(Progress(us(60), 0, time.time_ns() // 1000))})
        fill(self.store, ingest(0, *FULL), ingest(60, *DROPPED))

    def engine(self, send: Send, view: View | None = None, config: AlerterConfig | None = None) -> Engine:
        parts = AlerterParts(lambda: view or View(self.store), lambda: self.alerts)
        return Engine(config or AlerterConfig(kafka={}), parts, send, Health((), livez_timeout_s=60))

    def change(self, *names: str) -> list[Incoming]:
        changes = [Change(f"c {name}", ds(name), ()) for name in names]
        places = (Place("lineage.changes", 0, at) for at in range(len(changes)))
        return [Incoming(place, b"k", encode_change(each)) for place, each in zip(places, changes, strict=True)]

    def react(self) -> None:
        react([Change("c", ds("orders"), ())], View(self.store), self.alerts, Policy(), us(120))


class Slow(View):
    """A view that tells how many sweeps read it at once, and what happens meanwhile."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.sweeps = 0

    def now_us(self, wall_us: int, clock: Clock) -> int | None:
        self.sweeps += 1
        time.sleep(0.05)
        return super().now_us(wall_us, clock)


class Expiring(Alerts):
    """Alerts of which a lease runs out."""

    _ends_s = 0.0

    def lease(self, holder: str, lease_ms: int) -> bool:
        if time.monotonic() > self._ends_s:
            self._holder = None
        leads = super().lease(holder, lease_ms)
        self._ends_s = time.monotonic() + lease_ms / 1000 if leads else self._ends_s
        return leads


class Long:
    """A topic that takes several leases to read."""

    def ends(self) -> dict[int, int]:
        return {0: 40}

    def read(self, starts: Mapping[int, int]) -> Iterator[Said]:
        for number in range(starts[0], 40):
            time.sleep(0.02)
            yield Said(f"a{number}", None)


async def nowhere(_record: Outgoing) -> None:
    """Take a record."""
