"""Alerts in Redis or Valkey, beside the index.

Keys, all in one slot so that a step is atomic on a cluster too; `step.lua` says what they hold:
`{prefix}:{alerts}:alert:ID`, `…:firing`, `…:about:NODE`, `…:resolved`, `…:order`, `…:outbox`, `…:known`, `…:lease`,
`…:accepted`, `…:mutes` (hash: id -> a `Mute`), and for each sink with a queue `…:told:SINK:order`, `…:told:SINK:queue`.
Whatever the server or the network does wrong is a DependencyError; retrying is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from typing import cast

import msgspec
import structlog
from redis.exceptions import NoScriptError

from processor.alerter.life import Step, is_accepted
from processor.alerter.mutes import Mute
from processor.alerter.records import Landed
from processor.alerter.state import QUEUE_LIMIT, LostAlertsError, LostReadingError, Pending, decode, encode
from processor.index.connect import Client, as_dependency
from processor.index.pipeline import run_all
from processor.model.alert import Alert, Status
from processor.model.identity import Node
from processor.model.memo import Memo
from processor.telemetry import metrics

_log = structlog.get_logger(__name__)

_read_mute = msgspec.msgpack.Decoder(Mute).decode
_CHUNK = 500
_DECODED_BYTES = 8 * 1024 * 1024
"""Of alerts as they are stored; decoded they take several times that."""
_READING = b"reading"
_ERA = b"era"
_RESOLVED_SHOWN = 10_000
_QUEUEING = ("confirm", "restore")
_SCRIPTS = resources.files("processor.alerter").joinpath("scripts")


class RedisAlerts:
    """An `AlertStore` over a redis-py client. The client's own retries are expected to be off."""

    def __init__(
        self, client: Client, prefix: str = "lineage", sinks: Sequence[str] = (), queue_limit: int = QUEUE_LIMIT
    ) -> None:
        """Work under a prefix; `sinks`: names of those that have a queue."""
        self._client = client
        self._sinks = tuple(sinks)
        self._queue_limit = queue_limit
        self._base = f"{prefix}:{{alerts}}"
        self._shas: dict[str, str] = {}
        self._decoded: Memo[Alert] = Memo(_DECODED_BYTES)

    def get(self, alert_ids: Sequence[str]) -> dict[str, Alert]:
        """See `AlertStore`."""
        found: dict[str, Alert] = {}
        for start in range(0, len(alert_ids), _CHUNK):
            ids = alert_ids[start : start + _CHUNK]
            alerts = ((i, self._read(data)) for i, data in zip(ids, self._blobs(ids), strict=True) if data)
            found |= {i: alert for i, alert in alerts if alert}
        return found

    def firing(self) -> dict[str, Alert]:
        """See `AlertStore`."""
        return self._members([self._key("firing")])

    def about(self, subjects: Sequence[Node]) -> dict[str, Alert]:
        """See `AlertStore`."""
        return self._members([self._about(subject) for subject in subjects])

    def all(self) -> Iterator[Alert]:
        """See `AlertStore`; of the resolved ones the newest ten thousand."""
        yield from self.firing().values()
        with as_dependency():
            newest = self._client.zrevrange(self._key("resolved"), 0, _RESOLVED_SHOWN - 1)
        ended = self.get([i.decode() for i in newest]).values()
        yield from (alert for alert in ended if alert.status is Status.RESOLVED)

    def step(self, step: Step, era: str | None = None) -> bool:
        """See `AlertStore`."""
        alert = step.alert
        figures = (alert.finding.alert_id, step.expected, alert.version, alert.status.value)
        rest = (encode(alert), int(step.is_published), int(is_accepted(alert)), era or "")
        answer = self._call("step", [*self._keys_of(alert), self._key("known")], [*figures, *rest])
        if answer < 0:
            raise LostAlertsError
        return answer == 1

    def pending(self, limit: int) -> list[Pending]:
        """See `AlertStore`."""
        with as_dependency():
            return self._first("order", "outbox", limit)

    def confirm(self, transitions: Iterable[Pending], landed: Iterable[Landed] = ()) -> None:
        """See `AlertStore`."""
        members = [_member(each) for each in transitions]
        places = [figure for place in sorted(landed) for figure in place]
        if members:
            keys = [self._key(name) for name in ("order", "outbox", "known")]
            arguments = [self._queue_limit, len(members), *members, *places]
            _count_superseded(self._call("confirm", [*keys, *self._queues()], arguments))

    def to_tell(self, sink: str, limit: int) -> list[Pending]:
        """See `AlertStore`."""
        with as_dependency():
            return self._first(f"told:{sink}:order", f"told:{sink}:queue", limit)

    def untold(self, sink: str) -> int:
        """See `AlertStore`."""
        with as_dependency():
            return int(self._client.zcard(self._key(f"told:{sink}:order")))

    def told(self, sink: str, transitions: Iterable[Pending]) -> None:
        """See `AlertStore`."""
        members = [_member(each) for each in transitions]
        if members:
            self._call("told", [self._key(f"told:{sink}:order"), self._key(f"told:{sink}:queue")], members)

    def ended(self, since_us: int, limit: int) -> list[Alert]:
        """See `AlertStore`."""
        with as_dependency():
            ids = self._client.zrevrangebyscore(self._key("resolved"), "+inf", since_us // 1000, start=0, num=limit)
        return [a for a in self.get([i.decode() for i in ids]).values() if a.status is Status.RESOLVED]

    def known(self) -> dict[int, int]:
        """See `AlertStore`."""
        with as_dependency():
            there: dict[bytes, bytes] = self._client.hgetall(self._key("known"))
        known = {int(key): int(offset) for key, offset in there.items() if key not in (_READING, _ERA)}
        return known if _ERA in there else {}

    def era(self) -> str | None:
        """See `AlertStore`."""
        with as_dependency():
            era: bytes | None = self._client.hget(self._key("known"), _ERA.decode())
        return None if era is None else era.decode()

    def begin(self, reader: str) -> None:
        """See `AlertStore`."""
        with as_dependency():
            self._client.hset(self._key("known"), _READING.decode(), f"{reader}:0")

    def restore(self, reader: str, number: int, alert: Alert) -> bool:
        """See `AlertStore`."""
        said = (alert.finding.alert_id, alert.version, alert.status.value, encode(alert))
        keys = [*self._keys_of(alert), self._key("known"), *self._queues()]
        reading = (reader, number, self._queue_limit, int(is_accepted(alert)))
        answer = self._call("restore", keys, [*said, *reading])
        if answer < 0:
            raise LostReadingError
        return answer == 1

    def resend(self, alert_id: str, version: int) -> bool:
        """See `AlertStore`."""
        keys = [self._alert(alert_id), self._key("order"), self._key("outbox")]
        return self._call("resend", keys, [alert_id, version]) == 1

    def finish(self, reader: str, count: int, ends: Mapping[int, int]) -> None:
        """See `AlertStore`."""
        figures = [figure for end in ends.items() for figure in end]
        if self._call("known", [self._key("known")], [reader, count, *figures]) == 0:
            raise LostReadingError

    def expired(self, before_us: int, limit: int) -> list[str]:
        """See `AlertStore`."""
        with as_dependency():
            accepted: set[bytes] = self._client.smembers(self._key("accepted"))
            page = {"start": 0, "num": limit + len(accepted)}
            ids = self._client.zrangebyscore(self._key("resolved"), "-inf", f"({before_us // 1000}", **page)
        return [i.decode() for i in ids if i not in accepted][:limit]

    def forget(self, alert_ids: Iterable[str]) -> None:
        """See `AlertStore`."""
        waiting = {p.alert_id for p in self.pending(_CHUNK)}
        for alert_id in alert_ids:
            if alert_id not in waiting:
                keys = [self._alert(alert_id), self._key("resolved"), self._key("accepted")]
                self._call("forget", keys, [alert_id])

    def accepted(self) -> dict[str, Alert]:
        """See `AlertStore`."""
        with as_dependency():
            ids = sorted(i.decode() for i in self._client.smembers(self._key("accepted")))
        return {i: a for i, a in self.get(ids).items() if is_accepted(a)}

    def mutes(self) -> list[Mute]:
        """See `AlertStore`."""
        with as_dependency():
            there: dict[bytes, bytes] = self._client.hgetall(self._key("mutes"))
        return [_read_mute(there[mute_id]) for mute_id in sorted(there)]

    def mute(self, mute: Mute) -> None:
        """See `AlertStore`."""
        with as_dependency():
            self._client.hset(self._key("mutes"), mute.mute_id, msgspec.msgpack.encode(mute))

    def unmute(self, mute_id: str) -> bool:
        """See `AlertStore`."""
        with as_dependency():
            return bool(self._client.hdel(self._key("mutes"), mute_id))

    def lease(self, holder: str, lease_ms: int) -> bool:
        """See `AlertStore`."""
        return self._call("lease", [self._key("lease")], [holder, lease_ms]) == 1

    def release(self, holder: str) -> None:
        """See `AlertStore`."""
        self._call("lease", [self._key("lease")], [holder, 0])

    def _key(self, name: str) -> str:
        return f"{self._base}:{name}"

    def _alert(self, alert_id: str) -> str:
        return self._key(f"alert:{alert_id}")

    def _about(self, subject: Node) -> str:
        return self._key(f"about:{subject.id.hex()}")

    def _keys_of(self, alert: Alert) -> list[str]:
        """The keys that a change of an alert touches, as step.lua wants them."""
        keys = [self._alert(alert.finding.alert_id), self._key("firing"), self._about(alert.finding.subject)]
        return [*keys, *(self._key(name) for name in ("resolved", "order", "outbox", "accepted"))]

    def _queues(self) -> list[str]:
        return [self._key(f"told:{sink}:{part}") for sink in self._sinks for part in ("order", "queue")]

    def _first(self, order: str, bodies: str, limit: int) -> list[Pending]:
        members = self._client.zrange(self._key(order), 0, limit - 1)
        blobs = self._client.hmget(self._key(bodies), members) if members else []
        return [p for m, data in zip(members, blobs, strict=True) if (p := _pending(m, data))]

    def _members(self, names: Sequence[str]) -> dict[str, Alert]:
        """The firing ones of which these sets tell."""
        with as_dependency():
            sets: list[set[bytes]] = run_all(self._client, [("SMEMBERS", name) for name in names])
        ids = sorted({i.decode() for members in sets for i in members})
        return {i: a for i, a in self.get(ids).items() if a.status is Status.FIRING}

    def _read(self, data: bytes) -> Alert | None:
        """As `decode`; what fires is read again and again, by several threads, and seldom changes."""
        alert = self._decoded.get("", data)
        if alert is None:
            alert = decode(data)
            if alert is not None:
                self._decoded.put("", data, alert)
        return alert

    def _blobs(self, ids: Sequence[str]) -> list[bytes | None]:
        with as_dependency():
            return run_all(self._client, [("HGET", self._alert(alert_id), "b") for alert_id in ids])

    def _call(self, script: str, keys: Sequence[str], arguments: Sequence[object]) -> int:
        with as_dependency():
            sha = self._shas.get(script) or self._load(script)
            try:
                return cast("int", self._client.evalsha(sha, len(keys), *keys, *arguments))
            except NoScriptError:
                return cast("int", self._client.evalsha(self._load(script), len(keys), *keys, *arguments))

    def _load(self, script: str) -> str:
        parts = ["queue", script] if script in _QUEUEING else [script]
        text = "\n".join(_SCRIPTS.joinpath(f"{part}.lua").read_text("utf-8") for part in parts)
        self._shas[script] = str(self._client.script_load(text))
        return self._shas[script]


def _member(transition: Pending) -> str:
    return f"{transition.alert_id}:{transition.version:010d}"


def _count_superseded(count: int) -> None:
    if count:
        metrics.SINK_DROPPED.labels("queues", "superseded").inc(count)
        _log.warning("sink.queue_full", superseded=count)


def _pending(member: bytes, data: bytes | None) -> Pending | None:
    alert = decode(data) if data else None
    if alert is None:
        return None
    alert_id, _, version = member.decode().rpartition(":")
    return Pending(alert_id, int(version), alert)
