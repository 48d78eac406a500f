"""The whole index as one hash: equal if and only if two indexes hold the same.

Covers every record of the index that has not expired (see `expiry`; deleted already or not), and nothing
of how it was read (offsets, outbox, progress).
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import islice

from processor.index import joins
from processor.index.expiry import unexpired
from processor.index.items import frame
from processor.index.keys import Key
from processor.index.store import Store

_PAGE = 1000


def digest(store: Store) -> str:
    """64 hex digits. Reads everything: seconds on a large index."""
    whole = blake2b(digest_size=32)
    for part in sorted(_parts(store)):
        whole.update(part)
    return whole.hexdigest()


def _parts(store: Store) -> list[bytes]:
    clocks_us = clocks(store)
    keys, parts = store.keys(), list[bytes]()
    while page := list(islice(keys, _PAGE)):
        hashes = store.fetch(page)
        for key, there in zip(page, hashes, strict=True):
            parts += _parts_of(key, unexpired(key.record, key.owner, there, clocks_us, store.keep))
    return parts


def clocks(store: Store) -> dict[str, int]:
    """The clock of every job with runs, by its hex id."""
    found = store.fetch([Key(bucket, "clock") for bucket in range(store.buckets)])
    return {job.hex(): joins.unpack_time(value) for there in found for job, value in there.items()}


def _parts_of(key: Key, there: dict[bytes, bytes]) -> list[bytes]:
    """One part a record, or one a field where a record is spread over all buckets."""
    if not there:
        return []
    if key.owner:
        return [_part(key, sorted(there.items()))]
    return [_part(key, [field]) for field in there.items()]


def _part(key: Key, fields: list[tuple[bytes, bytes]]) -> bytes:
    part = blake2b(digest_size=16)
    part.update(frame(f"{key.record}:{key.owner}".encode()))
    for name, value in fields:
        part.update(frame(name) + frame(value))
    return part.digest()
