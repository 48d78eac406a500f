"""Marquez's ids: of nodes, of versions."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final
from uuid import UUID

from processor.api.problems import bad_parameter
from processor.model.identity import Kind, Node
from processor.model.text import quoted

__all__ = ["asked_node", "field_id", "node_id", "version_id"]

_VERSION: Final = re.compile(r"#[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_FIELD: Final = "datasetField:"


def node_id(node: Node) -> str:
    """`dataset:NAMESPACE:NAME` or `job:NAMESPACE:NAME`."""
    return f"{node.kind.value}:{node.namespace}:{node.name}"


def field_id(column: Node) -> str:
    """`datasetField:NAMESPACE:DATASET:FIELD`."""
    return f"{_FIELD}{column.namespace}:{column.name}:{column.field}"


def asked_node(text: str) -> tuple[str, bool]:
    """A node as we call it, and whether a version of it was asked for. Raises `ProblemError`."""
    if not text.startswith(("dataset:", "job:", _FIELD)):
        raise bad_parameter("nodeId", f"{quoted(text)!r} is not dataset:…, job:… or datasetField:…")
    plain = _VERSION.sub("", text)
    named = f"{Kind.COLUMN.value}:{plain.removeprefix(_FIELD)}" if plain.startswith(_FIELD) else plain
    return named, plain != text


def version_id(node: Node, *parts: bytes) -> str:
    """The same UUID for the same version, in every process."""
    digest = blake2b(node.id, digest_size=16)
    for part in parts:
        digest.update(part)
    return str(UUID(bytes=digest.digest(), version=5))
