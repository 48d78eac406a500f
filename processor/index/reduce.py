"""From observations to joins: what events write, many events in one batch.

`reduce` is where the index's content is decided, with `plan` for what a statement writes and `runs` for runs. Events
that make the same statement are folded before it is written; what several statements join into one field the store
puts together, so a batch writes each field once. Nothing here knows the state of the index, but for what is skipped
because it is known to be there (`written`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from processor.index import joins
from processor.index.expiry import DAY_US, epoch_of
from processor.index.items import pack_cause
from processor.index.plan import REVIVED, Plan, introduction
from processor.index.runs import Segment, Sourced, in_order
from processor.index.store import Batch, BucketBatch
from processor.index.wire import pack_stems
from processor.index.written import Statement, Written, identity_of
from processor.model.history import HOUR_US
from processor.model.identity import Node, run_key
from processor.model.observation import Observation, RunState

__all__ = ["NEVER_US", "REVIVED", "Sourced", "reduce", "told_us"]

NEVER_US = 1 << 53
"""Later than any event: for a reader that trusts what it reads."""

_IN_VAIN = frozenset({RunState.FAIL, RunState.ABORT})
RunKey = tuple[str, str, str, int]
"""Which segment of which run: its job's namespace and name, its id, its epoch."""


def reduce(
    observations: Iterable[Sourced], buckets: int, now_us: int = NEVER_US, written: Written | None = None
) -> Batch:
    """The joins that these observations stand for, by bucket. `now_us` is the wall clock: see `told_us`.

    `written`: what need not be written again; without it everything is written.
    """
    folds, segments = dict[tuple[object, ...], _Fold](), dict[RunKey, _Run]()
    for sourced in observations:
        identity = identity_of(sourced[0])
        fold = folds.get(identity)
        if fold is None:
            fold = folds[identity] = _Fold()
        fold.events.append(sourced)
        _add_run(segments, fold, sourced, now_us)
    memory = Written() if written is None else written
    writer = _Writer(buckets)
    for identity, fold in folds.items():
        statement = memory.statement(identity, fold.events[0][0], buckets)
        fold.plan = statement.plan
        _write(writer, statement, fold, memory)
    for run in segments.values():
        run.write(writer)
    return writer.batch()


def told_us(time_us: int, received_us: int | None, now_us: int) -> int:
    """The time that an event tells its job's clock: its own, but never past the one at which it was received.

    That is its record's timestamp, or the wall clock where there is none, or where it is from another day to come.
    """
    is_sane = received_us is not None and received_us <= now_us + DAY_US
    return min(time_us, received_us if is_sane and received_us is not None else now_us)


class _Writer:
    """Collects what is written, by bucket."""

    def __init__(self, buckets: int) -> None:
        self.buckets = buckets
        self._batch: Batch = {}
        self._introduced: set[Node] = set()

    def at(self, bucket: int) -> BucketBatch:
        """What is written to a bucket."""
        part = self._batch.get(bucket)
        if part is None:
            part = self._batch[bucket] = BucketBatch()
        return part

    def is_new(self, node: Node) -> bool:
        """Whether the batch has not met this node before."""
        if node in self._introduced:
            return False
        self._introduced.add(node)
        return True

    def batch(self) -> Batch:
        """Everything collected, a run's segments by age."""
        for part in self._batch.values():
            part.settles.sort(key=lambda each: each.epoch)
        return self._batch


def _write(writer: _Writer, statement: Statement, fold: _Fold, written: Written) -> None:
    plan, stems = statement.plan, fold.stems(statement.plan.sources)
    if not written.knows(statement):
        for node in filter(writer.is_new, plan.nodes):
            for bucket, packed in introduction(node, writer.buckets).items():
                writer.at(bucket).parts.add(stems, packed)
    is_written = written.has(statement, fold.first_us, fold.sightings)
    for part in plan.parts:
        if not is_written:
            writer.at(part.bucket).parts.add(stems, part.whole)
        elif part.exact.hashes:
            writer.at(part.bucket).parts.add(stems, part.exact)


