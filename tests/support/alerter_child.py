"""The alerter in a process of its own, as wiring starts it: `python -m tests.support.alerter_child JSON`.

`hangs` lets its sweeps hang.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import structlog
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from processor.alerter.config import AlerterConfig, AlerterParts
from processor.alerter.points import Reached, pass_by
from processor.alerter.reconcile import runbooks
from processor.alerter.redis_state import RedisAlerts
from processor.alerter.run import run_alerter
from processor.alerter.sinks.config import SinksConfig
from processor.alerter.topic_log import TopicLog
from processor.index.connect import connect
from processor.index.redis import RedisStore
from processor.index.view import View
from processor.model.identity import Kind
from processor.roles import asked_to_stop
from processor.telemetry import logs
from processor.telemetry.health import Health


@dataclass(frozen=True, slots=True)
class Child:
    """What the child is told."""

    bootstrap: str
    redis_url: str
    topic_prefix: str
    redis_prefix: str = "lineage"
    session_ms: int = 6000
    lease_s: float = 8.0
    keep_resolved_days: float = 30.0
    sweep_every_s: float = 3600.0
    policy_file: str | None = None
    hangs: bool = False
    alertmanager_url: str | None = None
    webhook_url: str | None = None
    resend_s: float = 60.0
    runbooks_url: str = "docs/runbooks"
    shutdown_timeout_s: float = 60.0

    def config(self) -> AlerterConfig:
        return AlerterConfig(
            kafka={
                "bootstrap.servers": self.bootstrap,
                "session.timeout.ms": str(self.session_ms),
                "heartbeat.interval.ms": str(self.session_ms // 6),
            },
            group=f"{self.topic_prefix}alerter",
            changes_topic=f"{self.topic_prefix}changes",
            alerts_topic=f"{self.topic_prefix}alerts",
            dead_letters_topic=f"{self.topic_prefix}dead-letters",
            policy_file=Path(self.policy_file) if self.policy_file else None,
            sweep_every_s=self.sweep_every_s,
            lease_s=self.lease_s,
            send_timeout_s=self.lease_s * 7 / 8,
            keep_resolved_days=self.keep_resolved_days,
            shutdown_timeout_s=self.shutdown_timeout_s,
            sinks=self.sinks(),
        )

    def sinks(self) -> SinksConfig:
        peers = (self.alertmanager_url,) if self.alertmanager_url else ()
        return SinksConfig(alertmanager_urls=peers, webhook_url=self.webhook_url, resend_s=self.resend_s)

    def alerts(self) -> RedisAlerts:
        return RedisAlerts(connect(self.redis_url, timeout_s=2.0), self.redis_prefix, self.sinks().queued)

    def parts(self, reached: Reached = pass_by) -> AlerterParts:
        view = _HangingView if self.hangs else View
        return AlerterParts(
            open_view=lambda: view(RedisStore(connect(self.redis_url, timeout_s=2.0), self.redis_prefix)),
            open_alerts=self.alerts,
            open_log=self.open_log,
            runbook=runbooks(self.runbooks_url),
            reached=reached,
        )

    def run(self, reached: Reached = pass_by) -> int:
        health = Health(("assigned", "redis"), livez_timeout_s=60.0)
        with asked_to_stop(self.shutdown_timeout_s) as stop:
            return run_alerter(self.config(), self.parts(reached), health, stop)

    def open_log(self) -> TopicLog:
        servers: dict[str, str | int | float | bool] = {"bootstrap.servers": self.bootstrap, "log_level": 0}
        alone = {"group.id": "reader", "enable.auto.commit": False, "enable.partition.eof": True}
        reading = {"auto.offset.reset": "earliest", "fetch.wait.max.ms": 50}
        return TopicLog(Consumer({**servers, **alone, **reading}), AdminClient(servers), self.config().alerts_topic)


class _HangingView(View):
    """Never comes back from a sweep, like a client that waits for a server without end."""

    def ids(self, kind: Kind) -> NoReturn:
        structlog.get_logger(__name__).info("sweep hangs", kind=kind.value)
        while True:
            time.sleep(60)


def main(told: str) -> int:
    logs.configure("info", "json", role="alerter", pid=os.getpid())
    return Child(**json.loads(told)).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
