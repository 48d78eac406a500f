"""The alerter in a process of its own, as wiring starts it: `python -m tests.support.alerter_child JSON`.

`die_after_steps` ends it as `kill -9` does, right after it has stored that many transitions and before any of them
is published. `hangs` lets its sweeps hang.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import structlog

from processor.alerter.config import AlerterConfig, AlerterParts
from processor.alerter.life import Step
from processor.alerter.redis_state import RedisAlerts
from processor.alerter.run import run_alerter
from processor.index.connect import connect
from processor.index.redis import RedisStore
from processor.index.view import View
from processor.telemetry import logs
from processor.telemetry.health import Health


@dataclass(frozen=True, slots=True)
class Child:
    """What the child is told."""

    bootstrap: str
    redis_url: str
    topic_prefix: str
    redis_prefix: str = "lineage"
    die_after_steps: int | None = None
    sweep_every_s: float = 3600.0
    policy_file: str | None = None
    hangs: bool = False

    def config(self) -> AlerterConfig:
        return AlerterConfig(
            kafka={"bootstrap.servers": self.bootstrap, "session.timeout.ms": "6000", "heartbeat.interval.ms": "1000"},
            group=f"{self.topic_prefix}alerter",
            changes_topic=f"{self.topic_prefix}changes",
            alerts_topic=f"{self.topic_prefix}alerts",
            dead_letters_topic=f"{self.topic_prefix}dead-letters",
            policy_file=Path(self.policy_file) if self.policy_file else None,
            sweep_every_s=self.sweep_every_s,
            lease_s=8.0,
            send_timeout_s=7.0,
            shutdown_timeout_s=10.0,
        )


class _HangingView(View):
    """Never comes back from a sweep, like a client that waits for a server without end."""

    def all_jobs(self) -> NoReturn:
        structlog.get_logger(__name__).info("sweep hangs")
        while True:
            time.sleep(60)


class _MortalAlerts(RedisAlerts):
    """Dies between the write of a transition and its publication."""

    steps_left = 0

    def step(self, step: Step) -> bool:
        taken = super().step(step)
        self.steps_left -= 1
        if self.steps_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return taken


def main(told: str) -> int:
    child = Child(**json.loads(told))
    logs.configure("info", "json", role="alerter", pid=os.getpid())

    def open_alerts() -> RedisAlerts:
        client = connect(child.redis_url, timeout_s=2.0)
        if child.die_after_steps is None:
            return RedisAlerts(client, child.redis_prefix)
        alerts = _MortalAlerts(client, child.redis_prefix)
        alerts.steps_left = child.die_after_steps
        return alerts

    def open_view() -> View:
        kind = _HangingView if child.hangs else View
        return kind(RedisStore(connect(child.redis_url, timeout_s=2.0), child.redis_prefix))

    health = Health(("assigned", "redis"), livez_timeout_s=60.0)
    return run_alerter(child.config(), AlerterParts(open_view, open_alerts), health)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