class _Fold:
    """Events of one statement: which of them count, for what. `plan` is set once it is known."""

    __slots__ = ("earliest", "events", "first_us", "last_us", "latest", "plan", "sightings")

    plan: Plan

    def __init__(self) -> None:
        self.events: list[Sourced] = []

    def stems(self, sources: Sequence[str]) -> tuple[int, bytes]:
        """What the events make of these sources, packed, with the causes."""
        ordered = in_order(self.events)
        self.earliest, self.latest = ordered[0], ordered[-1]
        self.first_us, self.last_us = self.earliest[0].time_us, self.latest[0].time_us
        self.sightings = {(seen.time_us // HOUR_US, _starts(seen)) for seen, _ in ordered}
        return pack_stems(self._causes(), [_STEMS[source](self) for source in sources])

    def writing(self) -> list[Sourced]:
        """The events whose run has not failed: it writes its outputs."""
        return [each for each in self.events if each[0].run is not None and each[0].run.state not in _IN_VAIN]

    def _causes(self) -> tuple[bytes, bytes, bytes]:
        """Of the first event, of the last, of the last that writes; empty where it is that of the first."""
        writing = max(self.writing(), key=lambda each: each[0].time_us, default=self.earliest)
        first, *others = (self.earliest, self.latest, writing)
        last, write = (b"" if each is first else pack_cause(*each) for each in others)
        return pack_cause(*first), last, write


def _stamp(sourced: Sourced) -> bytes:
    return joins.pack_stamped(sourced[0].time_us, sourced[0].digest)


def _hours(events: Iterable[Sourced]) -> bytes | None:
    times_us = [seen.time_us for seen, _ in events]
    return joins.pack_hours(*times_us) if times_us else None


def _starts(seen: Observation) -> bool:
    return seen.run is not None and seen.run.state is RunState.START


def _starting_hours(fold: _Fold) -> bytes | None:
    times_us = [seen.time_us for seen, _ in fold.events if _starts(seen)]
    return joins.pack_week(*times_us) if times_us else None


def _last_write(fold: _Fold) -> bytes | None:
    times_us = [seen.time_us for seen, _ in fold.writing()]
    return joins.pack_time(max(times_us)) if times_us else None


def _run_of(sourced: Sourced) -> bytes:
    run = sourced[0].run
    return run.run_id.encode() if run else b""


def _run_key_of(sourced: Sourced) -> bytes:
    seen = sourced[0]
    return run_key(seen.job, seen.run.run_id) if seen.job and seen.run else b""


_STEMS: dict[str, Callable[[_Fold], bytes | None]] = {
    "S": lambda fold: joins.pack_seen(fold.first_us, fold.last_us),
    "O": lambda _: b"",
    "L": lambda fold: _stamp(fold.latest),
    "D": lambda fold: _stamp(fold.latest) + joins.DROPPED + joins.pack_time(fold.last_us),
    "k": lambda fold: _stamp(fold.latest) + _run_key_of(fold.latest),
    "E": lambda fold: _stamp(fold.earliest),
    "e": lambda fold: _stamp(fold.earliest) + _run_of(fold.earliest),
    "T": lambda fold: joins.pack_time(fold.last_us),
    "H": lambda fold: _hours(fold.events),
    "h": lambda fold: _hours(fold.writing()),
    "K": _starting_hours,
    "W": _last_write,
}
"""By the source of a step (see `plan`): what stands in front of its payload, None where no event makes it."""

# Runs


def _add_run(runs: dict[RunKey, _Run], fold: _Fold, sourced: Sourced, now_us: int) -> None:
    seen, place = sourced
    job, run = seen.job, seen.run
    if job is None or run is None:
        return
    told = told_us(seen.time_us, place.received_us if place else None, now_us)
    key = job.namespace, job.name, run.run_id, epoch_of(told)
    known = runs.get(key)
    if known is None:
        known = runs[key] = _Run(Segment(run.run_id, key[-1]))
    known.segment.add(sourced, told)
    known.folds[fold] = None


class _Run:
    """A segment of a run, and the statements that its events make."""

    __slots__ = ("folds", "segment")

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.folds: dict[_Fold, None] = {}

    def write(self, writer: _Writer) -> None:
        members = _union([fold.plan.members for fold in self.folds])
        job = next(iter(self.folds)).plan.job
        if job is not None:
            writer.at(job.bucket).settles.append(self.segment.settle(job, members))


def _union(sets: Sequence[frozenset[bytes]]) -> frozenset[bytes]:
    """All of their members; the largest itself where it has all, as that of a run's end has: it knows its hash."""
    largest = max(sets, key=len)
    return largest if all(each <= largest for each in sets) else largest.union(*sets)
