"""dbt's artifacts, as small as they can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tests.support.events import Json


def model(
    name: str,
    columns: Mapping[str, str | None] | None = None,
    sql: str | None = None,
    *,
    depends_on: Sequence[str] = (),
    database: str = "db",
    **also: object,
) -> Json:
    """A node of a manifest."""
    return {
        "resource_type": "model",
        "name": name,
        "alias": name,
        "database": database,
        "schema": "main",
        "language": "sql",
        "original_file_path": f"models/{name}.sql",
        "raw_code": sql,
        "columns": {each: {"name": each, "data_type": type_} for each, type_ in (columns or {}).items()},
        "depends_on": {"nodes": [f"model.shop.{each}" for each in depends_on]},
        **also,
    }


def manifest(*models: Json, version: str = "v12") -> bytes:
    """A manifest of the project `shop`."""
    metadata = {"dbt_schema_version": f"https://schemas.getdbt.com/dbt/manifest/{version}.json", "project_name": "shop"}
    nodes = {f"{each['resource_type']}.shop.{each['name']}": each for each in models}
    return msgspec.json.encode({"metadata": metadata, "nodes": nodes})


def catalog(**models: Mapping[str, str]) -> bytes:
    """A catalog with the columns of models."""
    nodes = {
        f"model.shop.{name}": {
            "columns": {each: {"name": each, "type": type_, "index": n} for n, (each, type_) in enumerate(of.items())}
        }
        for name, of in models.items()
    }
    return msgspec.json.encode({"nodes": nodes})
