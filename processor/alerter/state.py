"""What a store of alerts must do; `MemoryAlerts` here and `RedisAlerts` each do it.

Rules kept here:
- an alert changes in one atomic step, from the version that was read, or not at all;
- a transition that is to be published enters the outbox in the same step and stays there until Kafka
  has confirmed it; the outbox is read in the order in which it was filled;
- at most one holder of the lease sweeps and publishes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from processor.alerter.life import Step
from processor.model.alert import Alert, Status
from processor.model.identity import Node


class Pending(NamedTuple):
    """A transition that waits for its confirmation."""

    alert_id: str
    version: int
    alert: Alert


@dataclass(frozen=True, slots=True)
class Note:
    """What a person said of an alert: `acknowledged` or `muted`, who, when, why, until when."""

    kind: str
    by: str
    at_us: int
    reason: str = ""
    until_us: int | None = None


class AlertStore(Protocol):
    """Where alerts live. Any method may raise DependencyError; every write may be repeated."""

    def get(self, alert_ids: Sequence[str]) -> dict[str, Alert]:
        """The known ones among these alerts, by id."""

    def firing(self) -> dict[str, Alert]:
        """Every alert that fires, by id."""

    def about(self, subject: Node) -> dict[str, Alert]:
        """The alerts that fire about a node, by id."""

    def all(self) -> Iterator[Alert]:
        """Every alert that is kept, firing ones first, then the newest resolved."""

    def step(self, step: Step) -> bool:
        """Take a step; False when the alert no longer has the version that the step expects."""

    def pending(self, limit: int) -> list[Pending]:
        """The oldest transitions that nobody has confirmed."""

    def confirm(self, transitions: Iterable[Pending]) -> None:
        """Take confirmed transitions out of the outbox."""

    def expired(self, before_us: int, limit: int) -> list[str]:
        """Ids of alerts that were resolved before a time by the store's own clock, the oldest first.

        Not by `ends_us`: that may be stream time, and a replay of last year is not forgotten at once.
        """

    def forget(self, alert_ids: Iterable[str]) -> None:
        """Drop alerts that are resolved and not in the outbox."""

    def annotate(self, alert_id: str, note: Note) -> None:
        """Keep a note beside an alert, replacing an earlier one of the kind."""

    def notes(self, alert_id: str) -> dict[str, Note]:
        """The notes on an alert by kind."""

    def lease(self, holder: str, lease_ms: int) -> bool:
        """Take or renew the lease for so long; False while somebody else has it."""

    def release(self, holder: str) -> None:
        """Give the lease back, if it is the holder's."""


def encode(alert: Alert) -> bytes:
    """Stored form of an alert: msgpack with named fields, so that fields may come and go."""
    return msgspec.msgpack.encode(alert)


def decode(data: bytes) -> Alert | None:
    """Inverse of `encode`; None for an alert of a kind that only a newer version knows."""
    try:
        return msgspec.msgpack.decode(data, type=Alert)
    except msgspec.ValidationError:
        return None


class MemoryAlerts:
    """An `AlertStore` in this process, for tests and for a single question over a file."""

    def __init__(self) -> None:
        self._alerts: dict[str, Alert] = {}
        self._outbox: dict[tuple[str, int], Alert] = {}
        self._notes: dict[str, dict[str, Note]] = {}
        self._resolved_us: dict[str, int] = {}
        self._holder: str | None = None
        self._lock = threading.Lock()

    def get(self, alert_ids: Sequence[str]) -> dict[str, Alert]:
        """See `AlertStore`."""
        return {i: self._alerts[i] for i in alert_ids if i in self._alerts}

    def firing(self) -> dict[str, Alert]:
        """See `AlertStore`."""
        return {i: a for i, a in self._alerts.items() if a.status is Status.FIRING}

    def about(self, subject: Node) -> dict[str, Alert]:
        """See `AlertStore`."""
        return {i: a for i, a in self.firing().items() if a.finding.subject == subject}

    def all(self) -> Iterator[Alert]:
        """See `AlertStore`."""
        yield from self.firing().values()
        resolved = [a for a in self._alerts.values() if a.status is Status.RESOLVED]
        yield from sorted(resolved, key=lambda a: self._resolved_us[a.finding.alert_id], reverse=True)

    def step(self, step: Step) -> bool:
        """See `AlertStore`."""
        alert = step.alert
        with self._lock:
            known = self._alerts.get(alert.finding.alert_id)
            if (known.version if known else 0) != step.expected:
                return False
            self._alerts[alert.finding.alert_id] = alert
            if alert.status is Status.RESOLVED:
                self._resolved_us[alert.finding.alert_id] = time.time_ns() // 1000
            if step.is_published:
                self._outbox[alert.finding.alert_id, alert.version] = alert
            return True

    def pending(self, limit: int) -> list[Pending]:
        """See `AlertStore`."""
        return [Pending(*key, alert) for key, alert in list(self._outbox.items())[:limit]]

    def confirm(self, transitions: Iterable[Pending]) -> None:
        """See `AlertStore`."""
        for transition in transitions:
            self._outbox.pop((transition.alert_id, transition.version), None)

    def expired(self, before_us: int, limit: int) -> list[str]:
        """See `AlertStore`."""
        ended = [(self._resolved_us[i], i) for i, a in self._alerts.items() if a.status is Status.RESOLVED]
        return [i for resolved_us, i in sorted(ended) if resolved_us < before_us][:limit]

    def forget(self, alert_ids: Iterable[str]) -> None:
        """See `AlertStore`."""
        waiting = {i for i, _ in self._outbox}
        for alert_id in alert_ids:
            alert = self._alerts.get(alert_id)
            if alert and alert.status is Status.RESOLVED and alert_id not in waiting:
                del self._alerts[alert_id]
                self._notes.pop(alert_id, None)

    def annotate(self, alert_id: str, note: Note) -> None:
        """See `AlertStore`."""
        self._notes.setdefault(alert_id, {})[note.kind] = note

    def notes(self, alert_id: str) -> dict[str, Note]:
        """See `AlertStore`."""
        return dict(self._notes.get(alert_id, {}))

    def lease(self, holder: str, lease_ms: int) -> bool:
        """See `AlertStore`. A lease in one process never runs out."""
        _ = lease_ms
        self._holder = self._holder or holder
        return self._holder == holder

    def release(self, holder: str) -> None:
        """See `AlertStore`."""
        self._holder = None if self._holder == holder else self._holder
