"""dbt's `manifest.json` and `catalog.json`: which columns each model proposes.

Rules kept here:
- a model names its columns whole where its contract is enforced or the catalog has it, else only those described;
- ephemeral and disabled models are built nowhere; snapshots and seeds have columns by the catalog alone;
- a model goes where the manifest before had it; without that one, where the index knows it as made by this project, the
  project ran a day ago at most when its job was last seen, and no other model has taken its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from processor.judging.proposal import Field, Proposal
from processor.judging.sql import Query
from processor.model.errors import UsageError
from processor.model.text import quoted
from processor.model.wording import in_words

OLDEST, NEWEST = 7, 12
"""Versions of manifests that are read."""

_BUILT = frozenset({"model", "snapshot", "seed"})
_VERSION = re.compile(r"/manifest/v(\d+)(?:\.json)?$")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Model:
    """What dbt builds: `relation` is `database.schema.alias`; `depends_on` are ids like its own."""

    id: str
    relation: str
    proposal: Proposal
    depends_on: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Manifest:
    """A dbt project: its models by id, and the ids of all that it knows, built or not."""

    project: str
    models: dict[str, Model] = field(default_factory=dict)
    ids: frozenset[str] = frozenset()


class _Column(msgspec.Struct):
    name: str
    data_type: str | None = None


class _Contract(msgspec.Struct):
    enforced: bool = False


class _Config(msgspec.Struct):
    enabled: bool = True
    materialized: str | None = None
    contract: _Contract | None = None


class _DependsOn(msgspec.Struct):
    nodes: list[str] = []


class _Node(msgspec.Struct):
    resource_type: str
    name: str = ""
    alias: str | None = None
    database: str | None = None
    schema: str | None = None
    language: str | None = "sql"
    original_file_path: str | None = None
    compiled_code: str | None = None
    raw_code: str | None = None
    columns: dict[str, _Column] = {}
    config: _Config = msgspec.field(default_factory=_Config)
    depends_on: _DependsOn = msgspec.field(default_factory=_DependsOn)


class _Metadata(msgspec.Struct):
    dbt_schema_version: str
    project_name: str | None = None


class _Manifest(msgspec.Struct):
    metadata: _Metadata
    nodes: dict[str, _Node]


class _Head(msgspec.Struct):
    metadata: _Metadata


class _CatalogColumn(msgspec.Struct):
    name: str
    type: str | None = None
    index: int = 0


class _CatalogNode(msgspec.Struct):
    columns: dict[str, _CatalogColumn]


class _Catalog(msgspec.Struct):
    nodes: dict[str, _CatalogNode]


_head: Final = msgspec.json.Decoder(_Head).decode
_manifest: Final = msgspec.json.Decoder(_Manifest).decode
_catalog: Final = msgspec.json.Decoder(_Catalog).decode

Catalog = Mapping[str, tuple[Field, ...]]
"""The columns of relations as the warehouse has them, by model."""


def read_manifest(data: bytes, catalog: Catalog | None = None, source: str = "the manifest") -> Manifest:
    """The models of a manifest. Raises `UsageError`, which begins with `source`, for anything else."""
    head = _decoded(data, _head, f"{source} is not dbt's manifest.json")
    _check_version(head.metadata.dbt_schema_version, source)
    manifest = _decoded(data, _manifest, f"{source} is not dbt's manifest.json")
    models = {id_: _model(id_, node, catalog or {}) for id_, node in manifest.nodes.items() if _is_built(node)}
    return Manifest(manifest.metadata.project_name or _project_of(models), models, frozenset(manifest.nodes))


def read_catalog(data: bytes, source: str = "the catalog") -> Catalog:
    """The columns of a catalog. Raises `UsageError`, which begins with `source`, for anything else."""
    catalog = _decoded(data, _catalog, f"{source} is not dbt's catalog.json")
    return {id_: tuple(_in_order(node)) for id_, node in catalog.nodes.items()}


def _in_order(node: _CatalogNode) -> Iterator[Field]:
    for column in sorted(node.columns.values(), key=lambda column: column.index):
        yield Field(column.name, column.type)


def _check_version(stated: str, source: str) -> None:
    found = _VERSION.search(stated)
    if found is None or not OLDEST <= int(found[1]) <= NEWEST:
        shown = f"v{found[1]}" if found else quoted(stated)
        raise UsageError(f"{source} is of version {shown}; v{OLDEST} to v{NEWEST} are known (dbt 1.3 and newer)")


def _decoded(data: bytes, decode: Callable[[bytes], _T], problem: str) -> _T:
    try:
        return decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UsageError(f"{problem}: {in_words(error)}") from None


def _is_built(node: _Node) -> bool:
    return node.resource_type in _BUILT and node.config.enabled and node.config.materialized != "ephemeral"


def _model(id_: str, node: _Node, catalog: Catalog) -> Model:
    parts = (node.database, node.schema, node.alias or node.name)
    relation = ".".join(part for part in parts if part)
    return Model(id_, relation, _proposal(id_, node, catalog.get(id_)), frozenset(node.depends_on.nodes))


def _proposal(id_: str, node: _Node, of_catalog: tuple[Field, ...] | None) -> Proposal:
    is_held = node.config.contract is not None and node.config.contract.enforced
    described = tuple(Field(column.name, column.data_type) for column in node.columns.values())
    return Proposal(
        stated_by=id_,
        file=node.original_file_path,
        fields=of_catalog if of_catalog is not None else described,
        is_whole=of_catalog is not None or (is_held and bool(described)),
        ignores_case=True,
        query=_query(node),
    )


def _query(node: _Node) -> Query | None:
    """The query of a model in SQL; what a snapshot has besides is not in its query."""
    text = node.compiled_code or node.raw_code
    return Query(text) if text and node.resource_type == "model" and node.language in {"sql", None} else None


def _project_of(models: Mapping[str, Model]) -> str:
    return next((id_.split(".")[1] for id_ in models if id_.count(".") > 1), "")
