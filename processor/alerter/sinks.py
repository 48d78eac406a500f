"""Whoever is to hear of alerts.

Rules kept here:
- the topic is the record: a transition leaves the outbox once the topic has it;
- two transitions of one alert are never under way at once, so the topic keeps their order;
- one that is too large for the topic is told in the log and given up, so that it holds up no other;
- other sinks hear of what the topic has, and cannot hold it up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Protocol

import structlog

from processor.alerter.records import Outgoing, alert_record
from processor.alerter.state import Pending
from processor.detect.words import shown
from processor.model.alert import Alert, Severity, Status
from processor.model.errors import DependencyError, LineageError
from processor.telemetry import metrics

_log = structlog.get_logger("lineage.alerts")

Send = Callable[[Outgoing], Awaitable[None]]
"""Send one record and wait until Kafka has it on all in-sync replicas. Raises DependencyError, or TooLargeError."""


class TooLargeError(LineageError):
    """A record is larger than its topic takes: sending it again would not help."""


class Sink(Protocol):
    """Takes transitions in order."""

    async def deliver(self, transitions: Sequence[Pending]) -> list[Pending]:
        """Deliver what can be delivered now; the others come again."""


class TopicSink:
    """`lineage.alerts`: Avro, keyed by alert id."""

    def __init__(self, send: Send, topic: str) -> None:
        self._send = send
        self._topic = topic

    async def deliver(self, transitions: Sequence[Pending]) -> list[Pending]:
        """See `Sink`. Stops after the first wave in which something failed."""
        delivered: list[Pending] = []
        for wave in _waves(transitions):
            there = await self._deliver(wave)
            delivered += there
            if len(there) < len(wave):
                break
        return delivered

    async def _deliver(self, wave: Sequence[Pending]) -> list[Pending]:
        sends = (self._send(alert_record(self._topic, t.alert)) for t in wave)
        answers = await asyncio.gather(*sends, return_exceptions=True)
        return [t for t, answer in zip(wave, answers, strict=True) if _is_done(t, answer)]


def _is_done(transition: Pending, answer: BaseException | None) -> bool:
    if answer is None:
        return True
    if not isinstance(answer, DependencyError | TooLargeError):
        raise answer
    metrics.SINK_ERRORS.labels("topic").inc()
    if isinstance(answer, TooLargeError):
        _log.error("alert.too_large", alert_id=transition.alert_id, version=transition.version, reason=str(answer))
    return isinstance(answer, TooLargeError)


class LogSink:
    """One structured log line for each transition."""

    async def deliver(self, transitions: Sequence[Pending]) -> list[Pending]:
        """See `Sink`."""
        for transition in transitions:
            _tell(transition.alert)
        return list(transitions)


def first_wave(transitions: Sequence[Pending]) -> list[Pending]:
    """The transitions up to where an alert would occur a second time."""
    return next(_waves(transitions), [])


def _waves(transitions: Sequence[Pending]) -> Iterator[list[Pending]]:
    """The transitions in order, cut wherever an alert would occur a second time."""
    wave: dict[str, Pending] = {}
    for transition in transitions:
        if transition.alert_id in wave:
            yield list(wave.values())
            wave = {}
        wave[transition.alert_id] = transition
    if wave:
        yield list(wave.values())


def _tell(alert: Alert) -> None:
    finding = alert.finding
    is_calm = alert.status is Status.RESOLVED or finding.severity is Severity.INFO
    tell = _log.info if is_calm else _log.warning
    tell(
        f"alert.{alert.status.value}",
        alert_id=finding.alert_id,
        version=alert.version,
        kind=finding.kind.value,
        severity=finding.severity.value,
        subject=shown(str(finding.subject)),
        summary=finding.summary,
        run_id=finding.cause.run_id,
        runbook=alert.runbook_url,
    )
