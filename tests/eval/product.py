"""The product's own code under simulated time: decode → reduce → index → announce → react, and sweeps.

The index and the alerts are kept in memory by the twins of what keeps them in Redis. Nothing is reached past.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from processor.alerter.reconcile import Hooks, react, reconcile
from processor.alerter.state import MemoryAlerts
from processor.alerter.sweep.coverage import Seldom
from processor.decode import read_schemas
from processor.decode.observe import build_observer
from processor.detect.policy import Policy
from processor.index.announce import change_of
from processor.index.memory import MemoryStore
from processor.index.reduce import reduce
from processor.index.view import View
from processor.model.alert import Alert
from processor.model.observation import Place
from processor.resources import schemas_dir

_PAGE = 1000
_TOPIC = "lineage.events"
_DAY_S = 86_400.0


class Product:
    """An indexer and an alerter, driven from outside."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._observe = build_observer("auto", read_schemas(schemas_dir()))
        self._store = MemoryStore()
        self._view = View(self._store)
        self._alerts = MemoryAlerts()
        self._offset = 0
        self._now_us = 0
        self._hooks = Hooks(survey=Seldom(lambda: self._now_us / 1_000_000, _DAY_S))

    def take(self, values: Sequence[bytes], now_us: int) -> None:
        """Index records that arrived, and react to what they changed."""
        sourced = []
        for value in values:
            seen = self._observe(value, ())
            assert not seen.rejected, (seen.rejected, value)
            self._offset += 1
            place = Place(_TOPIC, 0, self._offset, now_us)
            sourced += [(observation, place) for observation in seen.observations]
        entries = self._store.apply(reduce(sourced, self._store.buckets, now_us))
        for entry in entries:
            react([change_of(entry, self._store)], self._view, self._alerts, self._policy, now_us)
        self._store.confirm(entries)

    def sweep(self, now_us: int) -> None:
        """Derive all alerts anew; coverage is measured once a day."""
        self._now_us = now_us
        reconcile(self._view, self._alerts, self._policy, now_us, self._hooks)

    def is_told_by_another(self, alert_id: str) -> bool:
        """Whether an alert that fires now has this one among its members."""
        firing = self._alerts.firing().values()
        return any(member.alert_id == alert_id for alert in firing for member in alert.finding.members)

    def published(self) -> Iterator[Alert]:
        """What was to be published since this was asked last."""
        while waiting := self._alerts.pending(_PAGE):
            yield from (each.alert for each in waiting)
            self._alerts.confirm(waiting)
