"""Byte streams that can be looked at before they are read, and that tell how much was read."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Protocol

import zstandard

CHUNK_BYTES = 1 << 20
_PACKED_BYTES = 1 << 10
"""Zstandard unpacks at once what it is given, up to 32,768 times its size: 32 MiB."""


class Readable(Protocol):
    """Anything with a `read`."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, fewer or none at the end."""


class Counted(io.RawIOBase):
    """A raw stream over a file that tells how much of it was read."""

    def __init__(self, file: Readable, on_bytes: Callable[[int], None] = lambda _count: None) -> None:
        self._file = file
        self._on_bytes = on_bytes

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # typeshed's WriteableBuffer has no len
        """Fill the buffer as far as there is something."""
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._on_bytes(len(data))
        return len(data)


class Peek(io.BufferedReader):
    """A stream whose first bytes can be looked at."""

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw, CHUNK_BYTES)

    def starts_with(self, *prefixes: bytes) -> bool:
        """Whether what comes next starts with one of them."""
        return self.peek(8).startswith(prefixes)


class Unzstd:
    """What is packed in Zstandard frames, one after the other; unlike the library's own reader it notices a cut."""

    def __init__(self, file: Readable) -> None:
        """Read the frames from a file."""
        self._file = file
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._is_open = False
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        """At least one byte and at most `size`, none at the end. Raises `EOFError`, `zstandard.ZstdError`."""
        while not self._rest:
            packed = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
                self._is_open = False
            packed = packed or self._file.read(_PACKED_BYTES)
            if not packed:
                break
            self._is_open = True
            self._rest = self._frame.decompress(packed)
        if not self._rest and self._is_open and not self._frame.eof:
            raise EOFError("it ends within a frame")
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


def as_raw(file: Readable) -> io.RawIOBase:
    """A raw stream over anything that can be read."""
    return Counted(file)
