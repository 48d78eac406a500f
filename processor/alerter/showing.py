"""What the alerter shows of its work to Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterable

from processor.alerter.reconcile import Outcome
from processor.alerter.records import Incoming
from processor.telemetry import metrics

__all__ = ["count_transitions", "note_age", "show_firing", "show_nothing"]


def note_age(step: str, records: Iterable[Incoming]) -> None:
    """Tell how old changes are at a step, by the times that Kafka has of them."""
    now_us, seen = time.time_ns() // 1000, metrics.CHANGE_SECONDS.labels(step)
    for record in records:
        if record.timestamp_us is not None:
            seen.observe(max(0, now_us - record.timestamp_us) / 1e6)


def count_transitions(outcome: Outcome) -> None:
    """Count what began, changed or ended, by kind."""
    for alert in outcome.transitions:
        metrics.ALERT_TRANSITIONS.labels(alert.finding.kind.value, alert.status.value).inc()


_SHOWN = (
    metrics.ALERTS_FIRING,
    metrics.SILENCE,
    metrics.COVERAGE,
    metrics.LINEAGE_DEPTH,
    metrics.INDEX_NODES,
    metrics.INDEX_EDGES,
)
"""What the alerter shows that leads."""


def show_nothing() -> None:
    """What one shows that does not lead any more would be old."""
    for gauge in _SHOWN:
        gauge.clear()


def show_firing(outcome: Outcome) -> None:
    """Show how many fire after a sweep, by kind and severity."""
    metrics.ALERTS_FIRING.clear()
    for (kind, severity), count in outcome.by_kind.items():
        metrics.ALERTS_FIRING.labels(kind.value, severity.value).set(count)
