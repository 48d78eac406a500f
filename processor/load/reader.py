"""Reading events from files: what `lineage load` takes.

The kind of a file is told by its first bytes, never by its name:
- gzip and Zstandard are unpacked, then looked at again;
- an Avro container gives one value a record, each a container of its own with the writer's schema;
- a Parquet file gives its column `value`, or the only column that it has;
- an Avro single object or a record in Confluent's framing is one value;
- everything else is JSON text: one document a line, an array, or documents over several lines.
A value is handed on byte for byte as it stands in the file, a broken one too.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import zstandard

from processor.load.containers import avro_values, parquet_values
from processor.load.documents import MAX_VALUE_BYTES, document_values
from processor.load.stream import Counted, Peek, Unzstd, as_raw
from processor.model.errors import UsageError

_GZIP, _ZSTD, _AVRO, _PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"Obj\x01", b"PAR1"
_ONE_BINARY_VALUE = (b"\xc3\x01", b"\x00")
_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError)
_MAX_LAYERS = 3
_STDIN = "-"


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a file. `line` counts from 1: the line it starts on, or its number where there are no lines."""

    source: str
    line: int
    value: bytes | None

    @property
    def place(self) -> str:
        """Where it stands, as `file:line`."""
        return f"{self.source}:{self.line}"


def read(source: str, on_bytes: Callable[[int], None] = lambda _count: None) -> Iterator[Entry]:
    """Every value of a file, or of standard input for `-`, in their order.

    `on_bytes` is told of each piece that was read, in bytes of the file as it lies on disk.
    Raises `UsageError` when the file cannot be opened or its container is broken.
    """
    with _opened(source) as file:
        try:
            for line, value in _values(Peek(Counted(file, on_bytes)), source):
                yield Entry(source, line, value)
        except _DAMAGE as error:
            raise UsageError(f"{source} is damaged ({error}); what stands before the damage was read") from error


def size_bytes(source: str) -> int | None:
    """How long the file is, or None where nobody can tell."""
    path = Path(source)
    return path.stat().st_size if source != _STDIN and path.is_file() else None


def refuse_missing(sources: Iterable[str]) -> None:
    """Before anything is begun with them. Raises `UsageError` for the first file that is not there."""
    for source in sources:
        if source != _STDIN and not Path(source).exists():
            raise UsageError(f"cannot read {source}: no such file")


@contextmanager
def _opened(source: str) -> Iterator[IO[bytes]]:
    if source == _STDIN:
        yield sys.stdin.buffer
        return
    try:
        file = Path(source).open("rb")  # noqa: SIM115  closed below; an error while reading is not an error of opening
    except OSError as error:
        raise UsageError(f"cannot read {source}: {error.strerror or error}") from error
    with file:
        yield file


def _values(packed: Peek, source: str) -> Iterator[tuple[int, bytes | None]]:
    stream = _unpacked(packed)
    if stream.starts_with(_AVRO):
        return avro_values(stream, source)
    if stream.starts_with(_PARQUET):
        return parquet_values(stream, source)
    if stream.starts_with(*_ONE_BINARY_VALUE):
        return iter([(1, stream.read(MAX_VALUE_BYTES + 1))])
    return document_values(stream)


def _unpacked(stream: Peek) -> Peek:
    for _ in range(_MAX_LAYERS):
        if stream.starts_with(_GZIP):
            stream = Peek(as_raw(gzip.GzipFile(fileobj=stream)))
        elif stream.starts_with(_ZSTD):
            stream = Peek(as_raw(Unzstd(stream)))
        else:
            break
    return stream
