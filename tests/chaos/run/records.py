"""From a history to the records that go to Kafka: late, doubled, in several formats, and some of them bad. Pure."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

import fastavro
import msgspec

from processor.decode.avro import SINGLE_OBJECT_MAGIC, fingerprint_of
from processor.decode.compile import Contract, compile_contract
from processor.decode.shape import to_avro
from processor.resources import schema_text
from tests.chaos.run.history import Timed, history
from tests.support.events import Json, event, table

MAX_VALUE_BYTES: Final = 200_000
"""A record larger than this is bad; see `Settings.max_value_bytes`."""
MARK: Final = "chaos-bad"
"""Header of a record that has to end as a dead letter; its value says which kind of bad it is."""

_DOUBLED = 0.06
_BAD = 0.02
_AVRO = 0.15
_LATEST_MIN = 24 * 60


class Sending(NamedTuple):
    """A record, and when in the run (from 0 to 1) it is sent. `bad`: the kind of its badness, or ""."""

    when: float
    key: bytes | None
    value: bytes | None
    bad: str


def sendings(seed: int, count: int, schema_id: int | None) -> list[Sending]:
    """About `count` records in the order in which they are sent. `schema_id`: of the contract in the registry."""
    rng = random.Random(f"records {seed}")
    late = [(each.minute + _lateness(rng), each) for each in history(seed, int(count / (1 + _DOUBLED + _BAD)))]
    late += [(minute + _lateness(rng), each) for minute, each in late if rng.random() < _DOUBLED]
    late.sort(key=lambda pair: (pair[0], pair[1].job))
    records = [_record(rng, each, schema_id) for _, each in late]
    for _ in range(int(len(records) * _BAD)):
        records.insert(rng.randrange(len(records) + 1), _bad(rng, schema_id))
    return [each._replace(when=place / len(records)) for place, each in enumerate(records)]


def _lateness(rng: random.Random) -> float:
    """Minutes: mostly none, sometimes minutes, rarely hours."""
    dice = rng.random()
    if dice < 0.75:
        return 0.0
    return rng.expovariate(1 / 5) if dice < 0.95 else rng.uniform(0, _LATEST_MIN)


def _record(rng: random.Random, each: Timed, schema_id: int | None) -> Sending:
    """Keyed by its job, as real producers do, or spread at random."""
    key = each.job if rng.random() < 0.6 else f"key-{rng.randrange(1000)}"
    return Sending(0.0, key.encode(), _encode(rng, each.value, schema_id), "")


def _encode(rng: random.Random, value: Json, schema_id: int | None) -> bytes:
    if rng.random() > _AVRO:
        return msgspec.json.encode(value)
    forms: list[Callable[[], bytes]] = [lambda: single(value), lambda: _container(value)]
    if schema_id is not None:
        forms += [lambda: _framed(value, schema_id)] * 3
    return rng.choice(forms)()


@cache
def contract() -> Contract:
    """The contract of events."""
    return compile_contract(schema_text("lineage_event.avsc"))


@cache
def _schema() -> Any:  # noqa: ANN401  fastavro's schemas are any JSON
    return fastavro.parse_schema(json.loads(schema_text("lineage_event.avsc")))


def _datum(value: Json) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _schema(), to_avro(value, contract()))
    return out.getvalue()


def single(value: Json) -> bytes:
    """An event as an Avro single object."""
    return SINGLE_OBJECT_MAGIC + fingerprint_of(schema_text("lineage_event.avsc")) + _datum(value)


def _framed(value: Json, schema_id: int) -> bytes:
    return b"\x00" + schema_id.to_bytes(4, "big") + _datum(value)


def _container(value: Json) -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, _schema(), [to_avro(value, contract())], sync_marker=b"chaos-run-sync--")
    return out.getvalue()


def _bad(rng: random.Random, schema_id: int | None) -> Sending:
    """Every record that is bad is bad in its own way, and has bytes of its own."""
    kinds = _bad_kinds(schema_id)
    kind = rng.choice(sorted(kinds))
    good = event(f"bad_{rng.randrange(1000)}", minutes=rng.uniform(0, 1000), run=rng.randrange(10**6))
    return Sending(0.0, f"key-{rng.randrange(1000)}".encode(), kinds[kind](good), kind)


def _bad_kinds(schema_id: int | None) -> dict[str, Callable[[Json], bytes | None]]:
    unknown = 2_000_000_000 if schema_id is None else schema_id + 1_000_000
    return {
        "null": lambda _: None,
        "empty": lambda _: b"",
        "not_utf8": lambda good: msgspec.json.encode(good).replace(b"bad_", b"\xff\xfe\x80_"),
        "torn": lambda good: msgspec.json.encode(good)[:-9],
        "scalar": lambda good: msgspec.json.encode(good["job"]["name"]),
        "array": lambda good: msgspec.json.encode([good]),
        "foreign": lambda good: b"\x1f\x8b" + msgspec.json.encode(good),
        "text": lambda good: b"hello " + good["run"]["runId"].encode(),
        "trailing": lambda good: msgspec.json.encode(good) + b"}",
        "no_time": lambda good: msgspec.json.encode({name: v for name, v in good.items() if name != "eventTime"}),
        "bad_time": lambda good: msgspec.json.encode({**good, "eventTime": "2026-02-30T25:00:00Z"}),
        "future_time": lambda good: msgspec.json.encode({**good, "eventTime": "9999-12-31T23:59:59Z"}),
        "bad_state": lambda good: msgspec.json.encode({**good, "eventType": "FINISHED"}),
        "no_job": lambda good: msgspec.json.encode({name: v for name, v in good.items() if name != "job"}),
        "bad_run_id": lambda good: msgspec.json.encode({**good, "run": {"runId": " ", "facets": {}}}),
        "bad_name": lambda good: msgspec.json.encode({**good, "job": {"namespace": "shop", "name": " "}}),
        "wrong_type": lambda good: msgspec.json.encode({**good, "inputs": "wh.raw.t0"}),
        "too_large": lambda good: msgspec.json.encode({**good, "inputs": [table("x" * MAX_VALUE_BYTES)]}),
        "bad_avro": lambda good: single(good)[:-7],
        "trailing_avro": lambda good: single(good) + b"\x00",
        "unknown_fingerprint": lambda good: SINGLE_OBJECT_MAGIC + b"\x01" * 8 + _datum(good),
        "unknown_schema": lambda good: _framed(good, unknown),
    }
