"""The index in Redis or Valkey, one server or a cluster.

Rules kept here:
- one atomic script a bucket and batch (`scripts/apply.lua`), all buckets in one round trip;
- every write may be repeated: a time-out after the server applied it does no harm;
- whatever the server or the network does wrong is a DependencyError; retrying is the caller's.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, cast

from redis.exceptions import NoPermissionError, NoScriptError

from processor.index.connect import Client, as_dependency, fullness, memory_of_masters
from processor.index.expiry import KEEP, Keep
from processor.index.generations import Generation, Generations, literally
from processor.index.keys import Key
from processor.index.layout import BUCKETS, INDEX_RECORDS
from processor.index.neighborhood import Ahead, Neighborhood
from processor.index.pipeline import run, run_all
from processor.index.portion import Portion
from processor.index.reading import Hashes
from processor.index.store import NOTHING_COVERED, Batch, BucketBatch, Covers, OutboxEntry, Settle
from processor.index.wire import pack, pack_all
from processor.model.errors import StoreWentBackError
from processor.model.history import RECENT_RUNS

_CHUNK = 512
_GAP = b"GAP"
_NOTHING = BucketBatch()
_ARRAY, _ARRAY_32 = struct.Struct(">BI"), 0xDD
_SCRIPT = resources.files("processor.index").joinpath("scripts/apply.lua").read_text("utf-8")


class RedisStore:
    """A `Store` over a redis-py client. The client's own retries are expected to be off.

    It is the live generation; or the one that is given, for good.
    """

    def __init__(
        self,
        client: Client,
        prefix: str = "lineage",
        buckets: int = BUCKETS,
        generation: Generation | None = None,
        keep: Keep = KEEP,
    ) -> None:
        self._client = client
        self._hashes = Hashes(client)
        self._prefix = prefix
        self._wanted_buckets = buckets
        self._keep = keep
        self._late_events = 0
        self._is_fixed = generation is not None
        self._generation = generation or self._live()
        with as_dependency():
            self._sha = str(self._load_script())

    @property
    def buckets(self) -> int:
        """How many buckets the generation was created with."""
        return self._generation.buckets

    @property
    def generation(self) -> int:
        """Which generation this is."""
        return self._generation.number

    @property
    def keep(self) -> Keep:
        """How long what expires is kept."""
        return self._keep

    @property
    def late_events(self) -> int:
        """How many run events came too late."""
        return self._late_events

    def refresh(self) -> bool:
        """Go over to the generation that is live now; one that was given stays."""
        before = self._generation
        self._generation = before if self._is_fixed else self._live()
        return self._generation != before

    @property
    def client(self) -> Client:
        """The redis-py client, for the state that is kept beside the index."""
        return self._client

    def name(self, key: Key) -> str:
        """The Redis key of an index key."""
        return f"{self._prefix}:{{b{key.bucket}}}:g{self.generation}:{key.suffix}"

    def apply(self, batch: Batch, covers: Covers = NOTHING_COVERED) -> list[OutboxEntry]:
        """Join a batch, each bucket atomically, all in one round trip. Raises `StoreWentBackError` too."""
        told = list(range(self.buckets) if covers else batch)
        tail = _tail(covers, self._keep)
        nothing = _packed(_NOTHING, tail)
        calls = [self._call(bucket, _packed(batch[bucket], tail) if bucket in batch else nothing) for bucket in told]
        with as_dependency():
            replies = self._evaluate(calls)
        behind = sum(reply == [_GAP] for reply in replies)
        if behind:
            raise StoreWentBackError(f"{behind} of {len(told)} buckets lack what came before the batch")
        self._late_events += sum(int(reply[0]) for reply in replies)
        return [
            OutboxEntry(bucket, entry_id, payload)
            for bucket, reply in zip(told, replies, strict=True)
            for entry_id, payload in zip(reply[1::2], reply[2::2], strict=True)
        ]

    def fetch(self, keys: Sequence[Key]) -> list[dict[bytes, bytes]]:
        """Whole hashes, in the order of `keys`."""
        before, behind = f"{self._prefix}:{{b", f"}}:g{self.generation}:"
        names = [f"{before}{bucket}{behind}{record}{':' if owner else ''}{owner}" for bucket, record, owner in keys]
        return self._hashes.fetch(names, [key[0] for key in keys])

    def fetch_records(self, ids: Sequence[bytes], portions: Sequence[Portion]) -> list[list[dict[bytes, bytes]]]:
        """Portions of the records of these nodes, for each portion in the order of `ids`."""
        around = (f"{self._prefix}:{{b", f"}}:g{self.generation}:")
        return self._hashes.fetch_records(ids, portions, around, self.buckets)

    def fetch_neighborhood(self, ids: Sequence[bytes], ahead: Ahead) -> Neighborhood:
        """What lies around these nodes."""
        around = (f"{self._prefix}:{{b", f"}}:g{self.generation}:")
        return self._hashes.fetch_neighborhood(ids, ahead, around, self.buckets)

    def fetch_fields(self, key: Key, fields: Sequence[bytes]) -> list[bytes | None]:
        """Single fields of one hash."""
        if not fields:
            return []
        with as_dependency():
            return cast("list[bytes | None]", self._client.hmget(self.name(key), list(fields)))

    def scan(
        self, record: str, buckets: Sequence[int] | None = None
    ) -> Iterator[tuple[Key, list[tuple[bytes, bytes]]]]:
        """Page through the bucket-wide hashes of a record, with HSCAN, each field once."""
        for bucket in range(self.buckets) if buckets is None else buckets:
            key, cursor, met = Key(bucket, record), 0, set[bytes]()
            while True:
                with as_dependency():
                    cursor, page = self._client.hscan(self.name(key), cursor, count=1000)
                fresh = [(name, value) for name, value in page.items() if name not in met]
                met.update(page)
                if fresh:
                    yield key, fresh
                if cursor == 0:
                    break

    def sizes(self, record: str) -> list[int]:
        """How many fields those have, by bucket."""
        return self._pipelined("HLEN", [Key(bucket, record) for bucket in range(self.buckets)])

    def keys(self) -> Iterator[Key]:
        """Every key of the index itself, with SCAN: for digest and export only."""
        pattern = f"{literally(self._prefix)}:{{b*}}:g{self.generation}:*"
        seen: set[Key] = set()
        with as_dependency():
            for name in self._client.scan_iter(match=pattern, count=1000):
                key = self._parse(name.decode())
                if key.record in INDEX_RECORDS and key not in seen:
                    seen.add(key)
                    yield key

    def outbox(self) -> list[OutboxEntry]:
        """Entries that nobody has confirmed yet, from all buckets."""
        return [
            OutboxEntry(key.bucket, entry_id, payload)
            for key, there in self._every("outbox")
            for entry_id, payload in there.items()
        ]

    def confirm(self, entries: Iterable[OutboxEntry]) -> None:
        """Take confirmed entries out of the outbox, in one round trip."""
        by_bucket: dict[int, list[bytes]] = {}
        for entry in entries:
            by_bucket.setdefault(entry.bucket, []).append(entry.entry_id)
        with as_dependency():
            run_all(
                self._client,
                [("HDEL", self.name(Key(bucket, "outbox")), *ids) for bucket, ids in by_bucket.items()],
            )

    def offsets(self) -> list[dict[bytes, int]]:
        """Next offset by b"topic:partition", one dict a bucket."""
        return [{name: int(value) for name, value in there.items()} for _, there in self._every("offsets")]

    def forget_offsets(self, partitions: Iterable[bytes]) -> None:
        """Withdraw what all buckets claim of these, in one round trip."""
        gone = list(partitions)
        if not gone:
            return
        names = [self.name(Key(bucket, "offsets")) for bucket in range(self.buckets)]
        with as_dependency():
            run_all(self._client, [("HDEL", name, *gone) for name in names])

    def set_progress(self, progress: Mapping[bytes, bytes], *, where_none: bool = False) -> None:
        """Publish how far each partition has been read, in one round trip."""
        if not progress:
            return
        put = "HSETNX" if where_none else "HSET"
        with as_dependency():
            run_all(self._client, [(put, self._progress_name, *each) for each in progress.items()])

    def progress(self) -> dict[bytes, bytes]:
        """What every indexer has published of its partitions."""
        with as_dependency():
            return cast("dict[bytes, bytes]", self._client.hgetall(self._progress_name))

    def ping(self) -> None:
        """Write a probe; a server that only reads, loads or is full does not pass."""
        with as_dependency():
            self._client.set(f"{self._prefix}:{{meta}}:probe", b"1", ex=60)

    def fullness(self) -> float | None:
        """How much of its maxmemory the fullest server uses; 0.0 without a limit, None where it may not be asked."""
        with as_dependency():
            try:
                return fullness(memory_of_masters(self._client))
            except NoPermissionError:
                return None

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    @property
    def _progress_name(self) -> str:
        return f"{self._prefix}:{{meta}}:g{self.generation}:progress"

    def _live(self) -> Generation:
        return Generations(self._client, self._prefix).live(self._wanted_buckets)

    def _load_script(self) -> str:
        return cast("str", self._client.script_load(_SCRIPT))

    def _call(self, bucket: int, packed: bytes) -> list[Any]:
        names = [self.name(Key(bucket, record)) for record in ("outbox", "offsets", "clock")]
        # As one argument: a client and a server that go over each of thousands cost more than all the joins.
        return [len(names), *names, packed]

    def _evaluate(self, calls: list[list[Any]]) -> list[list[bytes]]:
        """Run the script for each bucket. What a server has not got is loaded, and only that is run again."""
        replies = self._run(calls)
        missing = [at for at, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if missing:
            self._sha = self._load_script()
            again = self._run([calls[at] for at in missing])
            replies = [again[missing.index(at)] if at in missing else reply for at, reply in enumerate(replies)]
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return cast("list[list[bytes]]", replies)

    def _run(self, calls: list[list[Any]]) -> list[object]:
        return run(self._client, [("EVALSHA", self._sha, *call) for call in calls])

    def _every(self, record: str) -> list[tuple[Key, dict[bytes, bytes]]]:
        keys = [Key(bucket, record) for bucket in range(self.buckets)]
        return list(zip(keys, self.fetch(keys), strict=True))

    def _pipelined(self, command: str, keys: Sequence[Key]) -> list[Any]:
        replies: list[Any] = []
        for start in range(0, len(keys), _CHUNK):
            with as_dependency():
                replies += run_all(self._client, [(command, self.name(key)) for key in keys[start : start + _CHUNK]])
        return replies

    def _parse(self, name: str) -> Key:
        rest = name[len(self._prefix) + 3 :]
        bucket, _, rest = rest.partition("}:")
        _, _, record = rest.partition(":")
        record, _, owner = record.partition(":")
        return Key(int(bucket), record, owner)


def _packed(part: BucketBatch, tail: tuple[int, bytes]) -> bytes:
    """What the script is told of one bucket; see the head of apply.lua. `tail`: what is the same for all."""
    size, parts = part.parts.packed()
    settles = _settles(part.settles)
    elements = size + len(settles) + tail[0] + 1
    return b"".join((_ARRAY.pack(_ARRAY_32, elements), tail[1], pack(int(part.is_silent)), parts, pack_all(settles)))


def _settles(settles: Sequence[Settle]) -> list[Any]:
    elements: list[Any] = [len(settles)]
    for settle in settles:
        job = settle.recent.owner
        elements += (job, bytes.fromhex(job), settle.run.owner[len(job) :], settle.subject, settle.run_field)
        elements += (settle.item, settle.newest_us, settle.events, int(settle.has_ended), settle.place)
        elements.append(len(settle.fields) // 2)
        elements += settle.fields
    return elements


def _tail(covers: Covers, keep: Keep) -> tuple[int, bytes]:
    """What every bucket is told alike: how many elements, and these."""
    elements: list[Any] = [len(covers)]
    for partition, covered in covers.items():
        elements += (partition, *covered)
    elements += (RECENT_RUNS, *keep)
    return len(elements), pack_all(elements)
