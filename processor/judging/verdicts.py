"""What gates answer, the same on the command line, over HTTP and in Python. Shares and scores are from 0 to 1."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from processor.model.alert import Impact, Retyping
from processor.model.fields import impact_fields
from processor.model.identity import Kind, Node
from processor.model.tables import ColumnChangeKind
from processor.model.typed import converter


class NodeRef(msgspec.Struct, kw_only=True):
    """A dataset, a job or a column; only a column has a `field`."""

    kind: Kind
    namespace: str
    name: str
    field: str | msgspec.UnsetType | None = msgspec.UNSET

    @property
    def node(self) -> Node:
        """The node."""
        return Node(self.kind, self.namespace, self.name, self.field or None)


class AffectedNode(msgspec.Struct):
    """Something downstream. `possible`: behind a job that does not say which columns it uses."""

    node: NodeRef
    depth: int
    direct: bool
    possible: bool


class Impacted(msgspec.Struct):
    """What a change of columns breaks, nearest first. `total` counts what was left out, too."""

    columns: list[AffectedNode]
    datasets: list[AffectedNode]
    jobs: list[AffectedNode]
    owners: list[str]
    exposures: list[AffectedNode]
    truncated: bool
    total: int


_impacted = converter(Impacted)


# Provenance


class TrustFactors(msgspec.Struct):
    """Why a source is trusted as far as it is; their product is its score."""

    origin: float
    checks: float
    freshness: float
    columns: float
    drift: float


class SourceVerdict(msgspec.Struct):
    """One transitive source. `path` leads from the subject to it; `reasons` says what takes trust away."""

    source: NodeRef
    ok: bool
    score: float
    factors: TrustFactors
    reasons: list[str]
    path: list[NodeRef]


class ProvenanceVerdict(msgspec.Struct):
    """Whether something may be fed with its sources, the worst first.

    `reason` and `path` say why not, and by which way; both are empty where it may. `notes`: what was taken for granted.
    `truncated`: more was upstream than could be looked at.
    """

    ok: bool
    subject: NodeRef
    trust: float
    min_trust: float
    allowed: list[str]
    reason: str
    path: list[NodeRef]
    sources: list[SourceVerdict]
    truncated: bool
    notes: list[str]


# Impact


class Grade(StrEnum):
    """What a proposed change does: breaks a reader for certain, perhaps, or nobody."""

    BREAKING = "breaking"
    POSSIBLE = "possible"
    HARMLESS = "harmless"


class FailOn(StrEnum):
    """From which grade on the answer is no."""

    BREAKING = "breaking"
    POSSIBLE = "possible"
    ANY = "any"
    NEVER = "never"


FAILS: dict[FailOn, frozenset[Grade]] = {
    FailOn.BREAKING: frozenset({Grade.BREAKING}),
    FailOn.POSSIBLE: frozenset({Grade.BREAKING, Grade.POSSIBLE}),
    FailOn.ANY: frozenset(Grade),
    FailOn.NEVER: frozenset(),
}


class ProposedColumn(msgspec.Struct):
    """What would become of a column; see `schemas/lineage_alert.avsc`."""

    path: str
    change: ColumnChangeKind
    from_type: str | None
    to_type: str | None
    retyping: Retyping | None
    renamed_to: str | None
    evidence: list[str]


class DatasetChange(msgspec.Struct):
    """What would become of a dataset. `stated_by` is the dbt model or the file that says so, `file` where it is."""

    dataset: NodeRef
    grade: Grade
    summary: str
    stated_by: str
    file: str | None
    changes: list[ProposedColumn]
    impact: Impacted


class ImpactVerdict(msgspec.Struct):
    """What a proposed change would break, the gravest first.

    `compared`: how many datasets were. `notes`: what could not be judged, and what was taken for granted.
    """

    ok: bool
    fail_on: FailOn
    compared: int
    changes: list[DatasetChange]
    notes: list[str]


# Coverage


class ShareOf(msgspec.Struct):
    """So many of so many; `ratio` is null of nothing. `missing`: some that are lacking."""

    ratio: float | None
    having: int
    total: int
    missing: list[str]


class DepthOf(msgspec.Struct):
    """How many jobs data passed through on the shortest way from a source."""

    average: float
    max: int


class CoverageOf(msgspec.Struct):
    """How complete the lineage of a namespace is; of all, where `namespace` is null."""

    namespace: str | None
    datasets: ShareOf
    runs: ShareOf
    columns: ShareOf
    depth: DepthOf | None


class CoverageVerdict(msgspec.Struct):
    """Whether every share reaches the target, in percent; `below` names those that do not."""

    ok: bool
    fail_under: float
    below: list[str]
    coverage: CoverageOf


def ref(node: Node) -> NodeRef:
    """The node as an answer names it."""
    field = msgspec.UNSET if node.field is None else node.field
    return NodeRef(kind=node.kind, namespace=node.namespace, name=node.name, field=field)


def impacted(impact: Impact) -> Impacted:
    """What is downstream as an answer tells it."""
    return _impacted(impact_fields(impact))
