"""The alerts beside the index that a command has opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.cli.guard import NotFoundError
from processor.model.errors import UsageError
from processor.model.text import visible

if TYPE_CHECKING:
    from processor.alerter.redis_state import RedisAlerts
    from processor.cli.opened import Opened
    from processor.model.alert import Alert

_PAGE = 500
_CANDIDATES = 5


def alerts_of(index: Opened) -> RedisAlerts:
    """Open them."""
    from processor import wiring

    return wiring.open_alerts(index.settings, index.store)


def one_of(store: RedisAlerts, given: str) -> Alert:
    """The alert whose id this is, or begins so. Raises `NotFoundError`, or `UsageError` with the candidates."""
    exact = store.get([given])
    if exact:
        return exact[given]
    found = [alert for alert in store.all() if alert.finding.alert_id.startswith(given)] if given else []
    if not found:
        raise NotFoundError(f"there is no alert {visible(given)}; their ids: lineage alerts --all -o json")
    if len(found) > 1:
        several = ", ".join(alert.finding.alert_id for alert in found[:_CANDIDATES])
        raise UsageError(f"{visible(given)} may be any of: {several}")
    return found[0]


def let_go(index: Opened, store: RedisAlerts) -> None:
    """Where no Kafka is known, nobody will ever publish what is waiting to be published."""
    from processor.home import BOOTSTRAP

    if index.settings.kafka.get(BOOTSTRAP):
        return
    while waiting := store.pending(_PAGE):
        store.confirm(waiting)
