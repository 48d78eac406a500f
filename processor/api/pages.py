"""Lists in pages: a cursor names the last thing that was told, so that what comes or goes meanwhile moves nothing."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final, TypeVar

import msgspec

from processor.api.problems import ProblemError, bad_parameter

__all__ = ["SortKey", "mark_of", "no_cursor", "other_cursor", "page", "read_cursor", "written_cursor"]

_read_key: Final = msgspec.msgpack.Decoder(list[str | int]).decode

T = TypeVar("T")
SortKey = tuple[str | int, ...]


def page(items: Sequence[T], key: Callable[[T], SortKey], limit: int, cursor: str | None) -> tuple[list[T], str | None]:
    """The part of a list, sorted by its key, that follows the cursor. Raises `ProblemError` for one that is none."""
    start = 0 if cursor is None else _after(items, key, read_cursor(cursor))
    part = list(items[start : start + limit])
    more = start + limit < len(items)
    return part, written_cursor(key(part[-1])) if part and more else None


def _after(items: Sequence[T], key: Callable[[T], SortKey], last: SortKey) -> int:
    try:
        return bisect_right(items, last, key=key)
    except TypeError:
        raise no_cursor() from None


def mark_of(question: object) -> str:
    """What tells a question from others: a cursor of one is none of another."""
    return blake2b(msgspec.json.encode(question), digest_size=6).hexdigest()


def written_cursor(key: SortKey) -> str:
    """A key as text, which nobody has to understand."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(key)).decode().rstrip("=")


def read_cursor(cursor: str) -> SortKey:
    """The key of a cursor. Raises `ProblemError` for text that is none."""
    try:
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return tuple(_read_key(data))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise no_cursor() from None


def no_cursor() -> ProblemError:
    """It is none at all."""
    return bad_parameter("cursor", "it is none that an answer gave as `next`")


def other_cursor() -> ProblemError:
    """It is one, of another question."""
    return bad_parameter("cursor", "it is of another question; ask as you asked before, but for the limit")
