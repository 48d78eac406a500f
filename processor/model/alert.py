"""One alert, the same in the topic, the command line and the log.

`schemas/lineage_alert.avsc` is the contract; a test holds these types to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

import msgspec

from processor.model.change import Cause
from processor.model.identity import Node
from processor.model.tables import ColumnChange, ColumnChangeKind


class AlertKind(StrEnum):
    """What an alert is about; DESIGN's table of alerts says when each fires and resolves."""

    SCHEMA_DRIFT = "schema_drift"
    SCHEMA_FLAPPING = "schema_flapping"
    ORPHAN_DATASET = "orphan_dataset"
    MISSING_INPUTS = "missing_inputs"
    MISSING_OUTPUTS = "missing_outputs"
    BROKEN_LINEAGE = "broken_lineage"
    MISSING_COLUMN_LINEAGE = "missing_column_lineage"
    UNTRACKED_PIPELINE = "untracked_pipeline"
    FRAGMENTED_NAMESPACE = "fragmented_namespace"
    STUCK_RUN = "stuck_run"
    SILENT_JOB = "silent_job"
    SILENT_DATASET = "silent_dataset"
    UNTRUSTED_SOURCE = "untrusted_source"
    LOW_COVERAGE = "low_coverage"
    ALERT_STORM = "alert_storm"


class Severity(StrEnum):
    """How urgent: critical breaks someone, warning may, info is for the record."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Status(StrEnum):
    """Whether the condition holds."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Retyping(StrEnum):
    """What a new type is to the one before it."""

    WIDENED = "widened"
    NARROWED = "narrowed"
    INCOMPATIBLE = "incompatible"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """What became of one column of the subject.

    `retyping` is set for a retyped one. `renamed_to`: a removed column may live on under this name; `evidence` says in
    words what speaks for it.
    """

    path: str
    change: ColumnChangeKind
    from_type: str | None = None
    to_type: str | None = None
    retyping: Retyping | None = None
    renamed_to: str | None = None
    evidence: tuple[str, ...] = ()

    @classmethod
    def of(cls, change: ColumnChange) -> Self:
        """The change as it is, with nothing known of its nature."""
        return cls(change.path, change.change, change.from_type, change.to_type)


class Affected(msgspec.Struct, frozen=True, gc=False):
    """One thing downstream. `possible`: reached through a job that states no column lineage."""

    node: Node
    depth: int
    direct: bool = True
    possible: bool = False


@dataclass(frozen=True, slots=True)
class Impact:
    """What is downstream of the subject, nearest first. `total` counts what `truncated` left out too.

    `exposures`: those of the datasets and jobs that the graph ends in: dashboards, models, features, tables that nobody
    reads on.
    """

    columns: tuple[Affected, ...] = ()
    datasets: tuple[Affected, ...] = ()
    jobs: tuple[Affected, ...] = ()
    owners: tuple[str, ...] = ()
    exposures: tuple[Affected, ...] = ()
    truncated: bool = False
    total: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """A finding that has the same root cause as the one which tells of it."""

    alert_id: str
    kind: AlertKind
    severity: Severity
    subject: Node
    summary: str
    since_us: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What a detector says holds now: an alert without its life (status, start, end).

    `path`: nodes from the subject to what is to blame, where that is not the subject itself. `members` names some of
    the `member_count` findings that are told with this one.
    """

    alert_id: str
    kind: AlertKind
    severity: Severity
    subject: Node
    summary: str
    since_us: int
    cause: Cause = field(default_factory=Cause)
    changes: tuple[ColumnDrift, ...] = ()
    impact: Impact = field(default_factory=Impact)
    path: tuple[Node, ...] = ()
    members: tuple[Member, ...] = ()
    member_count: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """What a person said of an alert: who, when, why, and until when it holds.

    `pattern`: it was said of everything that this glob matches.
    """

    by: str
    at_us: int
    reason: str = ""
    until_us: int | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """A finding with its life. `version` grows with each published transition of the alert.

    `acknowledged`: somebody has seen it, or has accepted it. `muted`: it is to be told nobody for a while. Not on the
    topic: `openings`, the newest times at which it began to fire; `quiet_since_us`, since when its finding has not held
    though it still fires, for it comes and goes.
    """

    finding: Finding
    status: Status
    started_us: int
    ends_us: int | None
    runbook_url: str
    version: int = 1
    acknowledged: Note | None = None
    muted: Note | None = None
    openings: tuple[int, ...] = ()
    quiet_since_us: int | None = None
