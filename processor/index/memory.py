"""The index in this process: the twin of `redis.py`, for tests and for reading `apply.lua` in Python.

The same contract suite runs on both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from processor.index import joins
from processor.index.items import frame
from processor.index.layout import BUCKETS, INDEX_RECORDS
from processor.index.store import NOTHING_COVERED, Batch, BucketBatch, Covers, Key, Op, OutboxEntry, Settle
from processor.model.errors import StoreWentBackError
from processor.model.observation import RunState

Hash = dict[bytes, bytes]


class MemoryStore:
    """A `Store` over plain dictionaries. Not for several threads."""

    def __init__(self, buckets: int = BUCKETS) -> None:
        self._buckets = buckets
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

    def fetch_fields(self, key: Key, fields: Sequence[bytes]) -> list[bytes | None]:
        """Single fields of one hash."""
        there = self._hashes.get(key, {})
        return [there.get(name) for name in fields]

    def scan(self, record: str) -> Iterator[tuple[Key, list[tuple[bytes, bytes]]]]:
        """Page through the bucket-wide hashes of a record."""
        for bucket in range(self._buckets):
            key = Key(bucket, record)
            if key in self._hashes:
                yield key, list(self._hashes[key].items())

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
            self._hash(Key(entry.bucket, "outbox")).pop(entry.entry_id, None)

    def offsets(self) -> list[dict[bytes, int]]:
        """Next offset by b"topic:partition", one dict a bucket."""
        keys = [Key(bucket, "offsets") for bucket in range(self._buckets)]
        return [{name: int(value) for name, value in there.items()} for there in self.fetch(keys)]

    def forget_offsets(self, partitions: Iterable[bytes]) -> None:
        """Withdraw what all buckets claim of these."""
        for partition in partitions:
            for bucket in range(self._buckets):
                self._hash(Key(bucket, "offsets")).pop(partition, None)

    def set_progress(self, progress: Mapping[bytes, bytes], *, where_none: bool = False) -> None:
        """Publish how far each partition has been read."""
        self._progress = {**progress, **self._progress} if where_none else {**self._progress, **progress}

    def progress(self) -> dict[bytes, bytes]:
        """What has been published of every partition."""
        return dict(self._progress)

    def ping(self) -> None:
        """Memory is always there."""

    def close(self) -> None:
        """Nothing to give back."""

    def _hash(self, key: Key) -> Hash:
        return self._hashes.setdefault(key, {})

    def _lacks(self, bucket: int, covers: Covers) -> bool:
        had = self._hash(Key(bucket, "offsets"))
        return any(int(had.get(partition, b"0")) < covered.start for partition, covered in covers.items())

    def _apply(self, bucket: int, part: BucketBatch, covers: Covers) -> list[OutboxEntry]:
        news = _News()
        for key, ops in part.ops.items():
            self._join(key, part.subjects.get(key), ops, news)
        for settle in part.settles:
            self._settle(bucket, settle, part.subjects.get(settle.run), news)
        self._advance(bucket, covers)
        entries = [OutboxEntry(bucket, *entry) for entry in news.entries()]
        outbox = self._hash(Key(bucket, "outbox"))
        outbox.update((entry.entry_id, entry.payload) for entry in entries)
        return entries

    def _join(self, key: Key, subject: bytes | None, ops: list[Op], news: _News) -> None:
        there, touched = self._hash(key), False
        write, undone = next((op for op in ops if op.join == "W"), None), joins.revived(there)
        for op in ops:
            old = there.get(op.field)
            new = op.value if old is None else joins.JOINS[op.join](old, op.value)
            if new == old:
                continue
            there[op.field] = new
            touched = touched or op.join == "T"
            if joins.is_news(op.join, old, new):
                news.add(subject, op.item, old or b"")
        if touched:
            _drop_dominated(there)
        if write is not None and joins.revived(there) not in {b"", undone}:
            news.add(subject, write.item, joins.revived(there))

    def _settle(self, bucket: int, settle: Settle, subject: bytes | None, news: _News) -> None:
        run, opened = self._hash(settle.run), self._hash(Key(bucket, "open"))
        summary = joins.recent_run(run)
        if summary is None:
            opened[settle.open_field] = joins.pack_time(joins.started_us(run), run[b"i"])
            return
        opened.pop(settle.open_field, None)
        recents, packed = self._hash(settle.recent), joins.pack_recent(summary)
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
            news.add(subject, settle.item, letter + packed)

    def _advance(self, bucket: int, covers: Covers) -> None:
        there = self._hash(Key(bucket, "offsets"))
        for partition, covered in covers.items():
            if covered.stop > int(there.get(partition, b"0")):
                there[partition] = str(covered.stop).encode()


class _News:
    """Items that were news, by subject."""

    def __init__(self) -> None:
        self._by_subject: dict[bytes, list[bytes]] = {}

    def add(self, subject: bytes | None, item: bytes | None, extra: bytes) -> None:
        if subject is not None and item is not None:
            self._by_subject.setdefault(subject, []).append(frame(item) + frame(extra))

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        for subject, items in self._by_subject.items():
            payload = frame(subject) + b"".join(items)
            digest = hashlib.sha1(payload, usedforsecurity=False)
            yield digest.hexdigest().encode(), payload


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
