"""The joins that every write of the index is made of.

Rules kept here:
- a join is commutative, associative and idempotent, so the index is a function of the set of
  events, never of their order;
- `scripts/apply.lua` does the same inside Redis; one contract suite holds both to it;
- times are doubles (exact to 2^53 µs, the year 2255), so that Lua sees what Python sees;
- equal times are decided by bytes that depend on the event alone.

Stored forms (big-endian):
    S span      first seen >d · last seen, hours >i4 · evidence bits >I2
    H hours     first seen >d · the newest RECENT_HOURS distinct hours since 1970, each >i4, newest first
    K week      day since 1970 >i4 · of each of the newest STARTED_DAYS days, newest first, which of its hours: 24 bits
    L latest    time >d · event digest 8 · payload      the newest wins
    E earliest  time >d · event digest 8 · payload      the oldest wins
    X maximum   time >d · anything that follows from the field
    W write     time >d     a maximum; news when it revives what was dropped, see `revived`
    O once      anything that follows from the field
    T touch     time >d · 4-byte hashes of the facet names stated      newest wins, see `dominated`
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from processor.model.history import HOUR_US, RECENT_HOURS, RECENT_RUNS, STARTED_DAYS
from processor.model.observation import Evidence, RunState

_SPAN = struct.Struct(">diH")
_SEEN = struct.Struct(">di")
_STAMP = struct.Struct(">d8s")
_TIME = struct.Struct(">d")
_RECENT = struct.Struct(">ddBHHH16s")
_ENDED, _MEMBERS = struct.Struct(">ddB"), struct.Struct(">HHH16s")
_OPEN = struct.Struct(">dH")
_HOUR = struct.Struct(">i")
_DAY_HOURS = 24
_WEEK_BITS = STARTED_DAYS * _DAY_HOURS
_WEEK = struct.Struct(f">i{_WEEK_BITS // 8}s")
_STATES = (RunState.COMPLETE, RunState.FAIL, RunState.ABORT)
_CODES = {state.value.encode(): code for code, state in enumerate(_STATES)}
_COUNT_MAX = 65_535
DROPPED = b"\x04DROP"
NAME_BYTES = 4


class Span(NamedTuple):
    """When a fact was seen first and last (hours since 1970), and on what evidence."""

    first_us: int
    last_hour: int
    evidence: Evidence

    @property
    def last_us(self) -> int:
        """Last seen, floored to its hour, but never before first seen."""
        return max(self.last_hour * HOUR_US, self.first_us)


class Hours(NamedTuple):
    """When a fact was seen first, and the newest hours (since 1970) in which it was seen, newest first."""

    first_us: int
    hours: tuple[int, ...]


class Stamped(NamedTuple):
    """A register: its time, the digest of the event that set it, and what it set."""

    time_us: int
    digest: bytes
    payload: bytes


class Recent(NamedTuple):
    """A finished run among its job's recent ones."""

    ended_us: int
    started_us: int
    state: RunState
    inputs: int
    outputs: int
    mapped: int
    signature: bytes
    run_id: str


class Open(NamedTuple):
    """A run among its job's open ones; `epoch` is that of its segment (see `expiry`)."""

    started_us: int
    epoch: int
    run_id: str


