"""What the events of a batch make of their runs: one segment of a run (see `expiry`) is written as a whole.

Rules kept here:
- of what events say of their run the latest counts, and the earliest START; equal times are decided by the digest;
- a run's members are those of all statements that its events make;
- a segment is joined field by field by the letters of `joins.RUN_JOINS`, which the store knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from processor.index import joins
from processor.index.items import item_around, pack_cause
from processor.index.keys import Key
from processor.index.layout import bucket_of, key_of, pack_identity, segment_key
from processor.index.store import Settle
from processor.model.change import ItemKind
from processor.model.identity import Node, run_key
from processor.model.memo import Memo
from processor.model.observation import TERMINAL, Observation, Place, RunState

Sourced = tuple[Observation, Place | None]
"""An observation and where it was read, if it came over Kafka."""

_ITEM = item_around(ItemKind.RUN_DIFFERED)
_pack = msgspec.msgpack.Encoder().encode

_KNOWN_BYTES = 16 * 1024 * 1024
_SET_BYTES, _MEMBER_BYTES = 400, 150
_known: Memo[tuple[list[bytes], bytes]] = Memo(_KNOWN_BYTES)
"""By the members of runs: see `_counted`. By bytes, for a run may have thousands."""


class JobPlace(NamedTuple):
    """Where the runs of a job are kept. `subject`: its packed identity."""

    job: Node
    hex: str
    bucket: int
    recent: Key
    subject: bytes

    @classmethod
    def of(cls, job: Node, buckets: int) -> JobPlace:
        """That of a job."""
        found = job.id
        return cls(job, found.hex(), bucket_of(found, buckets), key_of("j", found, buckets), pack_identity(job))


class Segment:
    """The events of one segment of a run. `told_us`: the newest time that they tell the job's clock."""

    __slots__ = ("epoch", "events", "run_id", "told_us")

    def __init__(self, run_id: str, epoch: int) -> None:
        """Without an event."""
        self.run_id = run_id
        self.epoch = epoch
        self.told_us = 0
        self.events: list[Sourced] = []

    def add(self, sourced: Sourced, told_us: int) -> None:
        """Take an event that tells the clock this time."""
        self.told_us = told_us if not self.events else max(self.told_us, told_us)
        self.events.append(sourced)

    def settle(self, at: JobPlace, members: frozenset[bytes]) -> Settle:
        """Write it down. `members`: the fields of what the run read, wrote and mapped."""
        events = in_order(self.events)
        run = run_key(at.job, self.run_id)
        registers, (of_members, counted) = _registers(events), _counted(members)
        fields = _own(self.run_id, events)
        for register in registers.items():
            fields += register
        return Settle(  # by position, as it has them: a batch has thousands
            segment_key(at.bucket, at.hex, run, self.epoch),
            at.recent,
            run,
            pack_cause(*_speaker(events)).join(_ITEM),
            self.epoch,
            self.told_us,
            len(events),
            at.subject,
            b"e" in registers,
            self._place(events[0][0].time_us, registers, counted),
            fields + of_members,
        )

    def _place(self, first_us: int, registers: Mapping[bytes, bytes], counted: bytes) -> bytes:
        """Among its job's recent runs, if it has ended, else among the open ones."""
        start, end = registers.get(b"b"), registers.get(b"e")
        begun_us = first_us if start is None else joins.unpack_time(start)
        if end is None:
            return joins.pack_opened(begun_us, self.epoch, self.run_id.encode())
        return joins.pack_ended(end, begun_us, counted, self.run_id.encode())


def in_order(events: Sequence[Sourced]) -> Sequence[Sourced]:
    """By time; equal times by digest."""
    return events if len(events) == 1 else sorted(events, key=_stamp_of)


def _stamp_of(sourced: Sourced) -> tuple[int, bytes]:
    return sourced[0].time_us, sourced[0].digest


def _speaker(events: Sequence[Sourced]) -> Sourced:
    """Which event speaks for the run: the latest that ends it, else the latest."""
    for sourced in reversed(events):
        if sourced[0].run is not None and sourced[0].run.state in TERMINAL:
            return sourced
    return events[-1]


def _own(run_id: str, events: Sequence[Sourced]) -> list[bytes]:
    """Fields and values, by turns, of what is known of every run."""
    first_us, last_us = events[0][0].time_us, events[-1][0].time_us
    seen = joins.pack_span(first_us, 0, last_us)
    return [b"i", run_id.encode(), b"t", seen, b"u", joins.pack_time(last_us)]


def _registers(events: Sequence[Sourced]) -> dict[bytes, bytes]:
    """What is kept with a time of what events say of their run. `events` are in order: the last that says it counts."""
    registers: dict[bytes, bytes] = {}
    parent = nominal = error = None
    for seen, _ in events:
        run = seen.run
        if run is None:
            continue
        stamp, state = joins.pack_stamped(seen.time_us, seen.digest), run.state
        if state is RunState.START:
            registers.setdefault(b"b", stamp)
        if state is not RunState.OTHER:
            registers[b"e" if state in TERMINAL else b"q"] = stamp + state.value.encode()
        parent = parent if run.parent is None else (stamp, run.parent)
        nominal = nominal if run.nominal_us is None else (stamp, run.nominal_us)
        error = error if run.error is None else (stamp, run.error)
    if parent is not None:
        node, run_id = parent[1]
        registers[b"p"] = parent[0] + _pack((node.namespace, node.name, run_id))
    if nominal is not None:
        registers[b"n"] = nominal[0] + _pack(nominal[1])
    if error is not None:
        registers[b"x"] = error[0] + error[1].encode()
    return registers


def _counted(members: frozenset[bytes]) -> tuple[list[bytes], bytes]:
    """Members as fields and values, by turns; and what a recent run tells of them. Most sets were met before."""
    known = _known.get("", members)
    if known is None:
        ordered = sorted(members)
        known = [part for member in ordered for part in (member, b"")], joins.pack_members(ordered)
        _known.put("", members, known, _SET_BYTES + _MEMBER_BYTES * len(members))
    return known
