"""One alert, the same in the topic, the command line and the log.

`schemas/lineage_alert.avsc` is the contract; a test holds these types to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from processor.model.change import Cause
from processor.model.identity import Node
from processor.model.tables import ColumnChange


class AlertKind(StrEnum):
    """What an alert is about; DESIGN's table of alerts says when each fires and resolves."""

    SCHEMA_DRIFT = "schema_drift"
    ORPHAN_DATASET = "orphan_dataset"
    MISSING_INPUTS = "missing_inputs"
    MISSING_OUTPUTS = "missing_outputs"
    STUCK_RUN = "stuck_run"
    SILENT_JOB = "silent_job"


class Severity(StrEnum):
    """How urgent: critical breaks someone, warning may, info is for the record."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Status(StrEnum):
    """Whether the condition holds."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Affected:
    """One thing downstream. `possible`: reached through a job that states no column lineage."""

    node: Node
    depth: int
    direct: bool = True
    possible: bool = False


@dataclass(frozen=True, slots=True)
class Impact:
    """What is downstream of the subject, nearest first. `total` counts what `truncated` left out too."""

    columns: tuple[Affected, ...] = ()
    datasets: tuple[Affected, ...] = ()
    jobs: tuple[Affected, ...] = ()
    owners: tuple[str, ...] = ()
    truncated: bool = False
    total: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What a detector says holds now: an alert without its life (status, start, end)."""

    alert_id: str
    kind: AlertKind
    severity: Severity
    subject: Node
    summary: str
    since_us: int
    cause: Cause = field(default_factory=Cause)
    changes: tuple[ColumnChange, ...] = ()
    impact: Impact = field(default_factory=Impact)


@dataclass(frozen=True, slots=True)
class Alert:
    """A finding with its life. `version` grows with each published transition of the alert."""

    finding: Finding
    status: Status
    started_us: int
    ends_us: int | None
    runbook_url: str
    version: int = 1
