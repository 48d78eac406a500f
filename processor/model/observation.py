"""What one event says, in the processor's own words, whatever format it came in.

An `Observation` is all that the index needs of an event. It holds no order and no position: where
it was read (topic, partition, offset) travels beside it as `Place`.
Times are integers, microseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag, StrEnum
from functools import cached_property
from typing import NamedTuple

import msgspec

from processor.model.errors import FacetProblem
from processor.model.identity import Node
from processor.model.mapping import EMPTY, Mapping, encode_mapping
from processor.model.tables import Columns, encode_columns, schema_fingerprint

Facets = dict[str, bytes | None]
"""Facets by name: JSON as it came, or None where the event takes the facet back (`_deleted`)."""


CHECKS = "dataQualityAssertions"
"""The facet with what checks of a dataset found. `CHECKS@job` is what that job found when it read the dataset."""
DESCRIPTIONS = "schema@descriptions"
"""The facet with the descriptions of a dataset's columns, by path."""


def is_ours(facet: str) -> bool:
    """Whether a facet has a name that is made here only, of what other facets state: no event may state it."""
    return facet == DESCRIPTIONS or facet.startswith(f"{CHECKS}@")


class Evidence(IntFlag):
    """How an edge is known; several may hold at once. Bits are stored: never renumber."""

    EXPLICIT = 1
    COLUMN = 2
    INPUTS_OUTPUTS = 4
    DECLARED = 8
    SYMLINK = 16
    RENAME = 32


class EdgeType(StrEnum):
    """Kinds of edges; from → to follows the data."""

    READS = "reads"
    WRITES = "writes"
    DERIVES = "derives"
    PARENT = "parent"
    SYMLINK = "symlink"


class Role(StrEnum):
    """In which role an event speaks of a dataset. Values are stored: never change them."""

    WRITER = "w"
    READER = "r"
    PRODUCER = "p"


class RunState(StrEnum):
    """State that an event reports for its run; OTHER says nothing about the state."""

    START = "START"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    FAIL = "FAIL"
    ABORT = "ABORT"
    OTHER = "OTHER"


TERMINAL = frozenset({RunState.COMPLETE, RunState.FAIL, RunState.ABORT})


class Edge(NamedTuple):
    """A stated edge between datasets and jobs. Column edges live in mappings."""

    type: EdgeType
    src: Node
    dst: Node
    evidence: Evidence


class Lifecycle(NamedTuple):
    """`lifecycleStateChange`: the state, and for RENAME the dataset's former identity."""

    state: str
    previous: Node | None = None


class RunFact(NamedTuple):
    """What the event says of its run."""

    run_id: str
    state: RunState = RunState.OTHER
    parent: tuple[Node, str] | None = None
    nominal_us: tuple[int, int | None] | None = None
    error: str | None = None


@dataclass(frozen=True)
class DatasetFact:
    """What the event says of a dataset, in one role.

    `columns`: None says nothing, empty clears the schema. `mapping`: None says nothing, empty takes
    column lineage back. `explicit`: the mapping comes from a `lineage` facet, so nothing beyond it
    may be inferred.
    """

    node: Node
    role: Role
    facets: Facets
    columns: Columns | None = None
    mapping: Mapping | None = None
    explicit: bool = False
    lifecycle: Lifecycle | None = None

    @cached_property
    def schema_content(self) -> bytes:
        """The schema as stored; empty when there is none, or when it is cleared."""
        return encode_columns(self.columns) if self.columns else b""

    @cached_property
    def schema_mark(self) -> bytes:
        """The schema's fingerprint; empty when there is none, or when it is cleared."""
        return schema_fingerprint(self.columns) if self.columns else b""

    @cached_property
    def mapping_content(self) -> bytes:
        """The mapping as stored; empty when there is none, or when it is taken back."""
        if self.mapping is None or (self.mapping == EMPTY and not self.explicit):
            return b""
        return encode_mapping(self.mapping)

    @cached_property
    def sources(self) -> tuple[Node, ...]:
        """The datasets that the mapping names, sorted."""
        return tuple(sorted(self.mapping.datasets())) if self.mapping else ()


class Observation(NamedTuple):
    """All that one event states.

    `digest`: 8 bytes, the event's identity, breaks ties between equal times. `job` is None for an
    event about a dataset alone. `edges` holds reads, writes, parent and symlink edges.
    """

    time_us: int
    digest: bytes
    producer: str
    job: Node | None = None
    job_facets: Facets | None = None
    run: RunFact | None = None
    datasets: tuple[DatasetFact, ...] = ()
    edges: tuple[Edge, ...] = ()
    problems: tuple[FacetProblem, ...] = ()


class Place(msgspec.Struct, frozen=True, gc=False, eq=False):
    """Where a record was read.

    `received_us`: its own timestamp, None where the broker keeps none; it is no part of the place.
    """

    topic: str
    partition: int
    offset: int
    received_us: int | None = None

    def __eq__(self, other: object) -> bool:
        """Whether it is the same record."""
        return isinstance(other, Place) and self._record == other._record

    def __hash__(self) -> int:
        """That of the record."""
        return hash(self._record)

    @property
    def _record(self) -> tuple[str, int, int]:
        return self.topic, self.partition, self.offset
