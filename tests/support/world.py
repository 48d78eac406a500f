"""An index with its alerts, in memory: fed, reacted on and swept."""

from __future__ import annotations

from processor.alerter.reconcile import Outcome, react, reconcile
from processor.alerter.state import MemoryAlerts
from processor.detect.policy import Policy
from processor.index.announce import change_of
from processor.index.memory import MemoryStore
from processor.index.view import View
from processor.model.alert import Alert
from tests.support.events import Json, fill, memory, us

DAY = 24 * 60
"""In minutes."""


class World:
    """An index and its alerts."""

    def __init__(self, *events: Json) -> None:
        self.store: MemoryStore = memory(*events)
        self.alerts = MemoryAlerts()

    def sweep(self, minutes: float, policy: Policy | None = None) -> Outcome:
        return reconcile(View(self.store), self.alerts, policy or Policy(), us(minutes))

    def feel(self, minutes: float, *events: Json, policy: Policy | None = None) -> list[Alert]:
        """Index events and react on what they changed; what was published of it."""
        changes = [change_of(entry, self.store) for entry in fill(self.store, *events)]
        outcomes = [react([c], View(self.store), self.alerts, policy or Policy(), us(minutes)) for c in changes]
        return [alert for outcome in outcomes for alert in outcome.transitions]

    def firing(self) -> set[tuple[str, str]]:
        return {(a.finding.kind.value, a.finding.subject.name) for a in self.alerts.firing().values()}
