"""The alerts as one pass sees them: of one era of their store, from its first look to its last step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from processor.alerter.life import Step
from processor.alerter.mutes import Mute
from processor.alerter.state import AlertStore, LostAlertsError
from processor.model.alert import Alert
from processor.model.identity import Node

__all__ = ["Judged", "OfEra"]


class Judged(Protocol):
    """What a pass wants of the alerts; see `AlertStore`."""

    def get(self, alert_ids: Sequence[str]) -> dict[str, Alert]:
        """The known ones among these alerts, by id."""

    def firing(self) -> dict[str, Alert]:
        """Every alert that fires, by id."""

    def about(self, subjects: Sequence[Node]) -> dict[str, Alert]:
        """The alerts that fire about any of these nodes, by id."""

    def accepted(self) -> dict[str, Alert]:
        """Alerts that are resolved because somebody accepted what they tell, by id."""

    def mutes(self) -> list[Mute]:
        """What people muted by a pattern, ended ones too."""

    def step(self, step: Step) -> bool:
        """Take a step; False when the alert no longer has the version that the step expects."""


class OfEra:
    """What is `Judged`, while the era lasts in which this was made: no step is taken once it is over.

    So what was read of a store that was emptied meanwhile moves nothing, even where it is filled again by then.
    """

    def __init__(self, alerts: AlertStore) -> None:
        """Note the era. Raises `LostAlertsError` while there is none."""
        era = alerts.era()
        if era is None:
            raise LostAlertsError
        self._alerts = alerts
        self._era = era
        self.get, self.firing, self.about = alerts.get, alerts.firing, alerts.about
        self.accepted, self.mutes = alerts.accepted, alerts.mutes

    def step(self, step: Step) -> bool:
        """See `AlertStore`. Raises `LostAlertsError` when the era is over."""
        return self._alerts.step(step, self._era)
