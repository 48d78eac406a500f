"""Who is who: datasets, jobs, runs and columns.

Rules kept here:
- identity is (kind, namespace, name[, field]);
- scheme and authority of a namespace compare case-insensitively, the rest exactly;
- an id is a fixed-length hash with length-prefixed parts, so no name can break or forge a key.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

ID_BYTES = 12
"""96 bits: at 10^8 nodes the chance of any collision is below 10^-12."""


class Kind(StrEnum):
    """What a node is."""

    DATASET = "dataset"
    JOB = "job"
    RUN = "run"
    COLUMN = "column"
    NAMESPACE = "namespace"

    __hash__ = str.__hash__
    """That of an enum is a function in Python, and a node is looked up often."""


class Node(NamedTuple):
    """A thing that lineage speaks of. `field` is set for columns only.

    A run's `namespace` is its job's and its `name` is the run id. A namespace has no name.
    """

    kind: Kind
    namespace: str
    name: str
    field: str | None = None

    @property
    def id(self) -> bytes:
        """12 bytes, the same in every process and release."""
        return node_id(self)

    @property
    def dataset(self) -> Node:
        """The dataset that a column belongs to; itself for any other node."""
        if self.kind is not Kind.COLUMN:
            return self
        return Node(Kind.DATASET, self.namespace, self.name)

    def column(self, field: str) -> Node:
        """The column `field` of this dataset."""
        return Node(Kind.COLUMN, self.namespace, self.name, field)

    def __str__(self) -> str:
        """The form that the command line takes: `kind:namespace:name[:field]`."""
        kind, namespace, name, field = self
        return ":".join((kind, namespace, name) if field is None else (kind, namespace, name, field))


def dataset(namespace: str, name: str) -> Node:
    """A dataset, its namespace in canonical form."""
    return Node(Kind.DATASET, canonical_namespace(namespace), name)


def job(namespace: str, name: str) -> Node:
    """A job, its namespace in canonical form."""
    return Node(Kind.JOB, canonical_namespace(namespace), name)


@lru_cache(maxsize=65_536)
def canonical_namespace(namespace: str) -> str:
    """Lowercase the scheme and the authority of `scheme://authority/path`; leave the rest alone.

    Source: OpenLineage naming conventions; RFC 3986 section 6.2.2.1.
    """
    scheme, separator, rest = namespace.partition("://")
    if not separator:
        return namespace
    authority, slash, path = rest.partition("/")
    return f"{scheme.lower()}://{authority.lower()}{slash}{path}"


@lru_cache(maxsize=262_144)
def node_id(node: Node) -> bytes:
    """Hash of the identity's parts, each with its length in front."""
    parts = [node.kind.value, node.namespace, node.name]
    if node.field is not None:
        parts.append(node.field)
    return hash_parts(*parts)


def run_key(job_node: Node, run_id: str) -> bytes:
    """Id of a run. Runs are kept with their job, so one run id used by two jobs is two runs."""
    digest = _of_job(job_node.namespace, job_node.name).copy()
    digest.update(_part(run_id))
    return digest.digest()


@lru_cache(maxsize=16_384)
def _of_job(namespace: str, name: str) -> blake2b:
    """What the ids of all runs of a job begin with."""
    return blake2b(b"".join(map(_part, (Kind.RUN.value, namespace, name))), digest_size=ID_BYTES)


def hash_parts(*parts: str) -> bytes:
    """12 bytes of BLAKE2b over length-prefixed UTF-8 parts."""
    return blake2b(b"".join(map(_part, parts)), digest_size=ID_BYTES).digest()


def _part(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return len(data).to_bytes(4, "big") + data
