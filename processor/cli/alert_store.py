"""The alerts beside the index that a command has opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.cli.guard import NotFoundError
from processor.model.text import visible

if TYPE_CHECKING:
    from processor.alerter.redis_state import RedisAlerts
    from processor.cli.opened import Opened
    from processor.model.alert import Alert

_PAGE = 500


def alerts_of(index: Opened) -> RedisAlerts:
    """Open them."""
    from processor import wiring

    return wiring.open_alerts(index.settings, index.store)


def one_of(store: RedisAlerts, given: str) -> Alert:
    """The alert whose id this is, or begins so. Raises `NotFoundError` or `UnclearAlertError`."""
    from processor.index.alert_ids import alert_called

    alert = alert_called(store, given)
    if alert is None:
        raise NotFoundError(f"there is no alert {visible(given)}; their ids: lineage alerts --all -o json")
    return alert


def let_go(index: Opened, store: RedisAlerts) -> None:
    """Where no Kafka is known, nobody will ever publish what is waiting to be published."""
    from processor.home import BOOTSTRAP

    if index.settings.kafka.get(BOOTSTRAP):
        return
    while waiting := store.pending(_PAGE):
        store.confirm(waiting)
