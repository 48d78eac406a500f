"""From what a person types to an alert: its id, or how that begins.

Where a NODE may stand as well, a name goes before a beginning: that can be written longer, to the whole id, which goes
before any name. And `dataset:…`, `job:…` and `column:…` are never an alert.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from processor.index.resolve import is_called
from processor.index.search import breathing
from processor.index.view import View
from processor.model.alert import Alert
from processor.model.errors import UsageError

__all__ = ["LEAST", "UnclearAlertError", "alert_called", "alert_meant"]

_BEGINNING: Final = re.compile(r"[0-9a-f]{1,24}")
LEAST: Final = 4
"""So many letters of an id, where it is not typed by hand for an alert only."""
_CANDIDATES: Final = 5


class UnclearAlertError(UsageError):
    """The ids of several alerts begin so, of `count`; `candidates` are some of them."""

    def __init__(self, given: str, ids: Sequence[str]) -> None:
        self.given, self.count, self.candidates = given, len(ids), tuple(ids[:_CANDIDATES])
        super().__init__(f"{given} may be any of: {', '.join(self.candidates)}")


class _Alerts(Protocol):
    """What is asked of the alerts; `alerter.state.AlertStore` does it."""

    def get(self, alert_ids: Sequence[str]) -> dict[str, Alert]:
        """The known ones among these alerts, by id."""

    def all(self) -> Iterator[Alert]:
        """Every alert that is kept."""


def alert_called(
    alerts: _Alerts, given: str, *, least: int = 1, breathe: Callable[[], None] = lambda: None
) -> Alert | None:
    """The alert whose id this is, or alone begins so. Raises `UnclearAlertError`.

    `least`: letters that a beginning has. `breathe` is called now and then; what it raises ends this.
    """
    exact = _exact(alerts, given)
    if exact is not None or len(given) < least or not _BEGINNING.fullmatch(given):
        return exact
    return _begun(alerts, given, breathe)


def alert_meant(view: View, alerts: _Alerts, given: str) -> Alert | None:
    """The alert that is meant where a NODE may stand as well; None if it is a node, or nothing. Raises as above."""
    if len(given) < LEAST or not _BEGINNING.fullmatch(given):
        return None
    exact = _exact(alerts, given)
    if exact is not None or is_called(view, given):
        return exact
    return _begun(alerts, given, view.breathe)


def _exact(alerts: _Alerts, given: str) -> Alert | None:
    return alerts.get([given]).get(given)


def _begun(alerts: _Alerts, given: str, breathe: Callable[[], None]) -> Alert | None:
    """The only alert whose id begins so. Raises `UnclearAlertError`."""
    found = [alert for alert in breathing(alerts.all(), breathe) if alert.finding.alert_id.startswith(given)]
    if len(found) > 1:
        raise UnclearAlertError(given, [alert.finding.alert_id for alert in found])
    return found[0] if found else None
