"""What the index knows of a thing over time: the values that detectors and people look at.

Times are microseconds since 1970-01-01 UTC; `last_seen_us` is kept to the hour (floor).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from processor.model.identity import Node
from processor.model.mapping import Mapping
from processor.model.observation import EdgeType, Evidence, Lifecycle, Role, RunState
from processor.model.tables import Columns

HOUR_US = 3_600_000_000
RECENT_HOURS = 14
"""How many hours are kept of a statement or of a dataset's writes, newest first: two weeks of a daily one.

With 14 a stored value is 64 bytes, the most that leaves a Redis hash in its small form.
"""

STARTED_DAYS = 8
"""Of how many days it is kept in which hours a job started: a week, and the day it has come to."""


class Observer(NamedTuple):
    """Who states a schema: a job in a role (`namespace`, `name`), or a producer (`name` is its URI)."""

    role: Role
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """One schema that an observer stated. `run_id` is the run that stated it first, if any.

    `hours`: the newest hours since 1970 in which it was stated, newest first, at most `RECENT_HOURS`.
    """

    fingerprint: bytes
    columns: Columns
    first_seen_us: int
    hours: tuple[int, ...]
    run_id: str | None = None

    @property
    def last_seen_us(self) -> int:
        """Last seen, floored to its hour, but never before first seen."""
        return max(self.hours[0] * HOUR_US, self.first_seen_us)


@dataclass(frozen=True, slots=True)
class Lane:
    """Schema history of one dataset as one observer states it.

    `versions` are sorted by first seen. `current` is the newest statement's fingerprint: None when
    the newest statement cleared the schema. `current_us` is that statement's time.
    """

    dataset: Node
    observer: Observer
    versions: tuple[SchemaVersion, ...]
    current: bytes | None
    current_us: int

    def version(self, fingerprint: bytes | None) -> SchemaVersion | None:
        """The version of that fingerprint, if the lane has it."""
        return next((v for v in self.versions if v.fingerprint == fingerprint), None)


class FinishedRun(NamedTuple):
    """A run that ended. `inputs`, `outputs`: how many datasets; `mapped`: outputs with columns' lineage.

    `signature` is equal for runs with the same inputs, outputs and mapped outputs.
    """

    run_id: str
    started_us: int
    ended_us: int
    state: RunState
    inputs: int
    outputs: int
    mapped: int
    signature: bytes


class RunMembers(NamedTuple):
    """Which datasets (ids) a finished run read and wrote, and for which outputs it stated columns' lineage."""

    run: FinishedRun
    inputs: frozenset[bytes]
    outputs: frozenset[bytes]
    mapped: frozenset[bytes]


class OpenRun(NamedTuple):
    """A run that has not ended. `has_started`: whether a START or RUNNING says so, not an OTHER alone.

    `started_us`: its START; without one, its first event.
    """

    run_id: str
    started_us: int
    has_started: bool = True


@dataclass(frozen=True, slots=True)
class JobHistory:
    """A job's newest finished runs (newest end first, at most `RECENT_RUNS`) and its open runs.

    `processing_type`: BATCH, STREAMING, SERVICE or None; `integration`, `job_type` as in jobType. `started_hours`: see
    `NodeRecord`.
    """

    job: Node
    finished: tuple[FinishedRun, ...] = ()
    open: tuple[OpenRun, ...] = ()
    processing_type: str | None = None
    integration: str | None = None
    job_type: str | None = None
    first_seen_us: int = 0
    last_seen_us: int = 0
    started_hours: tuple[int, ...] = ()

    def running(self) -> list[OpenRun]:
        """The open runs that have started, oldest first."""
        return [run for run in self.open if run.has_started]

    def completed(self) -> list[FinishedRun]:
        """The runs that ended well, newest first."""
        return [run for run in self.finished if run.state is RunState.COMPLETE]


RECENT_RUNS = 32
"""How many finished runs a job keeps, newest by end."""


class NodeRecord(msgspec.Struct, frozen=True):
    """A node as the index knows it. `facets` holds the newest JSON of each kept facet by name.

    `written_hours`: the newest hours since 1970 in which a run that has not failed wrote the dataset,
    newest first, at most `RECENT_HOURS`; `last_write_us` is the newest such event. `lifecycle_us`: when `lifecycle` was
    stated. `started_hours`: the hours in which a job's runs started, newest first, of the newest `STARTED_DAYS` days.
    """

    node: Node
    first_seen_us: int
    last_seen_us: int
    facets: dict[str, bytes] = msgspec.field(default_factory=dict)
    last_write_us: int | None = None
    lifecycle: Lifecycle | None = None
    lifecycle_us: int | None = None
    dropped: bool = False
    written_hours: tuple[int, ...] = ()
    started_hours: tuple[int, ...] = ()


class KnownEdge(msgspec.Struct, frozen=True, gc=False):
    """An edge of the index. `job` is set where a job carries a column edge; `direct` likewise."""

    type: EdgeType
    src: Node
    dst: Node
    evidence: Evidence
    first_seen_us: int
    last_seen_us: int
    job: Node | None = None
    direct: bool | None = None


class KnownMapping(msgspec.Struct, frozen=True):
    """A mapping of the index: `owner` (a job, or the output itself) states it for `output`."""

    owner: Node
    output: Node
    mapping: Mapping
    evidence: Evidence
    first_seen_us: int
    last_seen_us: int
    is_current: bool


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run as the index knows it. `state` is the terminal state once there is one."""

    job: Node
    run_id: str
    state: RunState
    first_seen_us: int
    last_event_us: int
    started_us: int | None
    ended_us: int | None
    inputs: tuple[bytes, ...] = ()
    outputs: tuple[bytes, ...] = ()
    parent: tuple[Node, str] | None = None
    nominal_us: tuple[int, int | None] | None = None
    error: str | None = None
