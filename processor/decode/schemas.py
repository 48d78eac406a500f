"""Schemas: the ones that ship, the user's own, and the ones that a registry holds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Protocol

from processor.model.errors import UsageError

EVENT_FILE = "lineage_event.avsc"
RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Schemas:
    """Texts of Avro schemas.

    `event` is the contract, `facets` describe facets of the user's own, `writers` are further schemas
    of the event (released versions, say) that single-object encoding may name by fingerprint.
    """

    event: str
    facets: tuple[str, ...] = ()
    writers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """A schema of a registry. `texts`: what it refers to, then itself. `kind`: AVRO, JSON or PROTOBUF."""

    texts: tuple[str, ...]
    kind: str = "AVRO"


class SchemaSource(Protocol):
    """A schema registry. None says that it has no such schema; `DependencyError` that it cannot say."""

    def by_id(self, schema_id: int) -> RegisteredSchema | None:
        """The schema of that id."""

    def by_guid(self, guid: str) -> RegisteredSchema | None:
        """The schema of that GUID, a UUID in its usual form."""


def read_schemas(folder: Traversable, own: Traversable | None = None) -> Schemas:
    """Read the contract from `folder`, its released versions, and the user's own schemas from `own`.

    In `own`, a record that says which facet it describes is one of `facets`, any other is one of
    `writers`. Raises `UsageError` for a file that is missing, unreadable or no schema.
    """
    released = folder / RELEASED
    versions = sorted(released.iterdir(), key=lambda entry: entry.name) if released.is_dir() else []
    writers = [_read(version / EVENT_FILE) for version in versions if (version / EVENT_FILE).is_file()]
    facets: list[str] = []
    for entry in _own_files(own):
        text = _read(entry)
        (facets if _describes_facet(text, entry.name) else writers).append(text)
    return Schemas(_read(folder / EVENT_FILE), tuple(facets), tuple(writers))


def _own_files(own: Traversable | None) -> list[Traversable]:
    if own is None:
        return []
    if not own.is_dir():
        raise UsageError(f"{own}: no such folder of schemas")
    found = (entry for entry in own.iterdir() if entry.name.endswith(".avsc"))
    return sorted(found, key=lambda entry: entry.name)


def _describes_facet(text: str, name: str) -> bool:
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{name}: not JSON: {error}") from None
    if not isinstance(schema, dict):
        raise UsageError(f"{name}: must be an Avro record")
    return "facet" in schema


def _read(file: Traversable) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file.name}: cannot be read: {error}") from None
