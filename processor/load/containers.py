"""Values inside Avro containers and Parquet files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from fastavro import schemaless_reader

from processor.decode.avro import BAD_DATA, SINGLE_OBJECT_MAGIC, fingerprint_if_any, fingerprint_of, parse_foreign
from processor.decode.container import (
    MAGIC,
    BadContainerError,
    Block,
    ContainerTooLargeError,
    read_blocks,
    read_header,
)
from processor.decode.foreign import RefusedSchemaError
from processor.decode.limits import Limits
from processor.load.stream import Peek
from processor.model.errors import UsageError
from processor.resources import schema_text

_VALUE: Final = "value"
_BATCH_ROWS: Final = 1000
_SEVEN_BITS: Final = 0x7F
_MORE: Final = 0x80
_Numbered = tuple[int, bytes | None]


def parquet_values(stream: Peek, source: str) -> Iterator[_Numbered]:
    """Each row's value with its number, from 1: the column `value`, or the file's only column.

    Raises `UsageError` when the file is broken, has no such column, or pyarrow is not installed.
    """
    pa, parquet_module = _pyarrow()
    try:
        # Parquet is read from its end, so what comes from a pipe is taken in whole.
        file = parquet_module.ParquetFile(io.BytesIO(stream.read()))
        column = _value_column(file.schema_arrow, source)
        batches = file.iter_batches(batch_size=_BATCH_ROWS, columns=[column])
        values = (value for batch in batches for value in batch.column(0).to_pylist())
        for number, value in enumerate(values, start=1):
            yield number, value.encode() if isinstance(value, str) else value
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{source} cannot be read as Parquet: {error}") from error


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415  an extra, slow to load, without types
        from pyarrow import parquet  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UsageError("Parquet needs an extra: pip install 'lineage-processor[parquet]'") from error
    return pa, parquet


def _value_column(schema: Any, source: str) -> str:  # noqa: ANN401  pyarrow has no types
    names: list[str] = schema.names
    column = _VALUE if _VALUE in names else names[0] if len(names) == 1 else ""
    if not column:
        raise UsageError(f"{source} has the columns {', '.join(names)}; the events must stand in one called 'value'")
    kind = str(schema.field(column).type)
    if kind not in {"string", "large_string", "binary", "large_binary"}:
        raise UsageError(f"{source}: column {column!r} holds {kind}; events must be text or bytes")
    return column


def avro_values(stream: Peek, source: str) -> Iterator[_Numbered]:
    """Each record's value with its number, from 1, its bytes as in the file.

    Written with the schema that ships here, it becomes a single object, which names that schema by its fingerprint;
    else a container of its own, which brings its schema along.
    Raises `UsageError` when the file is broken, or its schema is none that is safe to follow.
    """
    limits = Limits()
    try:
        text, codec, sync = read_header(stream, limits.avro_bytes)
        schema, number = parse_foreign([text], limits), 0
        is_ours = fingerprint_if_any(text) == _our_fingerprint()
        for block in read_blocks(stream, codec, sync, limits.avro_bytes):
            for count, data in _records(block, schema):
                is_short = is_ours and count == 1
                yield number + 1, _single_object(text, data) if is_short else _container(text, sync, count, data)
                number += count
    except (BadContainerError, ContainerTooLargeError, RefusedSchemaError) as error:
        raise UsageError(f"{source} cannot be read as Avro: {error}") from error


@cache
def _our_fingerprint() -> bytes:
    return fingerprint_of(schema_text("lineage_event.avsc"))


def _records(block: Block, schema: Any) -> Iterator[tuple[int, bytes]]:  # noqa: ANN401  an Avro schema is any JSON
    """Each record's bytes; what cannot be cut any further comes as one piece, to be refused whole.

    So does a record of no bytes: a block may state any number of those.
    """
    rest, start = io.BytesIO(block.data), 0
    for position in range(block.count):
        try:
            schemaless_reader(rest, schema, None)
        except (*BAD_DATA, MemoryError):
            yield block.count - position, block.data[start:]
            return
        if rest.tell() == start:
            yield block.count - position, block.data[start:]
            return
        yield 1, block.data[start : rest.tell()]
        start = rest.tell()


def _single_object(schema: str, data: bytes) -> bytes:
    return SINGLE_OBJECT_MAGIC + fingerprint_of(schema) + data


def _container(schema: str, sync: bytes, count: int, data: bytes) -> bytes:
    header = b"\x02" + _sized(b"avro.schema") + _sized(schema.encode()) + b"\x00"
    return MAGIC + header + sync + _long(count) + _sized(data) + sync


def _sized(data: bytes) -> bytes:
    return _long(len(data)) + data


def _long(number: int) -> bytes:
    """Avro's spelling of a number that is not negative: zigzag, seven bits a byte, the lowest first."""
    rest, out = number << 1, bytearray()
    while rest > _SEVEN_BITS:
        out.append(rest & _SEVEN_BITS | _MORE)
        rest >>= 7
    out.append(rest)
    return bytes(out)
