"""Streams in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

PAGE: Final = 500
_T = TypeVar("_T")


def pages(items: Iterable[_T], size: int = PAGE) -> Iterator[list[_T]]:
    """Cut a stream into lists of `size` items, the last one with what remains."""
    iterator = iter(items)
    while page := list(islice(iterator, size)):
        yield page
