"""The JSON form of nodes, edges and schemas: plain dicts whose members stand in the documented order."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache, reduce
from operator import or_
from typing import Any

from processor.model.history import KnownEdge, Lane, NodeRecord
from processor.model.identity import Node
from processor.model.observation import Evidence, Role
from processor.model.tables import ColumnChange, diff_columns
from processor.render.times import rfc3339

Record = dict[str, Any]
"""One JSON object."""

_EVIDENCE = {
    Evidence.EXPLICIT: "explicit",
    Evidence.COLUMN: "column",
    Evidence.INPUTS_OUTPUTS: "inputs_outputs",
    Evidence.DECLARED: "declared",
    Evidence.SYMLINK: "symlink",
    Evidence.RENAME: "rename",
}
_ROLES = {Role.WRITER: "writer", Role.READER: "reader", Role.PRODUCER: "producer"}


def node(of: Node) -> Record:
    """`{"kind", "namespace", "name"[, "field"]}`."""
    record = {"kind": of.kind.value, "namespace": of.namespace, "name": of.name}
    return record if of.field is None else {**record, "field": of.field}


def evidence(bits: Evidence) -> list[str]:
    """The names of the evidence, in the order of their weight."""
    return [*evidence_names(bits)]


@cache
def evidence_names(bits: int) -> tuple[str, ...]:
    """The same, for who tells thousands."""
    return tuple(name for bit, name in _EVIDENCE.items() if bit & bits)


def evidence_named(names: Iterable[str]) -> Evidence | None:
    """The inverse of `evidence`, None for no names; raises KeyError for a name that is none."""
    bits = {name: bit for bit, name in _EVIDENCE.items()}
    return reduce(or_, (bits[name] for name in names)) if (names := list(names)) else None


def edge(of: KnownEdge) -> Record:
    """One line of `export edges`."""
    record: Record = {"type": of.type.value, "from": node(of.src), "to": node(of.dst)}
    if of.job is not None:
        record["job"] = node(of.job)
    if of.direct is not None:
        record["direct"] = of.direct
    record["evidence"] = evidence(of.evidence)
    record["first_seen"] = rfc3339(of.first_seen_us)
    record["last_seen"] = rfc3339(of.last_seen_us)
    return record


def node_record(of: NodeRecord) -> Record:
    """One line of `export nodes`. Facets are as they came, parsed."""
    record: Record = node(of.node)
    record["first_seen"] = rfc3339(of.first_seen_us)
    record["last_seen"] = rfc3339(of.last_seen_us)
    if of.last_write_us is not None:
        record["last_write"] = rfc3339(of.last_write_us)
    if of.lifecycle is not None:
        record["lifecycle"] = of.lifecycle.state
    if of.dropped:
        record["dropped"] = True
    record["facets"] = {name: json.loads(of.facets[name]) for name in sorted(of.facets)}
    return record


def lane(of: Lane) -> Record:
    """The schema history of a dataset as one observer states it."""
    return {
        "role": _ROLES[of.observer.role],
        "namespace": of.observer.namespace,
        "name": of.observer.name,
        "current": None if of.current is None else of.current.hex(),
        "versions": [
            {
                "fingerprint": version.fingerprint.hex(),
                "first_seen": rfc3339(version.first_seen_us),
                "last_seen": rfc3339(version.last_seen_us),
                "run_id": version.run_id,
                "columns": [{"path": column.path, "type": column.type} for column in version.columns],
                "changes": [] if before is None else changes(diff_columns(before.columns, version.columns)),
            }
            for before, version in zip((None, *of.versions), of.versions, strict=False)
        ],
    }


def changes(of: Iterable[ColumnChange]) -> list[Record]:
    """What became of columns, with their types before and after."""
    return [{"path": c.path, "change": c.change.value, "from": c.from_type, "to": c.to_type} for c in of]


def role_name(role: Role) -> str:
    """`writer`, `reader` or `producer`."""
    return _ROLES[role]
