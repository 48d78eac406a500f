"""The index in this process: the twin of `redis.py`, for tests and for reading `apply.lua` in Python.

The same contract suite runs on both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from processor.index import joins
from processor.index.expiry import EPOCH_DIGITS, JOB_DIGITS, KEEP, SWEEP, Keep, epoch_of, epoch_of_segment, surplus
from processor.index.items import frame
from processor.index.keys import Key
from processor.index.layout import BUCKETS, INDEX_RECORDS, key_of
from processor.index.neighborhood import Ahead, Neighborhood, by_levels
from processor.index.portion import Portion
from processor.index.store import NOTHING_COVERED, Batch, BucketBatch, Covers, OutboxEntry, Settle
from processor.index.wire import Join
from processor.model.errors import StoreWentBackError
from processor.model.observation import RunState
from processor.model.tables import FINGERPRINT_BYTES

Hash = dict[bytes, bytes]


class MemoryStore:
    """A `Store` over plain dictionaries. Not for several threads."""

    def __init__(self, buckets: int = BUCKETS, keep: Keep = KEEP) -> None:
        self._buckets = buckets
        self._keep = keep
        self._late_events = 0
        self._hashes: dict[Key, Hash] = {}
        self._progress: dict[bytes, bytes] = {}

    @property
    def buckets(self) -> int:
        """How many buckets the index was created with."""
        return self._buckets

    @property
    def generation(self) -> int:
        """Which generation this is: there is only one."""
        return 1

    @property
    def keep(self) -> Keep:
        """How long what expires is kept."""
        return self._keep

    @property
    def late_events(self) -> int:
        """How many run events came too late."""
        return self._late_events

    def refresh(self) -> bool:
        """Nothing to go over to."""
        return False

    def apply(self, batch: Batch, covers: Covers = NOTHING_COVERED) -> list[OutboxEntry]:
        """Join a batch; the changes that this brought. Raises `StoreWentBackError` as every store does."""
        told = range(self._buckets) if covers else batch
        behind = {bucket for bucket in told if self._lacks(bucket, covers)}
        parts = ((bucket, batch.get(bucket, BucketBatch())) for bucket in told if bucket not in behind)
        entries = [entry for bucket, part in parts for entry in self._apply(bucket, part, covers)]
        if behind:
            raise StoreWentBackError(f"{len(behind)} buckets lack what came before the batch")
        return entries

    def fetch(self, keys: Sequence[Key]) -> list[Hash]:
        """Whole hashes, in the order of `keys`."""
        return [dict(self._hashes.get(key, {})) for key in keys]

    def fetch_records(self, ids: Sequence[bytes], portions: Sequence[Portion]) -> list[list[Hash]]:
        """Portions of the records of these nodes, for each portion in the order of `ids`."""
        return [[portion.of(self._record(portion.record, i)) for i in ids] for portion in portions]

    def fetch_neighborhood(self, ids: Sequence[bytes], ahead: Ahead) -> Neighborhood:
        """What lies around these nodes."""
        return by_levels(self.fetch_records, ids, ahead)

    def fetch_fields(self, key: Key, fields: Sequence[bytes]) -> list[bytes | None]:
        """Single fields of one hash."""
        there = self._hashes.get(key, {})
        return [there.get(name) for name in fields]

    def scan(
        self, record: str, buckets: Sequence[int] | None = None
    ) -> Iterator[tuple[Key, list[tuple[bytes, bytes]]]]:
        """Page through the bucket-wide hashes of a record."""
        for bucket in range(self._buckets) if buckets is None else buckets:
            key = Key(bucket, record)
            if key in self._hashes:
                yield key, list(self._hashes[key].items())

    def sizes(self, record: str) -> list[int]:
        """How many fields those have, by bucket."""
        return [len(self._hashes.get(Key(bucket, record), ())) for bucket in range(self._buckets)]

    def keys(self) -> Iterator[Key]:
        """Every key of the index itself."""
        return (k for k, there in list(self._hashes.items()) if k.record in INDEX_RECORDS and there)

    def outbox(self) -> list[OutboxEntry]:
        """Entries that nobody has confirmed yet."""
        return [
            OutboxEntry(key.bucket, entry_id, payload)
            for key, page in self.scan("outbox")
            for entry_id, payload in page
        ]

    def confirm(self, entries: Iterable[OutboxEntry]) -> None:
        """Take confirmed entries out of the outbox."""
        for entry in entries:
            self.hash(Key(entry.bucket, "outbox")).pop(entry.entry_id, None)

    def offsets(self) -> list[dict[bytes, int]]:
        """Next offset by b"topic:partition", one dict a bucket."""
        keys = [Key(bucket, "offsets") for bucket in range(self._buckets)]
        return [{name: int(value) for name, value in there.items()} for there in self.fetch(keys)]

    def forget_offsets(self, partitions: Iterable[bytes]) -> None:
        """Withdraw what all buckets claim of these."""
        for partition in partitions:
            for bucket in range(self._buckets):
                self.hash(Key(bucket, "offsets")).pop(partition, None)

    def set_progress(self, progress: Mapping[bytes, bytes], *, where_none: bool = False) -> None:
        """Publish how far each partition has been read."""
        self._progress = {**progress, **self._progress} if where_none else {**self._progress, **progress}

    def progress(self) -> dict[bytes, bytes]:
        """What has been published of every partition."""
        return dict(self._progress)

    def ping(self) -> None:
        """Memory is always there."""

    def fullness(self) -> float | None:
        """Memory has no limit here."""
        return 0.0

    def close(self) -> None:
        """Nothing to give back."""

    def _record(self, record: str, id_: bytes) -> Hash:
        return self._hashes.get(key_of(record, id_, self._buckets), {})

    def has(self, key: Key) -> bool:
        """Whether there is such a hash."""
        return bool(self._hashes.get(key))

    def hash(self, key: Key) -> Hash:
        """The hash itself."""
        return self._hashes.setdefault(key, {})

    def drop(self, key: Key) -> None:
        """Forget a hash."""
        self._hashes.pop(key, None)

    def _lacks(self, bucket: int, covers: Covers) -> bool:
        had = self.hash(Key(bucket, "offsets"))
        return any(int(had.get(partition, b"0")) < covered.start for partition, covered in covers.items())

    def _apply(self, bucket: int, part: BucketBatch, covers: Covers) -> list[OutboxEntry]:
        news, runs = _News(), _Runs(self, bucket, part)
        for key, (subject, ops) in _by_key(bucket, part).items():
            self._join(key, subject, list(ops.values()), news)
        taken = [settle for settle in part.settles if settle.run not in runs.refused]
        for settle in taken:
            joins.join_run(self.hash(settle.run), dict(zip(settle.fields[::2], settle.fields[1::2], strict=True)))
        for settle in taken:
            self._place(settle, runs.link(settle), news)
        runs.sweep()
        self._late_events += runs.late_events
        self._advance(bucket, covers)
        entries = [] if part.is_silent else [OutboxEntry(bucket, *entry) for entry in news.entries()]
        outbox = self.hash(Key(bucket, "outbox"))
        outbox.update((entry.entry_id, entry.payload) for entry in entries)
        return entries

    def _join(self, key: Key, subject: bytes, ops: list[Join], news: _News) -> None:
        there, touched, grown = self.hash(key), False, set[bytes]()
        write, undone = next((op for op in ops if op.join == "W"), None), joins.revived(there)
        for op in ops:
            old = there.get(op.field)
            new = op.value if old is None else joins.JOINS[op.join](old, op.value)
            if new == old:
                continue
            there[op.field] = new
            touched = touched or op.join == "T"
            if old is None and op.field[:1] == b"v" and op.join != "O":  # some ids of a registry begin so too
                grown.add(op.field[1:-FINGERPRINT_BYTES])
            if joins.is_news(op.join, old, new):
                news.add(subject, op.item, old or b"")
        if touched:
            _drop_dominated(there)
        if write is not None and joins.revived(there) not in {b"", undone}:
            news.add(subject, write.item, joins.revived(there))
        for group in grown:
            for name in surplus(there, group, self._keep.versions):
                del there[name]

    def _place(self, settle: Settle, segment: Key, news: _News) -> None:
        run, opened = self.hash(segment), self.hash(Key(segment.bucket, "open", settle.recent.owner))
        summary = joins.recent_run(run)
        if summary is None:
            run_id = run[b"i"].decode("utf-8", "surrogatepass")
            entry = joins.Open(joins.started_us(run), epoch_of_segment(segment.owner), run_id)
            opened[settle.run_field] = joins.pack_open(entry)
            return
        opened.pop(settle.run_field, None)
        recents, packed = self.hash(settle.recent), joins.pack_recent(summary)
        old = recents.get(settle.run_field)
        if old == packed:
            return
        recents[settle.run_field] = packed
        other = joins.newest_other(recents, settle.run_field)
        dropped = joins.overflow(recents)
        if dropped is not None:
            del recents[dropped]
        if dropped == settle.run_field:
            return
        letter = _run_news(joins.unpack_recent(old) if old else None, summary, other)
        if letter:
            news.add(settle.subject, settle.item, letter + packed)

    def _advance(self, bucket: int, covers: Covers) -> None:
        there = self.hash(Key(bucket, "offsets"))
        for partition, covered in covers.items():
            if covered.stop > int(there.get(partition, b"0")):
                there[partition] = str(covered.stop).encode()


class _Runs:
    """The runs of a batch of one bucket, by job."""

    def __init__(self, store: MemoryStore, bucket: int, part: BucketBatch) -> None:
        settles: dict[str, list[Settle]] = {}
        for settle in part.settles:
            settles.setdefault(settle.recent.owner, []).append(settle)
        self._jobs = {job: _JobRuns(store, bucket, job, of_job) for job, of_job in settles.items()}
        self.refused = {run for job in self._jobs.values() for run in job.refused}
        self.late_events = sum(job.late_events for job in self._jobs.values())

    def link(self, settle: Settle) -> Key:
        """Which segment the run's is now."""
        return self._jobs[settle.recent.owner].link(settle)

    def sweep(self) -> None:
        """Delete what has expired of each job."""
        for job in self._jobs.values():
            job.sweep()


