"""How much a single record may ask of the processor."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on what is decoded; beyond them a record is rejected, never cut.

    `value_bytes`: size of a record; events of 23 MB are known from the field (Spark's logical plans).
    `avro_bytes`: size of an Avro record, compressed or not; lower, because Avro can spell a thing in one
    byte that takes hundreds in memory. `depth`: how deep a facet, or nested columns, may nest. `event_depth`: how
    deep an event may nest where nothing reads it. Python 3.11 can read not much more, 3.13 ten times that, and
    every worker is to come to the same verdict.
    `schema_bytes`, `schema_nodes`: size of a foreign Avro schema, as text and with every name followed.
    `memo_bytes`: memory for fragments of JSON seen before, counted as the JSON that they came as.
    `schema_memo_bytes`: memory for foreign Avro schemas seen before, estimated.
    """

    value_bytes: int = 32 * MIB
    avro_bytes: int = 4 * MIB
    depth: int = 64
    event_depth: int = 500
    schema_bytes: int = MIB
    schema_nodes: int = 20_000
    memo_bytes: int = 48 * MIB
    schema_memo_bytes: int = 32 * MIB
