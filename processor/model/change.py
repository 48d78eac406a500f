"""What became different in the index: the record on `lineage.changes`.

`schemas/lineage_change.avsc` is the contract; a test holds these types to it. Ids are functions of
the content, so that a change announced twice is the same change.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from processor.model.history import Observer
from processor.model.identity import Node
from processor.model.observation import EdgeType, Evidence, Place, RunState
from processor.model.tables import ColumnChange


class ItemKind(StrEnum):
    """What kind of thing became different."""

    NODE_ADDED = "NODE_ADDED"
    EDGE_ADDED = "EDGE_ADDED"
    SCHEMA_CHANGED = "SCHEMA_CHANGED"
    MAPPING_CHANGED = "MAPPING_CHANGED"
    LIFECYCLE_CHANGED = "LIFECYCLE_CHANGED"
    RUN_FAILED = "RUN_FAILED"
    RUN_DIFFERED = "RUN_DIFFERED"


@dataclass(frozen=True, slots=True)
class Cause:
    """Which event brought it about, and where that event was read."""

    job: Node | None = None
    run_id: str | None = None
    producer: str | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """A lane's current schema changed. Fingerprints are hex; None where there is no schema."""

    observer: Observer
    from_fingerprint: str | None
    to_fingerprint: str | None
    columns: tuple[ColumnChange, ...] = ()


@dataclass(frozen=True, slots=True)
class EdgeChange:
    """An edge that was not known before."""

    type: EdgeType
    src: Node
    dst: Node
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class RunChange:
    """A run that ended in a way worth a look."""

    run_id: str
    state: RunState
    started_us: int
    ended_us: int
    inputs: int
    outputs: int


@dataclass(frozen=True, slots=True)
class ChangeItem:
    """One thing that became different. Which of the optional parts is set follows from `kind`."""

    item_id: str
    kind: ItemKind
    event_time_us: int
    cause: Cause
    edge: EdgeChange | None = None
    schema: SchemaChange | None = None
    run: RunChange | None = None
    output: Node | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """All that one batch of events changed about one node."""

    change_id: str
    node: Node
    items: tuple[ChangeItem, ...]
