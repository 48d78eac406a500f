"""The topic of alerts, and the log.

Rules kept here:
- the topic is the record: a transition leaves the outbox once the topic has it;
- two transitions of one alert are never under way at once, so the topic keeps their order;
- one that is too large for the topic is told in the log and given up, so that it holds up no other;
- other sinks hear of what the topic has, and cannot hold it up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

import structlog

from processor.alerter.points import Point, Reached, pass_by
from processor.alerter.records import Landed, Outgoing, alert_record
from processor.alerter.state import Pending
from processor.detect.words import shown
from processor.model.alert import Alert, Severity, Status
from processor.model.errors import DependencyError, LineageError
from processor.telemetry import metrics

_log = structlog.get_logger("lineage.alerts")

Send = Callable[[Outgoing], Awaitable[Landed | None]]
"""Send one record and wait until Kafka has it on all in-sync replicas; where it stands, if that is known.

Raises DependencyError, or TooLargeError.
"""


class TooLargeError(LineageError):
    """A record is larger than its topic takes: sending it again would not help."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Transitions that are done with, and where the records stand that were made of them."""

    transitions: list[Pending] = field(default_factory=list)
    landed: list[Landed] = field(default_factory=list)


class TopicSink:
    """`lineage.alerts`: Avro, keyed by alert id."""

    def __init__(self, send: Send, topic: str, reached: Reached = pass_by) -> None:
        self._send = send
        self._topic = topic
        self._reached = reached

    async def deliver(self, transitions: Sequence[Pending]) -> Delivered:
        """Deliver what can be delivered now; the others come again. Stops after the first wave that failed in part."""
        delivered = Delivered()
        for wave in _waves(transitions):
            done = await self._deliver(wave, delivered.landed)
            delivered.transitions.extend(done)
            if len(done) < len(wave):
                break
        return delivered

    async def _deliver(self, wave: Sequence[Pending], landed: list[Landed]) -> list[Pending]:
        answers = await asyncio.gather(*(self._send_one(t.alert) for t in wave), return_exceptions=True)
        landed += [answer for answer in answers if isinstance(answer, Landed)]
        return [t for t, answer in zip(wave, answers, strict=True) if _is_done(t, answer)]

    async def _send_one(self, alert: Alert) -> Landed | None:
        landed = await self._send(alert_record(self._topic, alert))
        self._reached(Point.SENT)
        return landed


def _is_done(transition: Pending, answer: Landed | BaseException | None) -> bool:
    if not isinstance(answer, BaseException):
        return True
    if not isinstance(answer, DependencyError | TooLargeError):
        raise answer
    metrics.SINK_ERRORS.labels("topic").inc()
    if isinstance(answer, TooLargeError):
        _log.error("alert.too_large", alert_id=transition.alert_id, version=transition.version, reason=str(answer))
    return isinstance(answer, TooLargeError)


class LogSink:
    """One structured log line for each transition."""

    def deliver(self, transitions: Sequence[Pending]) -> None:
        """Tell of what the topic has."""
        for transition in transitions:
            _tell(transition.alert)


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
