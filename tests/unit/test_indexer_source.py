"""How much a fetch takes at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from processor.indexer.source import Source

MIB = 1024 * 1024


class Message:
    """A record of some size."""

    def __init__(self, size: int) -> None:
        self._value = b"x" * size

    def __len__(self) -> int:
        return len(self._value)

    def value(self) -> bytes:
        return self._value

    def error(self) -> None:
        return None

    def topic(self) -> str:
        return "events"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 0

    def timestamp(self) -> tuple[int, int]:
        return 1, 0

    def key(self) -> None:
        return None

    def headers(self) -> Sequence[Any]:
        return ()


class Queue:
    """A client that has as many records of one size as are asked for."""

    def __init__(self, size: int) -> None:
        self._size = size

    def consume(self, count: int, _wait_s: float) -> list[Message]:
        return [Message(self._size) for _ in range(count)]

    def assignment(self) -> list[object]:
        return []

    def resume(self, _partitions: list[object]) -> None:
        pass


@pytest.mark.parametrize(("size", "records"), [(100, 2000), (MIB, 16), (40 * MIB, 1)])
def test_a_batch_is_bounded_in_records_and_in_bytes(size: int, records: int) -> None:
    source = Source(lambda _: cast("Any", Queue(size)), ["events"])
    source.fetch(1, 60.0)
    fetched = source.fetch(2000, 60.0, 16 * MIB)
    assert len(fetched.records) == records
