"""What a store of alerts must do; `MemoryAlerts` here and `RedisAlerts` each do it.

Rules kept here:
- an alert changes in one atomic step, from the version that was read, or not at all;
- a transition that is to be published enters the outbox in the same step and stays there until Kafka
  has confirmed it; the outbox is read in the order in which it was filled;
- the topic is the lasting record, the store what is known of it: `known` says how far, and advances in the same step
  as `confirm`. A store that was emptied or went back in time knows less than the topic holds, and is told (`restore`);
  what was said in public stands against what was judged meanwhile;
- from the first such telling until all is lost is an era: what was judged in one moves no alert in another, for it was
  grouped with what fired then;
- at most one holder of the lease sweeps, publishes and tells the sinks;
- a sink with a queue is told of all that the topic has: a transition enters the queues in the step in which it leaves
  the outbox because the topic has it. In a queue with `queue_limit` entries or more, one that enters takes the place of
  those of its alert that stand there: so the newest of each alert stays, and there are never many more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from processor.alerter.life import Step, is_accepted
from processor.alerter.mutes import Mute
from processor.alerter.records import Landed
from processor.model.alert import Alert, Status
from processor.model.errors import DependencyError
from processor.model.identity import Node

QUEUE_LIMIT = 10_000

_read_alert = msgspec.msgpack.Decoder(Alert).decode


class Pending(NamedTuple):
    """A transition that waits for its confirmation."""

    alert_id: str
    version: int
    alert: Alert


class AlertStore(Protocol):
    """Where alerts live. Any method may raise DependencyError; every write may be repeated."""

    def get(self, alert_ids: Sequence[str]) -> dict[str, Alert]:
        """The known ones among these alerts, by id."""

    def firing(self) -> dict[str, Alert]:
        """Every alert that fires, by id."""

    def about(self, subjects: Sequence[Node]) -> dict[str, Alert]:
        """The alerts that fire about any of these nodes, by id."""

    def all(self) -> Iterator[Alert]:
        """Every alert that is kept, firing ones first, then the newest resolved."""

    def step(self, step: Step, era: str | None = None) -> bool:
        """Take a step; False when the alert no longer has the version that the step expects.

        Raises `LostAlertsError` when an era is given and it is over.
        """

    def pending(self, limit: int) -> list[Pending]:
        """The oldest transitions that nobody has confirmed."""

    def confirm(self, transitions: Iterable[Pending], landed: Iterable[Landed] = ()) -> None:
        """Take confirmed transitions out of the outbox.

        `landed`: where their records stand. What is `known` of the topic goes on as far as they follow on it.
        """

    def to_tell(self, sink: str, limit: int) -> list[Pending]:
        """The oldest transitions in a sink's queue."""

    def untold(self, sink: str) -> int:
        """How many there are."""

    def told(self, sink: str, transitions: Iterable[Pending]) -> None:
        """Take transitions out of a sink's queue."""

    def ended(self, since_us: int, limit: int) -> list[Alert]:
        """Alerts that were resolved since a time by the store's own clock, the newest first."""

    def known(self) -> dict[int, int]:
        """Up to which offset of each partition the store knows the alerts topic; empty when it knows nothing."""

    def era(self) -> str | None:
        """What tells this era of the store from any other; None while it has not been told what the topic says."""

    def begin(self, reader: str) -> None:
        """Begin to tell the store what the topic says; ends any other such reading."""

    def restore(self, reader: str, number: int, alert: Alert) -> bool:
        """Tell what the topic says, records numbered from 1 on; whether the store takes it over.

        It does where it has an older version, or is about to publish another content under the same one.
        Raises `LostReadingError` when the store is not the one that the reading began with.
        """

    def resend(self, alert_id: str, version: int) -> bool:
        """Publish an alert again, if the version on the topic is older and nothing waits; whether it is."""

    def finish(self, reader: str, count: int, ends: Mapping[int, int]) -> None:
        """Take note, after so many records, of up to where the topic was read. Raises as `restore` does."""

    def expired(self, before_us: int, limit: int) -> list[str]:
        """Ids of alerts that were resolved before a time by the store's own clock, the oldest first; no accepted ones.

        Not by `ends_us`: that may be stream time, and a replay of last year is not forgotten at once.
        """

    def forget(self, alert_ids: Iterable[str]) -> None:
        """Drop alerts that are resolved and not in the outbox."""

    def accepted(self) -> dict[str, Alert]:
        """Alerts that are resolved because somebody accepted what they tell, by id."""

    def mutes(self) -> list[Mute]:
        """What people muted by a pattern, ended ones too."""

    def mute(self, mute: Mute) -> None:
        """Mute by a pattern, in place of an earlier mute of the same id."""

    def unmute(self, mute_id: str) -> bool:
        """Take that back; whether it was there."""

    def lease(self, holder: str, lease_ms: int) -> bool:
        """Take or renew the lease for so long; False while somebody else has it."""

    def release(self, holder: str) -> None:
        """Give the lease back, if it is the holder's."""


