"""What is expected to send lineage: entries of the policy and of the catalogues that it names.

Rules kept here:
- an entry is `job:NAMESPACE:NAME` or `dataset:NAMESPACE:NAME`, either with the wildcards of a shell glob;
- a catalogue is a plain list, one entry a line (`- ` before it, quotes around it, blank lines and `#` comments are
  fine, so a YAML list is one), or dbt's `manifest.json`;
- of a manifest the models and snapshots that are built count, as datasets `database.schema.alias` of any namespace: a
  manifest does not say where the database is. Ephemeral models are built nowhere; a seed is loaded by hand when it
  changes, and an exposure sends no lineage of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from processor.model.errors import UsageError
from processor.model.text import quoted
from processor.model.typed import converter

ENTRY = r"^(job|dataset):.+:.+$"
_ENTRY = re.compile(ENTRY)
_BUILT = frozenset({"model", "snapshot"})
_GLOB = re.compile(r"([*?[])")


class CatalogueError(UsageError):
    """A catalogue was refused. `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"catalogue, line {line}: {reason}")
        self.line = line
        self.reason = reason


class _Config(msgspec.Struct):
    enabled: bool = True
    materialized: str | None = None


class _DbtNode(msgspec.Struct):
    resource_type: str
    name: str = ""
    alias: str | None = None
    database: str | None = None
    schema: str | None = None
    config: _Config = msgspec.field(default_factory=_Config)


class _Manifest(msgspec.Struct):
    nodes: dict[str, _DbtNode]


_converted = converter(_Manifest)


def parse_catalogue(text: str) -> tuple[str, ...]:
    """The entries of a catalogue. Raises CatalogueError."""
    if text.lstrip().startswith("{"):
        return tuple(dict.fromkeys(_of_manifest(text)))
    return tuple(dict.fromkeys(_of_list(text)))


def escaped(name: str) -> str:
    """A name as a glob that matches nothing else."""
    return _GLOB.sub(r"[\1]", name)


def _of_list(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.strip().removeprefix("- ").strip()
        if not entry or entry.startswith("#") or entry in {"---", "[]"}:
            continue
        entry = entry[1:-1] if entry[0] in "\"'" and entry[-1] == entry[0] else entry
        if not _ENTRY.match(entry):
            raise CatalogueError(number, f"{quoted(entry)} is no `job:NAMESPACE:NAME` nor `dataset:NAMESPACE:NAME`")
        yield entry


def _of_manifest(text: str) -> Iterator[str]:
    manifest = _manifest(text)
    for node in manifest.nodes.values():
        if node.resource_type in _BUILT and node.config.enabled and node.config.materialized != "ephemeral":
            parts = (node.database, node.schema, node.alias or node.name)
            yield f"dataset:*:{escaped('.'.join(part for part in parts if part))}"


def _manifest(text: str) -> _Manifest:
    try:
        value: Any = json.loads(text)
        return _converted(value)
    except json.JSONDecodeError as error:
        raise CatalogueError(error.lineno, f"not JSON: {error.msg}") from None
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        raise CatalogueError(1, f"not dbt's manifest: {quoted(error)}") from None
