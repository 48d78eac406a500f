"""What parent and child of a fuzz run share: a mapped file that outlives a child that crashes."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

import msgspec

from tests.fuzz.cases import Case

_HEAD = struct.Struct("=QQI")
_BYTES = 80 * 1024 * 1024

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
        data = _encode(case)
        end = _HEAD.size + len(data)
        self._map[_HEAD.size : end] = data
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
        size = _HEAD.unpack(self._map[: _HEAD.size])[2]
        return _decode(self._map[_HEAD.size : _HEAD.size + size])


def save(case: Case, path: Path) -> None:
    """Write a case where `load` finds it."""
    path.write_bytes(_encode(case))


def load(path: Path) -> Case:
    """Read a case that was saved."""
    return _decode(path.read_bytes())