class LostReadingError(DependencyError):
    """The store was emptied, went back in time, or is told by somebody else: the reading begins anew."""

    def __init__(self) -> None:
        super().__init__(
            "Redis",
            "the alerts changed hands or were lost while their topic was read into them; it is read anew. If this comes"
            " again and again, see whether Redis is emptied, or alerters of another topic use the same prefix",
        )


class LostAlertsError(DependencyError):
    """The alerts are not those that something was judged with: it is judged again, once they know the topic."""

    def __init__(self) -> None:
        super().__init__(
            "Redis", "the alerts do not know what their topic says: they are new, or were lost; who leads tells them"
        )


def encode(alert: Alert) -> bytes:
    """Stored form of an alert: msgpack with named fields, so that fields may come and go."""
    return msgspec.msgpack.encode(alert)


def decode(data: bytes) -> Alert | None:
    """Inverse of `encode`; None for an alert of a kind that only a newer version knows."""
    try:
        return _read_alert(data)
    except msgspec.ValidationError:
        return None


class MemoryAlerts:
    """An `AlertStore` in this process, for tests and for a single question over a file."""

    def __init__(self, sinks: Sequence[str] = (), queue_limit: int = QUEUE_LIMIT) -> None:
        """Make it empty; `sinks`: names of those that have a queue."""
        self._queues: dict[str, dict[tuple[str, int], Alert]] = {sink: {} for sink in sinks}
        self._queue_limit = queue_limit
        self._alerts: dict[str, Alert] = {}
        self._outbox: dict[tuple[str, int], Alert] = {}
        self._mutes: dict[str, Mute] = {}
        self._resolved_us: dict[str, int] = {}
        self._holder: str | None = None
        self._known: dict[int, int] = {}
        self._era: str | None = None
        self._reading: tuple[str, int] | None = None
        self._lock = threading.Lock()

    def get(self, alert_ids: Sequence[str]) -> dict[str, Alert]:
        """See `AlertStore`."""
        return {i: self._alerts[i] for i in alert_ids if i in self._alerts}

    def firing(self) -> dict[str, Alert]:
        """See `AlertStore`."""
        return {i: a for i, a in self._alerts.items() if a.status is Status.FIRING}

    def about(self, subjects: Sequence[Node]) -> dict[str, Alert]:
        """See `AlertStore`."""
        return {i: a for i, a in self.firing().items() if a.finding.subject in subjects}

    def all(self) -> Iterator[Alert]:
        """See `AlertStore`."""
        yield from self.firing().values()
        resolved = [a for a in self._alerts.values() if a.status is Status.RESOLVED]
        yield from sorted(resolved, key=lambda a: self._resolved_us[a.finding.alert_id], reverse=True)

    def step(self, step: Step, era: str | None = None) -> bool:
        """See `AlertStore`."""
        alert = step.alert
        with self._lock:
            if era and era != self._era:
                raise LostAlertsError
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

    def confirm(self, transitions: Iterable[Pending], landed: Iterable[Landed] = ()) -> None:
        """See `AlertStore`."""
        for transition in transitions:
            alert = self._outbox.pop((transition.alert_id, transition.version), None)
            if alert:
                self._queue(alert)
        for partition, offset in sorted(landed):
            if self._known.get(partition) == offset:
                self._known[partition] = offset + 1

    def _queue(self, alert: Alert) -> None:
        for queue in self._queues.values():
            if len(queue) >= self._queue_limit:
                _take_out(queue, alert.finding.alert_id, alert.version - 1)
            queue[alert.finding.alert_id, alert.version] = alert

    def to_tell(self, sink: str, limit: int) -> list[Pending]:
        """See `AlertStore`."""
        return [Pending(*key, alert) for key, alert in list(self._queues[sink].items())[:limit]]

    def untold(self, sink: str) -> int:
        """See `AlertStore`."""
        return len(self._queues[sink])

    def told(self, sink: str, transitions: Iterable[Pending]) -> None:
        """See `AlertStore`."""
        for transition in transitions:
            self._queues[sink].pop((transition.alert_id, transition.version), None)

    def ended(self, since_us: int, limit: int) -> list[Alert]:
        """See `AlertStore`."""
        times = ((self._resolved_us[i], a) for i, a in self._alerts.items() if a.status is Status.RESOLVED)
        newest = sorted(((us, a) for us, a in times if us >= since_us), key=lambda each: -each[0])
        return [alert for _, alert in newest[:limit]]

    def known(self) -> dict[int, int]:
        """See `AlertStore`."""
        return dict(self._known)

    def era(self) -> str | None:
        """See `AlertStore`."""
        return self._era

    def begin(self, reader: str) -> None:
        """See `AlertStore`."""
        self._reading = (reader, 0)

    def restore(self, reader: str, number: int, alert: Alert) -> bool:
        """See `AlertStore`."""
        with self._lock:
            self._check_reading(reader, number - 1)
            self._reading = (reader, number)
            alert_id = alert.finding.alert_id
            stored = self._alerts.get(alert_id)
            waiting = self._outbox.get((alert_id, alert.version))
            is_other = waiting is not None and _said(waiting) != _said(alert)
            if stored and alert.version <= stored.version and not is_other:
                for sent in reversed(_take_out(self._outbox, alert_id, alert.version)):
                    self._queue(sent)
                return False
            _take_out(self._outbox, alert_id, stored.version if stored else 0)
            self._alerts[alert_id] = alert
            if alert.status is Status.RESOLVED:
                self._resolved_us[alert_id] = time.time_ns() // 1000
            return True

    def resend(self, alert_id: str, version: int) -> bool:
        """See `AlertStore`."""
        stored = self._alerts.get(alert_id)
        if stored is None or stored.version <= version or (alert_id, stored.version) in self._outbox:
            return False
        self._outbox[alert_id, stored.version] = stored
        return True

    def finish(self, reader: str, count: int, ends: Mapping[int, int]) -> None:
        """See `AlertStore`."""
        self._check_reading(reader, count)
        self._known, self._era, self._reading = dict(ends), self._era or reader, None

    def _check_reading(self, reader: str, number: int) -> None:
        if self._reading != (reader, number):
            raise LostReadingError

    def expired(self, before_us: int, limit: int) -> list[str]:
        """See `AlertStore`."""
        over = ((i, a) for i, a in self._alerts.items() if a.status is Status.RESOLVED and not is_accepted(a))
        ended = [(self._resolved_us[i], i) for i, _ in over]
        return [i for resolved_us, i in sorted(ended) if resolved_us < before_us][:limit]

    def forget(self, alert_ids: Iterable[str]) -> None:
        """See `AlertStore`."""
        waiting = {i for i, _ in self._outbox}
        for alert_id in alert_ids:
            alert = self._alerts.get(alert_id)
            if alert and alert.status is Status.RESOLVED and alert_id not in waiting:
                del self._alerts[alert_id]

    def accepted(self) -> dict[str, Alert]:
        """See `AlertStore`."""
        return {i: a for i, a in self._alerts.items() if is_accepted(a)}

    def mutes(self) -> list[Mute]:
        """See `AlertStore`."""
        return list(self._mutes.values())

    def mute(self, mute: Mute) -> None:
        """See `AlertStore`."""
        self._mutes[mute.mute_id] = mute

    def unmute(self, mute_id: str) -> bool:
        """See `AlertStore`."""
        return self._mutes.pop(mute_id, None) is not None

    def lease(self, holder: str, lease_ms: int) -> bool:
        """See `AlertStore`. A lease in one process never runs out."""
        _ = lease_ms
        self._holder = self._holder or holder
        return self._holder == holder

    def release(self, holder: str) -> None:
        """See `AlertStore`."""
        self._holder = None if self._holder == holder else self._holder


def _take_out(queue: dict[tuple[str, int], Alert], alert_id: str, version: int) -> list[Alert]:
    """Take out this version and those right before it, the newest first."""
    taken = list[Alert]()
    while alert := queue.pop((alert_id, version), None):
        taken.append(alert)
        version -= 1
    return taken


def _said(alert: Alert) -> tuple[object, ...]:
    """What two records of one version must agree in, to be the same transition."""
    notes = [(note.by, note.at_us) if note else None for note in (alert.acknowledged, alert.muted)]
    return alert.status, alert.finding.severity, alert.started_us, alert.ends_us, *notes