class _JobRuns:
    """The runs of one job: their segments linked, and swept when they have expired (see `expiry`)."""

    def __init__(self, store: MemoryStore, bucket: int, job: str, settles: Sequence[Settle]) -> None:
        self._store, self._bucket, self._job, self._keep = store, bucket, job, store.keep
        before_us = self._tell(max(settle.newest_us for settle in settles))
        late = [settle for settle in settles if settle.newest_us < before_us - self._keep.late_us]
        self.late_events = sum(settle.events for settle in late)
        before = epoch_of(before_us)
        self.refused = {settle.run for settle in settles if not self._keep.takes(settle.epoch, before)}
        self._most = SWEEP + len(settles)
        self._due = store.hash(Key(bucket, "due", job))

    def link(self, settle: Settle) -> Key:
        """Let the run's former segment move on into this one, and this one into the next; which one it is now."""
        segment, epoch, reach = settle.run, settle.epoch, self._keep.open_runs - 1
        if _member(segment) not in self._due:
            self._due[_member(segment)] = b"%d" % epoch
            former = self._nearest(segment, range(epoch - 1, max(epoch - reach, 0) - 1, -1))
            self._move_on(former, segment)
        following = self._nearest(segment, range(epoch + 1, min(epoch + reach, self._now) + 1))
        return segment if following is None else self._move_on(segment, following)

    def sweep(self) -> None:
        """Delete segments that have expired, some at a time, with what the job says of the open run."""
        until = self._now - self._keep.runs
        found = sorted((int(at), member) for member, at in self._due.items() if int(at) < until)
        for _, member in found[: self._most]:
            self._look(member, Key(self._bucket, "r", f"{self._job}{member.decode()}"))

    def _tell(self, told_us: int) -> int:
        """Let the job's clock know of a time; what it said before."""
        clock, job = self._store.hash(Key(self._bucket, "clock")), bytes.fromhex(self._job)
        before_us = joins.unpack_time(clock[job]) if job in clock else 0
        clock[job] = joins.pack_time(max(before_us, told_us))
        self._now = epoch_of(max(before_us, told_us))
        return before_us

    def _look(self, member: bytes, segment: Key) -> None:
        epoch, there = epoch_of_segment(segment.owner), self._store.hash(segment)
        if self._keep.is_live(epoch, self._now, ended=b"e" in there):
            self._due[member] = b"%d" % (epoch + self._keep.open_runs - self._keep.runs)
            return
        del self._due[member]
        self._store.drop(segment)
        run = bytes.fromhex(member[:-EPOCH_DIGITS].decode())
        entries = self._store.hash(Key(self._bucket, "open", self._job))
        if run in entries and joins.unpack_open(entries[run]).epoch == epoch:
            del entries[run]

    def _nearest(self, segment: Key, epochs: range) -> Key | None:
        owners = (f"{segment.owner[:-EPOCH_DIGITS]}{epoch:04x}" for epoch in epochs)
        return next((key for key in (Key(self._bucket, "r", owner) for owner in owners) if self._store.has(key)), None)

    def _move_on(self, former: Key | None, into: Key) -> Key:
        if former is None:
            return into
        gap = epoch_of_segment(into.owner) - epoch_of_segment(former.owner)
        there = self._store.hash(former)
        if not self._keep.links(gap, ended=b"e" in there):
            return former
        joins.join_run(self._store.hash(into), there)
        self._store.drop(former)
        del self._due[_member(former)]
        return into


