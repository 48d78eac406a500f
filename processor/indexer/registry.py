"""A schema registry that speaks Confluent's API, as the decode room wants one.

Rules kept here:
- a schema never changes under its id, so what was found is kept;
- what was not found is asked for again only after `UNKNOWN_FOR_S`, so that a flood of records with an
  unknown id is no flood of requests, and a schema registered late is still found;
- an id that the registry refuses as such (not found, not a proper one) is an unknown schema;
- a registry that cannot be asked is a `DependencyError`, never a verdict on the record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from importlib import import_module
from importlib.util import find_spec
from time import monotonic
from types import ModuleType

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from processor.decode import RegisteredSchema
from processor.model.errors import DependencyError

UNKNOWN_FOR_S = 30.0
_NO_SUCH_SCHEMA = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
_MAX_REFERENCES = 100
_MAX_UNKNOWN = 10_000

# Confluent's client prefers httpx2 to httpx, as this does, and lets the errors of either through.
_HTTP: ModuleType = import_module("httpx2" if find_spec("httpx2") else "httpx")
_UNREACHABLE: tuple[type[Exception], ...] = (_HTTP.HTTPError, OSError, ValueError, TypeError)


class ConfluentRegistry:
    """Schemas by id and by GUID. Raises `DependencyError` when the registry does not answer properly.

    `url`: one or several, separated by commas; user and password may stand in it. `config`: further
    settings of Confluent's client, such as `ssl.ca.location`.
    """

    def __init__(self, url: str, timeout_s: float = 5.0, config: Mapping[str, object] | None = None) -> None:
        self._client = SchemaRegistryClient({"url": url, "timeout": timeout_s, "max.retries": 1, **(config or {})})
        self._found: dict[int | str, RegisteredSchema] = {}
        self._unknown: dict[int | str, float] = {}

    def by_id(self, schema_id: int) -> RegisteredSchema | None:
        """The schema of that id, or None when the registry has none."""
        return self._get(schema_id, lambda: self._client.get_schema(schema_id))

    def by_guid(self, guid: str) -> RegisteredSchema | None:
        """The schema of that GUID, or None when the registry has none."""
        return self._get(guid, lambda: self._client.get_schema_by_guid(guid))

    def _get(self, key: int | str, fetch: Callable[[], Schema]) -> RegisteredSchema | None:
        found = self._found.get(key)
        if found is not None or self._unknown.get(key, 0.0) > monotonic():
            return found
        found = _ask(lambda: self._with_references(fetch()))
        if found is not None:
            self._found[key] = found
            return found
        if len(self._unknown) >= _MAX_UNKNOWN:
            self._unknown.clear()
        self._unknown[key] = monotonic() + UNKNOWN_FOR_S
        return None

    def _with_references(self, schema: Schema) -> RegisteredSchema:
        """The schema with what it refers to in front, each once."""
        texts: dict[str, None] = {}
        self._collect(schema, texts)
        return RegisteredSchema(tuple(texts), schema.schema_type or "AVRO")

    def _collect(self, schema: Schema, texts: dict[str, None]) -> None:
        if len(texts) > _MAX_REFERENCES:
            raise DependencyError("schema registry", f"a schema refers to more than {_MAX_REFERENCES} others")
        for reference in schema.references or ():
            if reference.subject is None or reference.version is None:
                continue
            self._collect(self._client.get_version(reference.subject, reference.version).schema, texts)
        texts[schema.schema_str or ""] = None


def _ask(fetch: Callable[[], RegisteredSchema]) -> RegisteredSchema | None:
    try:
        return fetch()
    except SchemaRegistryError as error:
        if error.http_status_code in _NO_SUCH_SCHEMA:
            return None
        raise DependencyError("schema registry", str(error)) from error
    except _UNREACHABLE as error:
        raise DependencyError("schema registry", f"{type(error).__name__}: {error}") from error
