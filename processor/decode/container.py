"""Avro object container files: header, blocks, compression.

Read here instead of by fastavro, because fastavro decompresses a block without a cap and takes the
writer's schema as it comes. Source: Avro 1.12 specification, "Object Container Files".
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import cramjam
import zstandard

MAGIC = b"Obj\x01"
_SYNC_BYTES = 16
_MAX_METADATA = 1_000
_CRC_BYTES = 4
_LONG_BITS = 64
_BROKEN = (
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
    cramjam.DecompressionError,
    OSError,
    EOFError,
    ValueError,
)


class BadContainerError(Exception):
    """Not a container, or a broken one."""


class ContainerTooLargeError(Exception):
    """A part of the container, compressed or not, is larger than the cap."""


@dataclass(frozen=True, slots=True)
class Block:
    """Records of one block, decompressed, one after the other."""

    count: int
    data: bytes


def read_header(file: BinaryIO, cap_bytes: int) -> tuple[str, str, bytes]:
    """Schema text, codec and sync marker. Raises `BadContainerError`, `ContainerTooLargeError`."""
    if file.read(len(MAGIC)) != MAGIC:
        raise BadContainerError("no container: the magic bytes are missing")
    metadata: dict[str, bytes] = {}
    while (count := _long(file)) != 0:
        if count < 0:
            _long(file)
        for _ in range(abs(count)):
            if len(metadata) > _MAX_METADATA:
                raise BadContainerError("too much metadata")
            name = _take(file, cap_bytes).decode("utf-8", "replace")
            metadata[name] = _take(file, cap_bytes)
    schema = metadata.get("avro.schema", b"").decode("utf-8", "replace")
    codec = metadata.get("avro.codec", b"null").decode("utf-8", "replace")
    return schema, codec, _exactly(file, _SYNC_BYTES)


def read_blocks(file: BinaryIO, codec: str, sync: bytes, cap_bytes: int) -> Iterator[Block]:
    """Blocks up to the end of the file. Raises `BadContainerError`, `ContainerTooLargeError`."""
    decompress = _CODECS.get(codec)
    if decompress is None:
        raise BadContainerError(f"unknown codec {codec[:40]!r}; known: {', '.join(sorted(_CODECS))}")
    while (first := file.read(1)) != b"":
        count = _long(file, first)
        packed = _take(file, cap_bytes)
        if _exactly(file, _SYNC_BYTES) != sync:
            raise BadContainerError("a block does not end with the sync marker")
        if count < 0:
            raise BadContainerError("a block with a negative count")
        yield Block(count, _unpack(decompress, packed, cap_bytes))


def _unpack(decompress: Callable[[bytes, int], bytes], packed: bytes, cap_bytes: int) -> bytes:
    try:
        data = decompress(packed, cap_bytes)
    except _BROKEN as error:
        raise BadContainerError(f"a block does not decompress: {error}") from None
    if len(data) > cap_bytes:
        raise ContainerTooLargeError(f"a block decompresses to more than {cap_bytes} bytes")
    return data


def _deflate(packed: bytes, cap_bytes: int) -> bytes:
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, cap_bytes + 1)


def _bzip2(packed: bytes, cap_bytes: int) -> bytes:
    return bz2.BZ2Decompressor().decompress(packed, cap_bytes + 1)


def _xz(packed: bytes, cap_bytes: int) -> bytes:
    return lzma.LZMADecompressor().decompress(packed, cap_bytes + 1)


def _zstandard(packed: bytes, cap_bytes: int) -> bytes:
    # The one-shot call trusts the size that the frame states; the reader stops where it is told to.
    with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
        return reader.read(cap_bytes + 1)


def _snappy(packed: bytes, cap_bytes: int) -> bytes:
    """Raw snappy, its length in front as a varint, and four bytes of CRC-32 behind."""
    body, checksum = packed[:-_CRC_BYTES], packed[-_CRC_BYTES:]
    if cramjam.snappy.decompress_raw_len(body) > cap_bytes:
        raise ContainerTooLargeError(f"a block decompresses to more than {cap_bytes} bytes")
    data = bytes(cramjam.snappy.decompress_raw(body))
    if zlib.crc32(data).to_bytes(_CRC_BYTES, "big") != checksum:
        raise ValueError("wrong checksum")
    return data


def _null(packed: bytes, _cap_bytes: int) -> bytes:
    return packed


_CODECS: dict[str, Callable[[bytes, int], bytes]] = {
    "null": _null,
    "deflate": _deflate,
    "bzip2": _bzip2,
    "xz": _xz,
    "zstandard": _zstandard,
    "snappy": _snappy,
}


def _long(file: BinaryIO, first: bytes = b"") -> int:
    """A zigzag varint of at most 64 bits."""
    value = shift = 0
    while True:
        byte = (first or _exactly(file, 1))[0]
        first = b""
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return (value >> 1) ^ -(value & 1)
        if shift >= _LONG_BITS:
            raise BadContainerError("a number longer than 64 bits")


def _take(file: BinaryIO, cap_bytes: int) -> bytes:
    size = _long(file)
    if size < 0:
        raise BadContainerError("a negative length")
    if size > cap_bytes:
        raise ContainerTooLargeError(f"a part of the container is larger than {cap_bytes} bytes")
    return _exactly(file, size)


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise BadContainerError("the container ends early")
    return data
