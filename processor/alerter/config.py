"""What the alerter is told at its start. Wiring fills it from the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from processor.alerter.points import Reached, pass_by
from processor.alerter.reconcile import RUNBOOKS, RunbookUrl
from processor.alerter.right_of_way import RightOfWay
from processor.alerter.sinks.config import SinksConfig
from processor.alerter.state import AlertStore
from processor.alerter.topic_log import AlertLog, NoLog
from processor.index.progress import Clock
from processor.index.view import View
from processor.model.errors import UsageError


@dataclass(frozen=True, slots=True)
class AlerterConfig:
    """Settings of the alerter.

    `kafka` holds librdkafka's settings. `lease_s`: how long a dead alerter keeps another from publishing;
    what is sent within `send_timeout_s` is there, or given up, before another may lead. `largest_message_bytes`: what
    the topics of dead letters and alerts take.
    `keep_resolved_days`: how long a resolved alert is kept, and its key on the topic. `sinks`: whom else to tell.
    """

    kafka: dict[str, str]
    group: str = "lineage-alerter"
    changes_topic: str = "lineage.changes"
    alerts_topic: str = "lineage.alerts"
    dead_letters_topic: str = "lineage.dead-letters"
    clock: Clock = Clock.AUTO
    policy_file: Path | None = None
    sweep_every_s: float = 30.0
    publish_every_s: float = 0.25
    lease_s: float = 15.0
    send_timeout_s: float = 12.0
    largest_message_bytes: int = 32 * 1024 * 1024
    shutdown_timeout_s: float = 20.0
    keep_resolved_days: float = 30.0
    sinks: SinksConfig = field(default_factory=SinksConfig)

    def __post_init__(self) -> None:
        if self.lease_s < 4 * self.publish_every_s:
            raise UsageError("the alerter's lease must last at least four times as long as it waits to publish")
        if self.send_timeout_s >= self.lease_s:
            raise UsageError("the alerter's lease must outlast the time that a record may take to be sent")


@dataclass(frozen=True, slots=True)
class AlerterParts:
    """What the alerter works with. The makers raise DependencyError while Redis cannot be reached.

    `open_view` is called once for each thread that reads the index. `open_log`: the alerts topic, to read.
    `reached` is told of each point between two steps: tests end the process there.
    """

    open_view: Callable[[], View]
    open_alerts: Callable[[], AlertStore]
    open_log: Callable[[], AlertLog] = NoLog
    runbook: RunbookUrl = field(default=RUNBOOKS)
    reached: Reached = field(default=pass_by)
    right_of_way: RightOfWay = field(default_factory=RightOfWay)
