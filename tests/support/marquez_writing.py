"""Marquez's writing calls: to make them, and to read what became of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from tests.support.api import Served, served
from tests.support.events import NAMESPACE, PIPELINE, event, facet, fill, memory, schema, table

DATASETS = f"namespaces/{quote(NAMESPACE, safe='')}/datasets"
JOBS = "namespaces/shop/jobs"
SOON = "2200-01-01T00:00:00Z"
WHOLE = {
    "type": "STREAM",
    "physicalName": "public.new",
    "sourceName": "my-source",
    "description": "New.",
    "fields": [{"name": "id", "type": "INTEGER", "tags": ["key"], "description": "Its id."}, {"name": "total"}],
    "tags": ["pii"],
}


@contextmanager
def writable() -> Iterator[Served]:
    """The API over a pipeline, of which one dataset has a tag."""
    stated = table("stg", schema=schema("id", "total"), tags=facet(tags=[{"key": "stated", "value": "true"}]))
    with served(memory(*PIPELINE, event("stage", "START", minutes=9, run=9, outputs=[stated]))) as there:
        yield there


def told(api: Served, method: str, path: str, body: Any = None, status: int = 200) -> Any:  # noqa: ANN401  any JSON
    """What a call below /api/v1 answers."""
    answer = api.client.request(method, f"/api/v1/{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def events(api: Served) -> list[dict[str, Any]]:
    """What was sent to Kafka since it was indexed last."""
    return [json.loads(record.value) for record in api.kafka.sent]


def index(api: Served) -> None:
    """What the indexers do with what was sent."""
    fill(api.store, *events(api))
    api.kafka.sent.clear()


def plain(found: dict[str, Any]) -> dict[str, Any]:
    """A form without what tells when it was made and by what."""
    return {name: value for name, value in found.items() if name not in {"createdAt", "updatedAt", "facets"}}


def tags(api: Served, name: str = "stg") -> tuple[list[str], dict[str, list[str]]]:
    """The tags of a dataset, and of each of its columns."""
    found = told(api, "GET", f"{DATASETS}/{name}")
    return found["tags"], {field["name"]: field["tags"] for field in found["fields"]}
