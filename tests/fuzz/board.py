"""What parent and child of a fuzz run share: a mapped file that outlives a child that crashes."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

import msgspec

from tests.fuzz.cases import Case

_HEAD = struct.Struct("=QQI")
_ROOM = 40 * 1024 * 1024
_BYTES = _HEAD.size + 2 * _ROOM

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Case).decode


class Board:
    """How many inputs were given, in which block, and the one that is being read now."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(b"")
            with path.open("r+b") as file:
                file.truncate(_BYTES)
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _BYTES)

    def post(self, count: int, block: int, case: Case) -> None:
        """Say what is read next. Costs a microsecond."""
        data, start = _encode(case), _start(count)
        self._map[start : start + len(data)] = data
        self._map[: _HEAD.size] = _HEAD.pack(count, block, len(data))

    @property
    def count(self) -> int:
        """Inputs given so far, the one being read included."""
        return int(_HEAD.unpack(self._map[: _HEAD.size])[0])

    @property
    def block(self) -> int:
        """The block that it is of."""
        return int(_HEAD.unpack(self._map[: _HEAD.size])[1])

    @property
    def case(self) -> Case:
        """The input that is being read."""
        count, _, size = _HEAD.unpack(self._map[: _HEAD.size])
        start = _start(count)
        return _decode(self._map[start : start + size])


def _start(count: int) -> int:
    """Inputs take turns between two places: of one that is half written when its child ends, nothing is said."""
    return _HEAD.size + count % 2 * _ROOM


def save(case: Case, path: Path) -> None:
    """Write a case where `load` finds it."""
    path.write_bytes(_encode(case))


def load(path: Path) -> Case:
    """Read a case that was saved."""
    return _decode(path.read_bytes())
