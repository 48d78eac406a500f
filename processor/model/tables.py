"""Schemas of datasets: their normal form, their fingerprint, and what differs between two.

Rules kept here:
- a schema is its columns with paths, nested ones included; descriptions are no part of it;
- a type compares without regard to case and spacing; reordering is not a difference;
- an empty schema means "cleared": its fingerprint is empty and nothing is compared with it.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

FINGERPRINT_BYTES = 12


class Column(NamedTuple):
    """One column. `path` joins nested names with dots; `type` is as the producer wrote it."""

    path: str
    type: str | None = None


Columns = tuple[Column, ...]
"""A schema: its columns in the producer's order."""

_read_columns: Final = msgspec.msgpack.Decoder(Columns).decode


class ColumnChangeKind(StrEnum):
    """What became of a column between two versions."""

    ADDED = "ADDED"
    REMOVED = "REMOVED"
    RETYPED = "RETYPED"


class ColumnChange(NamedTuple):
    """One difference between two versions of a schema."""

    path: str
    change: ColumnChangeKind
    from_type: str | None = None
    to_type: str | None = None


def encode_columns(columns: Columns) -> bytes:
    """Stored form of a schema: msgpack of [[path, type], …]."""
    return msgspec.msgpack.encode(columns)


def decode_columns(data: bytes) -> Columns:
    """Inverse of `encode_columns`."""
    return _read_columns(data)


def fingerprint(content: bytes) -> bytes:
    """12 bytes that name a stored content; empty for no content."""
    return blake2b(content, digest_size=FINGERPRINT_BYTES).digest() if content else b""


def schema_fingerprint(columns: Columns) -> bytes:
    """12 bytes, equal for schemas without a difference: order, case and spacing of types do not count."""
    plain = sorted((path, None if type_name is None else _plain(type_name)) for path, type_name in columns)
    return fingerprint(msgspec.msgpack.encode(plain))


def same_type(left: str | None, right: str | None) -> bool:
    """Whether two spellings name one type. An unstated type agrees with any."""
    if left is None or right is None:
        return True
    return _plain(left) == _plain(right)


def diff_columns(old: Columns, new: Columns) -> tuple[ColumnChange, ...]:
    """What `new` has that `old` had not, sorted by path. Order of columns does not matter."""
    before, after = dict(old), dict(new)
    removed = [ColumnChange(p, ColumnChangeKind.REMOVED, t, None) for p, t in before.items() if p not in after]
    added = [ColumnChange(p, ColumnChangeKind.ADDED, None, t) for p, t in after.items() if p not in before]
    return tuple(sorted([*removed, *added, *_retyped(before, after)]))


def _retyped(before: dict[str, str | None], after: dict[str, str | None]) -> list[ColumnChange]:
    shared = before.keys() & after.keys()
    return [
        ColumnChange(path, ColumnChangeKind.RETYPED, before[path], after[path])
        for path in shared
        if not same_type(before[path], after[path])
    ]


@lru_cache(maxsize=4_096)
def _plain(type_name: str) -> str:
    return "".join(type_name.split()).casefold()
