"""Building OpenLineage events as a producer would, and reading them as the processor does."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec

from processor.decode.compile import compile_contract
from processor.decode.event import EventReader
from processor.decode.limits import Limits
from processor.decode.normalize import normalize
from processor.index.memory import MemoryStore
from processor.index.reduce import reduce
from processor.index.store import OutboxEntry, Store
from processor.model.errors import Rejected
from processor.model.identity import Node, dataset, job
from processor.model.observation import Observation
from processor.resources import schema_text

Json = dict[str, Any]

NAMESPACE = "postgres://warehouse:5432"
PRODUCER = "https://example.com/producer/1.0"
START = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)


def at(minutes: float) -> str:
    """RFC 3339 time, that many minutes after the tests' beginning of time."""
    return (START + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def us(minutes: float) -> int:
    """The same in microseconds since 1970."""
    return int((START + timedelta(minutes=minutes)).timestamp() * 1_000_000)


def run_id(number: int) -> str:
    """A UUID that is the same every time."""
    return str(uuid.UUID(int=number + 1, version=4))


def facet(**fields: object) -> Json:
    """A facet with the members that every facet has."""
    return {"_producer": PRODUCER, "_schemaURL": "https://example.com/facet.json", **fields}


def table(name: str, namespace: str = NAMESPACE, **facets: object) -> Json:
    """A dataset of an event."""
    return {"namespace": namespace, "name": name, "facets": facets}


def schema(*columns: str) -> Json:
    """A schema facet; a column is `name` or `name:type`."""
    parts = (column.partition(":") for column in columns)
    return facet(fields=[{"name": name, "type": kind or "string"} for name, _, kind in parts])


def column_lineage(
    mapping: Mapping[str, Iterable[tuple[str, str]]], namespace: str = NAMESPACE, *, indirect: bool = False
) -> Json:
    """A columnLineage facet from output column → [(dataset, column)]."""
    kind = [{"type": "INDIRECT" if indirect else "DIRECT", "subtype": "IDENTITY"}]
    return facet(
        fields={
            output: {
                "inputFields": [
                    {"namespace": namespace, "name": name, "field": field, "transformations": kind}
                    for name, field in inputs
                ]
            }
            for output, inputs in mapping.items()
        }
    )


def event(  # noqa: PLR0913 - an event has as many parts
    job_name: str = "load_orders",
    state: str | None = "COMPLETE",
    minutes: float = 0,
    *,
    run: int = 0,
    inputs: Sequence[Json] = (),
    outputs: Sequence[Json] = (),
    run_facets: Json | None = None,
    job_facets: Json | None = None,
) -> Json:
    """A run event."""
    return {
        **({"eventType": state} if state else {}),
        "eventTime": at(minutes),
        "producer": PRODUCER,
        "run": {"runId": run_id(run), "facets": run_facets or {}},
        "job": {"namespace": "shop", "name": job_name, "facets": job_facets or {}},
        "inputs": list(inputs),
        "outputs": list(outputs),
    }


@cache
def _reader() -> EventReader:
    return EventReader(compile_contract(schema_text("lineage_event.avsc")), Limits())


def observe(value: Json) -> Observation:
    """What the processor makes of an event."""
    read = _reader().read(msgspec.json.encode(value))
    assert not isinstance(read, Rejected), read
    return normalize(read)


def fill(store: Store, *values: Json) -> list[OutboxEntry]:
    """Index events in one batch."""
    return store.apply(reduce([(observe(value), None) for value in values], store.buckets))


def memory(*values: Json) -> MemoryStore:
    """An index in memory that holds these events."""
    store = MemoryStore()
    fill(store, *values)
    return store


def ds(name: str, namespace: str = NAMESPACE) -> Node:
    """A dataset of the tests' warehouse."""
    return dataset(namespace, name)


def jb(name: str) -> Node:
    """A job of the tests' shop."""
    return job("shop", name)


PIPELINE: tuple[Json, ...] = (
    event(
        "stage",
        inputs=[table("raw", schema=schema("id", "amount:int"))],
        outputs=[table("stg", columnLineage=column_lineage({"id": [("raw", "id")], "total": [("raw", "amount")]}))],
        job_facets={"ownership": facet(owners=[{"name": "team-stage"}])},
    ),
    event(
        "mart",
        run=1,
        inputs=[table("stg")],
        outputs=[
            table(
                "mart",
                columnLineage=column_lineage({"revenue": [("stg", "total")]}),
                ownership=facet(owners=[{"name": "ann"}]),
            )
        ],
    ),
    event("model", run=2, inputs=[table("mart")], outputs=[table("forecast")]),
)
"""Columns raw → stg → mart, and a model that does not say which columns it reads."""