def pack_span(time_us: int, evidence: int = 0, last_us: int | None = None) -> bytes:
    """A span of one moment, or up to a later one."""
    return _SPAN.pack(float(time_us), (time_us if last_us is None else last_us) // HOUR_US, evidence)


def pack_seen(first_us: int, last_us: int) -> bytes:
    """A span without its evidence."""
    return _SEEN.pack(float(first_us), last_us // HOUR_US)


evidence_of = lru_cache(maxsize=256)(Evidence)
"""Evidence by its bits: making a flag anew would cost a walk as much as the link it stands on."""
span_of = _SPAN.unpack
"""What a span says, as it is stored: first seen, last hour, bits of evidence; for who reads thousands."""


def unpack_span(data: bytes) -> Span:
    """Inverse of `pack_span`, after any number of joins."""
    first, hour, bits = span_of(data)
    return Span(int(first), hour, evidence_of(bits))


def pack_hours(*times_us: int) -> bytes:
    """The hours of one moment, or of several."""
    newest = sorted({time_us // HOUR_US for time_us in times_us}, reverse=True)[:RECENT_HOURS]
    return _TIME.pack(float(min(times_us))) + b"".join(map(_HOUR.pack, newest))


def unpack_hours(data: bytes) -> Hours:
    """Inverse of `pack_hours`, after any number of joins."""
    return Hours(unpack_time(data), tuple(hour for (hour,) in _HOUR.iter_unpack(data[_TIME.size :])))


def pack_week(*times_us: int) -> bytes:
    """The hours of one moment, or of several, as far as they lie within `STARTED_DAYS` days."""
    hours = {time_us // HOUR_US for time_us in times_us}
    newest = max(hours) // _DAY_HOURS
    first = _first_hour(newest)
    return _packed_week(newest, sum(1 << hour - first for hour in hours if hour >= first))


def unpack_week(data: bytes) -> tuple[int, ...]:
    """Inverse of `pack_week`, after any number of joins: hours since 1970, newest first."""
    newest, bits = _week_of(data)
    first = _first_hour(newest)
    return tuple(first + place for place in range(_WEEK_BITS - 1, -1, -1) if bits >> place & 1)


def _first_hour(newest: int) -> int:
    """The oldest hour that is kept where this is the newest day; the lowest bit stands for it."""
    return (newest - STARTED_DAYS + 1) * _DAY_HOURS


def _week_of(data: bytes) -> tuple[int, int]:
    newest, days = _WEEK.unpack(data)
    return newest, int.from_bytes(days, "big")


def _packed_week(newest: int, bits: int) -> bytes:
    return _WEEK.pack(newest, bits.to_bytes(_WEEK_BITS // 8, "big"))


def last_hour(data: bytes) -> int:
    """The hour in which a span's or an hours' fact was seen last."""
    return int(_HOUR.unpack_from(data, _TIME.size)[0])


def pack_stamped(time_us: int, digest: bytes, payload: bytes = b"") -> bytes:
    """A register's value; `digest` is 8 bytes."""
    return _STAMP.pack(float(time_us), digest) + payload


def unpack_stamped(data: bytes) -> Stamped:
    """Inverse of `pack_stamped`."""
    time_us, digest = _STAMP.unpack_from(data)
    return Stamped(int(time_us), digest, data[_STAMP.size :])


def pack_time(time_us: int, rest: bytes = b"") -> bytes:
    """A maximum's or a touch's value."""
    return _TIME.pack(float(time_us)) + rest


def unpack_time(data: bytes) -> int:
    """The time in front of a value."""
    return int(_TIME.unpack_from(data)[0])


def _join_span(old: bytes, new: bytes) -> bytes:
    first, hour, bits = _SPAN.unpack(old)
    other_first, other_hour, other_bits = _SPAN.unpack(new)
    return _SPAN.pack(min(first, other_first), max(hour, other_hour), bits | other_bits)


def _join_hours(old: bytes, new: bytes) -> bytes:
    hours = {data[i : i + _HOUR.size] for data in (old, new) for i in range(_TIME.size, len(data), _HOUR.size)}
    newest = sorted(hours, key=_HOUR.unpack, reverse=True)[:RECENT_HOURS]
    return min(old[: _TIME.size], new[: _TIME.size], key=_TIME.unpack) + b"".join(newest)


def _join_week(old: bytes, new: bytes) -> bytes:
    weeks = _week_of(old), _week_of(new)
    newest = max(day for day, _ in weeks)
    (day, bits), (other_day, other_bits) = weeks
    return _packed_week(newest, bits >> _DAY_HOURS * (newest - day) | other_bits >> _DAY_HOURS * (newest - other_day))


def _stamp(data: bytes) -> tuple[float, bytes]:
    time_us, digest = _STAMP.unpack_from(data)
    return time_us, digest


def _join_latest(old: bytes, new: bytes) -> bytes:
    return new if _stamp(new) > _stamp(old) else old


def _join_earliest(old: bytes, new: bytes) -> bytes:
    return new if _stamp(new) < _stamp(old) else old


def _join_maximum(old: bytes, new: bytes) -> bytes:
    return new if _TIME.unpack_from(new) > _TIME.unpack_from(old) else old


def _join_once(old: bytes, _new: bytes) -> bytes:
    return old


JOINS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "S": _join_span,
    "H": _join_hours,
    "K": _join_week,
    "L": _join_latest,
    "E": _join_earliest,
    "X": _join_maximum,
    "W": _join_maximum,
    "T": _join_maximum,
    "O": _join_once,
}
"""By letter: (value there, value that comes) → value that stays."""

RUN_JOINS = {
    **dict.fromkeys((b"i", b"I", b"O", b"M"), "O"),
    **dict.fromkeys((b"e", b"q", b"p", b"n", b"x"), "L"),
    b"t": "S",
    b"u": "X",
    b"b": "E",
}
"""The join of each field of a run, by its first letter: for one segment that moves on into another."""


def join_run(into: dict[bytes, bytes], other: Mapping[bytes, bytes]) -> None:
    """Join a run's earlier or later segment into this one."""
    for name, value in other.items():
        there = into.get(name)
        into[name] = value if there is None else JOINS[RUN_JOINS[name[:1]]](there, value)


def is_news(join: str, old: bytes | None, new: bytes) -> bool:
    """Whether a join that won is worth announcing: something new, or a register's other payload."""
    if old is None:
        return join != "W"
    return join == "L" and old[_STAMP.size :] != new[_STAMP.size :]


def revived(node: Mapping[bytes, bytes]) -> bytes:
    """The DROP (field `d` of a node's hash, see `layout`) that a later write has undone; empty when there is none."""
    change, written = node.get(b"d", b""), node.get(b"w")
    if written is None or not change.startswith(DROPPED, _STAMP.size):
        return b""
    return change if _TIME.unpack_from(written) > _TIME.unpack_from(change) else b""


def dominated(touches: Mapping[bytes, bytes]) -> list[bytes]:
    """Fields of the touches all of whose facets a later touch states too.

    Dropping them is part of the join: what a dropped one stated can never be newest again unless it
    is stated again, which puts it back. Order of equal times: the field's bytes.
    """
    newest_first = sorted(touches, key=lambda f: (_TIME.unpack_from(touches[f]), f), reverse=True)
    stated: set[bytes] = set()
    late = []
    for touch in newest_first:
        names = _names(touches[touch])
        if stated.issuperset(names):
            late.append(touch)
        stated |= names
    return late if len(late) < len(newest_first) else late[1:]


def _names(touch: bytes) -> set[bytes]:
    rest = touch[_TIME.size :]
    return {rest[i : i + NAME_BYTES] for i in range(0, len(rest), NAME_BYTES)}


def recent_run(run: Mapping[bytes, bytes]) -> Recent | None:
    """What a run's hash (see `layout`) makes of it among its job's recent runs; None while open."""
    end = run.get(b"e")
    if end is None:
        return None
    ended = unpack_stamped(end)
    run_id = run[b"i"].decode("utf-8", "surrogatepass")
    counts = (_count(run, b"I"), _count(run, b"O"), _count(run, b"M"))
    state = RunState(ended.payload.decode())
    return Recent(ended.time_us, started_us(run), state, *counts, signature(run), run_id)


def started_us(run: Mapping[bytes, bytes]) -> int:
    """Time of the earliest START, else of the earliest event."""
    start = run.get(b"b")
    return unpack_stamped(start).time_us if start else unpack_span(run[b"t"]).first_us


def signature(run: Mapping[bytes, bytes]) -> bytes:
    """16 hex digits, equal for runs with the same inputs, outputs and mapped outputs."""
    return _signature(sorted(field for field in run if field[:1] in {b"I", b"O", b"M"}))


def _signature(members: Sequence[bytes]) -> bytes:
    return hashlib.sha1(b"".join(members), usedforsecurity=False).hexdigest()[:16].encode()


def _count(run: Mapping[bytes, bytes], letter: bytes) -> int:
    return min(sum(field[:1] == letter for field in run), _COUNT_MAX)


def pack_recent(recent: Recent) -> bytes:
    """Stored form: end >d, start >d, state, inputs >I2, outputs >I2, mapped >I2, signature 16, run id."""
    ended, started, state, *counts, sig, run_id = recent
    code = _STATES.index(state)
    name = run_id.encode("utf-8", "surrogatepass")
    return _RECENT.pack(float(ended), float(started), code, *counts, sig) + name


def unpack_recent(data: bytes) -> Recent:
    """Inverse of `pack_recent`."""
    ended, started, code, inputs, outputs, mapped, sig = _RECENT.unpack_from(data)
    run_id = data[_RECENT.size :].decode("utf-8", "surrogatepass")
    return Recent(int(ended), int(started), _STATES[code], inputs, outputs, mapped, sig, run_id)


def pack_members(members: Sequence[bytes]) -> bytes:
    """What a recent run tells of its members, which are sorted: how many of each kind, and their signature."""
    counts = (min(sum(member[:1] == letter for member in members), _COUNT_MAX) for letter in (b"I", b"O", b"M"))
    return _MEMBERS.pack(*counts, _signature(members))


def pack_ended(end: bytes, started_us: int, members: bytes, run_id: bytes) -> bytes:
    """The stored form of a recent run, by the register of its end and what `pack_members` made."""
    ended_us, _digest = _STAMP.unpack_from(end)
    return _ENDED.pack(ended_us, float(started_us), _CODES[end[_STAMP.size :]]) + members + run_id


def pack_opened(started_us: int, epoch: int, run_id: bytes) -> bytes:
    """The stored form of an open run."""
    return _OPEN.pack(float(started_us), epoch) + run_id


def pack_open(opened: Open) -> bytes:
    """Stored form: start >d, epoch >H, run id."""
    return _OPEN.pack(float(opened.started_us), opened.epoch) + opened.run_id.encode("utf-8", "surrogatepass")


def unpack_open(data: bytes) -> Open:
    """Inverse of `pack_open`."""
    started, epoch = _OPEN.unpack_from(data)
    return Open(int(started), epoch, data[_OPEN.size :].decode("utf-8", "surrogatepass"))


def newest_other(recents: Mapping[bytes, bytes], field: bytes) -> Recent | None:
    """The recent run with the latest end, leaving `field` out."""
    others = [f for f in recents if f != field]
    if not others:
        return None
    return unpack_recent(recents[max(others, key=lambda f: (_TIME.unpack_from(recents[f]), f))])


def overflow(recents: Mapping[bytes, bytes]) -> bytes | None:
    """The field to drop when there are more than RECENT_RUNS: the oldest end."""
    if len(recents) <= RECENT_RUNS:
        return None
    return min(recents, key=lambda f: (_TIME.unpack_from(recents[f]), f))
