"""One pass over the alerts, for `lineage run --until-caught-up`: derive them, and publish what changed."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from processor import wiring
from processor.alerter.era import OfEra
from processor.alerter.lease import Lease
from processor.alerter.policy_file import load_policy
from processor.alerter.recall import Recall
from processor.alerter.reconcile import Hooks, Outcome, reconcile, runbooks
from processor.alerter.records import alert_record
from processor.alerter.redis_state import RedisAlerts
from processor.alerter.sinks.crew import Crew
from processor.alerter.state import Pending
from processor.index.view import View
from processor.indexer.publisher import Outgoing, Publisher
from processor.model.errors import DependencyError
from processor.settings import Settings

__all__ = ["pass_over_alerts"]

_PAGE: Final = 500
_SEND_TIMEOUT_S: Final = 30.0
_LEASE_S: Final = 40.0
"""Longer than a page may take: what it sends has arrived, or was given up, before another may lead."""
_WAIT_S: Final = 60.0
_PAUSE_S: Final = 0.2

_log = structlog.get_logger(__name__)


def pass_over_alerts(settings: Settings) -> Outcome | None:
    """Open what holds, resolve what does not, publish both; None while nothing has been indexed at all.

    Raises `DependencyError` when Redis or Kafka does not do its part: what was derived is published later then.
    """
    store = wiring.open_store(settings)
    try:
        view, alerts = View(store), wiring.open_alerts(settings, store)
        now_us = view.now_us(time.time_ns() // 1000, settings.clock)
        if now_us is None:
            return None
        hooks, leading = Hooks(runbooks(settings.runbooks_url)), _Leading(settings, alerts)
        try:
            leading.learn()
            outcome = reconcile(view, OfEra(alerts), load_policy(settings.policy), now_us, hooks)
            leading.publish()
        finally:
            leading.end()
    finally:
        store.close()
    _log.info("alerts derived", opened=len(outcome.opened), resolved=len(outcome.resolved), firing=outcome.firing)
    return outcome


class _Leading:
    """What only one who leads may do: the pass itself, or an alerter that runs and is waited for."""

    def __init__(self, settings: Settings, alerts: RedisAlerts) -> None:
        self._settings = settings
        self._alerts = alerts
        self._publisher = wiring.open_publisher(settings)
        self._lease = Lease(alerts, _LEASE_S)
        self._recall = Recall(alerts, wiring.open_alerts_log(settings), breathe=self._lease.lead_on)

    def learn(self) -> None:
        """See to it that the alerts know what their topic says, if they are new or were lost."""
        deadline_s = time.monotonic() + _WAIT_S
        while self._alerts.era() is None:
            if self._leads(deadline_s):
                self._recall.refresh()

    def publish(self) -> None:
        """See to it that what changed is published, and tell the sinks if nobody else does."""
        deadline_s = time.monotonic() + _WAIT_S
        while waiting := self._alerts.pending(_PAGE):
            if self._leads(deadline_s) and not self._recall.refresh():
                _publish_page(self._settings, self._alerts, self._publisher, waiting)
        if self._lease.take():
            _tell_sinks(self._settings, self._alerts)

    def end(self) -> None:
        """Let another one lead."""
        self._lease.release()

    def _leads(self, deadline_s: float) -> bool:
        """Whether this pass leads; after a pause if not. Raises `DependencyError` once that lasts too long."""
        if self._lease.take():
            return True
        if time.monotonic() > deadline_s:
            raise DependencyError("Kafka", "an alerter that runs leads, and neither reads its topic nor publishes")
        time.sleep(_PAUSE_S)
        return False


def _tell_sinks(settings: Settings, alerts: RedisAlerts) -> None:
    """Try each once; what one does not take waits for the next pass, or for an alerter that runs."""
    crew = Crew(wiring.sinks_config(settings), alerts, lambda: True)
    asyncio.run(crew.once())
    crew.close()


def _publish_page(settings: Settings, alerts: RedisAlerts, publisher: Publisher, waiting: list[Pending]) -> None:
    records = [alert_record(settings.topics.alerts, each.alert) for each in waiting]
    publisher.send([Outgoing(record.topic, record.key, record.value) for record in records])
    publisher.settle(_SEND_TIMEOUT_S)
    alerts.confirm(waiting)
