"""What tests do with a store of alerts, and a topic of alerts that is a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from processor.alerter.life import Step, fire, resolve
from processor.alerter.recall import Recall
from processor.alerter.records import Landed
from processor.alerter.redis_state import RedisAlerts
from processor.alerter.state import AlertStore, MemoryAlerts, Pending
from processor.alerter.topic_log import Said
from processor.model.alert import Alert, AlertKind, Finding, Note, Severity
from processor.model.identity import Node, dataset

ORDERS = dataset("postgres://shop:5432", "public.orders")
STAGING = dataset("postgres://shop:5432", "staging.orders")
SINKS = ("webhook", "slack")
HOUR_US = 3_600_000_000
NOTE = Note("sam", 3 * HOUR_US, "agreed")


def finding(alert_id: str = "a1", subject: Node = ORDERS) -> Finding:
    """Something that holds."""
    return Finding(alert_id, AlertKind.SCHEMA_DRIFT, Severity.WARNING, subject, "something broke", 7)


def open_one(alerts: AlertStore, alert_id: str = "a1", subject: Node = ORDERS) -> Alert:
    """Let an alert fire."""
    step = fire(None, finding(alert_id, subject), "runbook")
    assert step is not None
    assert alerts.step(step)
    return step.alert


def end_one(alerts: AlertStore, alert: Alert, now_us: int = 2 * HOUR_US) -> Alert:
    """Resolve it."""
    step = resolve(alert, now_us)
    assert alerts.step(step)
    return step.alert


def taken(alerts: AlertStore, step: Step | None) -> Alert:
    """Take a step; what the alert becomes."""
    assert step is not None
    assert alerts.step(step)
    return step.alert


def refire(alerts: AlertStore, known: Alert, severity: Severity = Severity.CRITICAL) -> Alert:
    """Let it fire again, or more gravely."""
    step = fire(known, replace(known.finding, severity=severity), "runbook")
    assert step is not None
    assert alerts.step(step)
    return step.alert


def queued(alerts: AlertStore, sink: str = "webhook") -> list[tuple[str, int]]:
    """Id and version of what a sink is still to be told."""
    waiting = alerts.to_tell(sink, 100)
    assert alerts.untold(sink) == len(waiting)
    assert all(each.version == each.alert.version for each in waiting)
    return [(each.alert_id, each.version) for each in waiting]


class Topic:
    """The alerts topic: a list a partition. Compaction is left to the tests."""

    def __init__(self, partitions: int = 2) -> None:
        self.partitions: dict[int, list[Said]] = {number: [] for number in range(partitions)}
        self.reads = list[dict[int, int]]()

    def ends(self) -> dict[int, int]:
        return {number: len(there) for number, there in self.partitions.items()}

    def read(self, starts: Mapping[int, int]) -> Iterator[Said]:
        self.reads.append(dict(starts))
        for number, start in starts.items():
            yield from self.partitions[number][start:]

    def write(self, alert_id: str, alert: Alert | None) -> Landed:
        """Append a record."""
        number = sum(alert_id.encode()) % len(self.partitions)
        self.partitions[number].append(Said(alert_id, alert))
        return Landed(number, len(self.partitions[number]) - 1)

    def publish(self, alerts: AlertStore) -> list[Pending]:
        """Do as an alerter does that leads."""
        Recall(alerts, self).refresh()
        waiting = alerts.pending(100)
        alerts.confirm(waiting, [self.write(each.alert_id, each.alert) for each in waiting])
        return waiting


def emptied(alerts: AlertStore) -> AlertStore:
    """The store after it has lost everything."""
    if isinstance(alerts, MemoryAlerts):
        return MemoryAlerts()
    assert isinstance(alerts, RedisAlerts)
    alerts._client.flushall()  # noqa: SLF001  there is no other way to lose it
    return alerts
