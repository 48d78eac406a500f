"""Where inputs come from: for each face a maker that never runs dry, the same for the same seed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import msgspec
import zstandard

from processor.decode.avro import fingerprint_of
from processor.model.codec import ALERT_SCHEMA, CHANGE_SCHEMA
from processor.resources import schema_text
from tests.fuzz.avro import DataMaker, container, from_json, writer_schema
from tests.fuzz.events import EVENT_SCHEMA, EventMaker
from tests.fuzz.mutate import Sample, bytes_damage, json_damage, sample
from tests.fuzz.values import NAMES, leaf, pick

SAMPLES: Final = Path(__file__).parent.parent / "samples"
POLICY: Final = Path(__file__).parents[2] / "docs" / "policy.yaml"
_SINGLE: Final = b"\xc3\x01" + fingerprint_of(EVENT_SCHEMA)
_RECORDS: Final = {name: json.loads(schema_text(name)) for name in (CHANGE_SCHEMA, ALERT_SCHEMA)}
_HEADERS: Final = {name: b"\xc3\x01" + fingerprint_of(schema_text(name)) for name in _RECORDS}
_WORDS: Final = (
    *(
        b"schema_drift",
        b"stuck_run",
        b"critical",
        b"info",
        b"firing",
        b"resolved",
        b"dataset",
        b"job",
        b"column",
        b"run",
    ),
    *(b"reads", b"writes", b"COMPLETE", b"FAIL", b"WRITER", b"READER", b"explicit", b"added", b"removed", b"", b"\xff"),
)
_FRAMES: Final = (
    b"\x00\x00\x00\x00\x07",
    b"\x00\x00\x00\x00\x07",
    b"\x01" + bytes(16),
    b"\x00\xff\xff\xff\xff",
    b"\x01",
    b"",
)
_YAML: Final = (
    *(
        b"&a ",
        b"*a",
        b"<<: *a",
        b"? [a]\n: b",
        b"!!binary x",
        b"!!timestamp 0001-01-01T00:00:00+01:00",
        b"1:59:59",
        b"- ",
    ),
    *(
        b"!!python/object:os.system",
        b"!!set {a}",
        b"!!omap [a: 1]",
        b"---\n",
        b"...\n",
        b"\t",
        b"#",
        b": ",
        b"{",
        b"[",
        b"|\n",
    ),
    *(
        b"0o9",
        b"1e999",
        b".nan",
        b".inf",
        b"~",
        b"!!int x",
        b"!!float 1:2:3",
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        b"%YAML 9.9\n",
    ),
)


class Case(NamedTuple):
    """One input. `parts` are what the face takes: a value, or a value with what comes along."""

    face: str
    parts: tuple[bytes, ...]


Maker = Callable[[], tuple[bytes, ...]]


class Cases:
    """The inputs of one block: its own events, schemas and data, damaged in ever new ways."""

    def __init__(self, seed: int, block: int) -> None:
        self._random = Random(f"{seed}/{block}")
        self._chance = self._random.random
        events = [self._new_event() for _ in range(40)]
        self._samples = [sample(event) for event in events] + [SHIPPED[block % len(SHIPPED)]]
        self._avro = [avro for event in events if (avro := from_json(event)) is not None] or [b""]
        self._schemas = [self._schema() for _ in range(4)]
        self._records = {name: DataMaker(self._random, schema, _WORDS) for name, schema in _RECORDS.items()}
        self._makers: tuple[tuple[float, str, Maker], ...] = (
            (0.42, "openlineage", self._json),
            (0.60, "auto", self._anything),
            (0.72, "avro-single", self._avro_single),
            (0.84, "confluent", self._framed),
            (0.90, "avro-container", self._boxed),
            (0.94, "change", self._change),
            (0.975, "alert", self._alert),
            (0.996, "load", self._file),
            (1.0, "policy", self._policy),
        )

    def __iter__(self) -> Iterator[Case]:
        while True:
            chance = self._chance()
            face, make = next((face, make) for limit, face, make in self._makers if chance < limit)
            yield Case(face, make())

    def _new_event(self) -> bytes:
        return EventMaker(self._random, 0.0 if self._chance() < 0.5 else 0.03).event()

    def _schema(self) -> tuple[bytes, DataMaker]:
        schema = writer_schema(self._random)
        text = json.dumps(schema).encode()
        return text if self._chance() < 0.95 else bytes_damage(self._random, text), DataMaker(self._random, schema)

    def _one(self) -> Sample:
        return self._samples[int(self._chance() * len(self._samples))]

    def _text(self) -> bytes:
        kind = self._chance()
        if kind < 0.12:
            return self._new_event()
        damaged = json_damage(self._random, self._one(), self._one())
        return damaged if kind < 0.9 else bytes_damage(self._random, damaged)

    def _json(self) -> tuple[bytes, ...]:
        return (self._text(),)

    def _anything(self) -> tuple[bytes, ...]:
        """A value of any format with or without the header that names a schema."""
        kind = self._chance()
        if kind < 0.5:
            value = self._text()
        elif kind < 0.8:
            value = bytes_damage(self._random, self._avro_single()[0] if kind < 0.65 else self._boxed()[0])
        else:
            value = pick(self._random, _FRAMES) + bytes_damage(self._random, pick(self._random, self._avro))
        if self._chance() < 0.9:
            return (value,)
        return (value, self._schemas[int(self._chance() * 4)][0], pick(self._random, _FRAMES))

    def _avro_single(self) -> tuple[bytes, ...]:
        data = pick(self._random, self._avro)
        return (_SINGLE + (data if self._chance() < 0.05 else bytes_damage(self._random, data)),)

    def _framed(self) -> tuple[bytes, ...]:
        schema, data = self._schemas[int(self._chance() * 4)]
        payload = data.data() if self._chance() < 0.7 else bytes_damage(self._random, pick(self._random, self._avro))
        frame = _FRAMES[0] if self._chance() < 0.9 else pick(self._random, _FRAMES)
        return (frame + payload, schema)

    def _boxed(self) -> tuple[bytes, ...]:
        if self._chance() < 0.004:
            return (container(self._random, EVENT_SCHEMA.encode(), [pick(self._random, self._avro)] * 2),)
        schema, data = self._schemas[int(self._chance() * 4)]
        boxed = container(self._random, schema, [data.data() for _ in range(int(self._chance() * 4))])
        return (boxed if self._chance() < 0.6 else bytes_damage(self._random, boxed),)

    def _change(self) -> tuple[bytes, ...]:
        return self._record(CHANGE_SCHEMA)

    def _alert(self) -> tuple[bytes, ...]:
        return self._record(ALERT_SCHEMA)

    def _record(self, schema: str) -> tuple[bytes, ...]:
        data = _HEADERS[schema] + self._records[schema].data()
        return (data if self._chance() < 0.4 else bytes_damage(self._random, data),)

    def _file(self) -> tuple[bytes, ...]:
        kind = self._chance()
        if kind < 0.5:
            data = b"\n".join(self._text() for _ in range(int(self._chance() * 4)))
        elif kind < 0.7:
            data = b"[" + b",\n".join(self._text() for _ in range(int(self._chance() * 4))) + b"]"
        elif kind < 0.95:
            data = self._boxed()[0]
        else:
            data = bytes_damage(self._random, PARQUET)
        if self._chance() < 0.5:
            return (data,)
        packed = gzip.compress(data, 1) if self._chance() < 0.5 else zstandard.compress(data)
        return (packed if self._chance() < 0.5 else bytes_damage(self._random, packed),)

    def _policy(self) -> tuple[bytes, ...]:
        lines = [line for line in YAML_LINES if self._chance() < 0.2]
        for _ in range(1 + int(self._chance() * 4)):
            at = int(self._chance() * (len(lines) + 1))
            part = pick(self._random, _YAML) if self._chance() < 0.7 else leaf(self._random)
            lines.insert(at, part) if self._chance() < 0.5 else lines.insert(
                at, pick(self._random, NAMES) + b": " + part
            )
        text = b"\n".join(lines)
        return (text if self._chance() < 0.5 else bytes_damage(self._random, text),)


def _parquet() -> bytes:
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 - slow to load, without types
    from pyarrow import parquet  # noqa: PLC0415 - as above

    out = pa.BufferOutputStream()
    parquet.write_table(pa.table({"value": [SHIPPED[0].text, b"{}"]}), out)
    return bytes(out.getvalue())


SHIPPED: Final = [sample(msgspec.json.format(path.read_bytes(), indent=-1)) for path in sorted(SAMPLES.glob("*.json"))]
PARQUET: Final = _parquet()
YAML_LINES: Final = POLICY.read_bytes().splitlines()