class _News:
    """Items that were news, by subject."""

    def __init__(self) -> None:
        self._by_subject: dict[bytes, list[bytes]] = {}

    def add(self, subject: bytes, item: bytes | None, extra: bytes) -> None:
        if subject and item is not None:
            self._by_subject.setdefault(subject, []).append(frame(item) + frame(extra))

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        for subject, items in self._by_subject.items():
            payload = frame(subject) + b"".join(items)
            digest = hashlib.sha1(payload, usedforsecurity=False)
            yield digest.hexdigest().encode(), payload


def _by_key(bucket: int, part: BucketBatch) -> dict[Key, tuple[bytes, dict[bytes, Join]]]:
    """Subject and joins by key, those of one field joined already."""
    found: dict[Key, tuple[bytes, dict[bytes, Join]]] = {}
    for suffix, subject, group in part.parts.hashes():
        record, _, owner = suffix.partition(":")
        key = Key(bucket, record, owner)
        before, ops = found.get(key, (b"", {}))
        found[key] = before or subject, ops
        for op in group:
            there = ops.get(op.field)
            ops[op.field] = op if there is None else _merged(there, op)
    return found


def _merged(old: Join, new: Join) -> Join:
    value = joins.JOINS[old.join](old.value, new.value)
    if value == old.value:
        return old
    if value == new.value:
        return new
    first = min(old, new, key=lambda op: joins.unpack_time(op.value))
    return Join(old.join, old.field, value, first.item)


def _member(segment: Key) -> bytes:
    """How a segment stands among what is due of its job: its run and epoch."""
    return segment.owner[JOB_DIGITS:].encode()


def _drop_dominated(there: Hash) -> None:
    touches = {name: value for name, value in there.items() if name[:1] == b"T"}
    for name in joins.dominated(touches):
        del there[name]
        there.pop(b"B" + name[1:], None)


def _run_news(old: joins.Recent | None, new: joins.Recent, other: joins.Recent | None) -> bytes:
    """b"F" the run failed, b"D" its lineage differs from the newest other run's, b"" neither."""
    if new.state is not RunState.COMPLETE:
        return b"" if old is not None and old.state is new.state else b"F"
    if other is not None and other.signature != new.signature:
        return b"D"
    return b""
