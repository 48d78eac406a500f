"""Changes and alerts as the fields of their Avro records, and back."""

from __future__ import annotations

from typing import Any, Final

from processor.model.alert import (
    Affected,
    Alert,
    AlertKind,
    ColumnDrift,
    Finding,
    Impact,
    Member,
    Note,
    Retyping,
    Severity,
    Status,
)
from processor.model.change import Cause, Change, ChangeItem, EdgeChange, ItemKind, RunChange, SchemaChange
from processor.model.history import Observer
from processor.model.identity import Kind, Node
from processor.model.observation import EdgeType, Evidence, Place, Role, RunState
from processor.model.tables import ColumnChange, ColumnChangeKind

_UNKNOWN: Final = "UNKNOWN"

_Fields = dict[str, Any]


def change_fields(change: Change) -> _Fields:
    """Give a change as the schema says: what people see as JSON."""
    items = [_from_item(item) for item in change.items]
    return {"change_id": change.change_id, "node": _from_node(change.node), "items": items}


def alert_fields(alert: Alert) -> _Fields:
    """Give an alert as the schema says: what people see as JSON."""
    finding = alert.finding
    return {
        "alert_id": finding.alert_id,
        "kind": finding.kind.value,
        "severity": finding.severity.value,
        "status": alert.status.value,
        "subject": _from_node(finding.subject),
        "summary": finding.summary,
        "cause": _from_cause(finding.cause),
        "changes": [_from_drift(drift) for drift in finding.changes],
        "impact": _from_impact(finding.impact),
        "started_at": alert.started_us,
        "ends_at": alert.ends_us,
        "runbook_url": alert.runbook_url,
        "version": alert.version,
        "path": [_from_node(node) for node in finding.path],
        "members": [_from_member(member) for member in finding.members],
        "member_count": finding.member_count,
        "acknowledged": _from_note(alert.acknowledged),
        "muted": _from_note(alert.muted),
    }


def impact_fields(impact: Impact) -> _Fields:
    """Give what is downstream as an alert tells it."""
    return _from_impact(impact)


def to_change(fields: _Fields) -> Change:
    """Inverse of `change_fields`."""
    items = tuple(_to_item(item) for item in fields["items"] if item["kind"] != _UNKNOWN)
    return Change(fields["change_id"], _to_node(fields["node"]), items)


def _from_node(node: Node) -> _Fields:
    return {"kind": node.kind.value, "namespace": node.namespace, "name": node.name, "field": node.field}


def _to_node(fields: _Fields) -> Node:
    return Node(Kind(fields["kind"]), fields["namespace"], fields["name"], fields["field"])


def _from_cause(cause: Cause) -> _Fields:
    place = cause.place
    return {
        "job": _from_node(cause.job) if cause.job else None,
        "run_id": cause.run_id,
        "producer": cause.producer,
        "place": {"topic": place.topic, "partition": place.partition, "offset": place.offset} if place else None,
    }


def _to_cause(fields: _Fields) -> Cause:
    job, place = fields["job"], fields["place"]
    return Cause(
        _to_node(job) if job else None,
        fields["run_id"],
        fields["producer"],
        Place(place["topic"], _int(place["partition"]), place["offset"]) if place else None,
    )


def _from_column(change: ColumnChange) -> _Fields:
    return {
        "path": change.path,
        "change": change.change.value,
        "from_type": change.from_type,
        "to_type": change.to_type,
    }


def _to_column(fields: _Fields) -> ColumnChange:
    return ColumnChange(fields["path"], ColumnChangeKind(fields["change"]), fields["from_type"], fields["to_type"])


def _from_drift(drift: ColumnDrift) -> _Fields:
    return {
        "path": drift.path,
        "change": drift.change.value,
        "from_type": drift.from_type,
        "to_type": drift.to_type,
        "retyping": drift.retyping.value if drift.retyping else None,
        "renamed_to": drift.renamed_to,
        "evidence": list(drift.evidence),
    }


def _to_drift(fields: _Fields) -> ColumnDrift:
    return ColumnDrift(
        fields["path"],
        ColumnChangeKind(fields["change"]),
        fields["from_type"],
        fields["to_type"],
        Retyping(fields["retyping"]) if fields["retyping"] else None,
        fields["renamed_to"],
        tuple(fields["evidence"]),
    )


def _from_member(member: Member) -> _Fields:
    return {
        "alert_id": member.alert_id,
        "kind": member.kind.value,
        "severity": member.severity.value,
        "subject": _from_node(member.subject),
        "summary": member.summary,
        "started_at": member.since_us,
    }


def _to_member(fields: _Fields) -> Member:
    return Member(
        alert_id=fields["alert_id"],
        kind=AlertKind(fields["kind"]),
        severity=Severity(fields["severity"]),
        subject=_to_node(fields["subject"]),
        summary=fields["summary"],
        since_us=fields["started_at"],
    )


def _from_note(note: Note | None) -> _Fields | None:
    if note is None:
        return None
    said = {"by": note.by, "at": note.at_us, "reason": note.reason, "until": note.until_us}
    return said | {"pattern": note.pattern}


def _to_note(fields: _Fields | None) -> Note | None:
    if fields is None:
        return None
    return Note(fields["by"], fields["at"], fields["reason"], fields["until"], fields["pattern"])


def _from_item(item: ChangeItem) -> _Fields:
    return {
        "item_id": item.item_id,
        "kind": item.kind.value,
        "event_time": item.event_time_us,
        "cause": _from_cause(item.cause),
        "edge": _from_edge(item.edge) if item.edge else None,
        "schema": _from_schema(item.schema) if item.schema else None,
        "run": _from_run(item.run) if item.run else None,
        "output": _from_node(item.output) if item.output else None,
        "detail": item.detail,
    }


def _to_item(fields: _Fields) -> ChangeItem:
    return ChangeItem(
        item_id=fields["item_id"],
        kind=ItemKind(fields["kind"]),
        event_time_us=fields["event_time"],
        cause=_to_cause(fields["cause"]),
        edge=_to_edge(fields["edge"]) if fields["edge"] else None,
        schema=_to_schema(fields["schema"]) if fields["schema"] else None,
        run=_to_run(fields["run"]) if fields["run"] else None,
        output=_to_node(fields["output"]) if fields["output"] else None,
        detail=fields["detail"],
    )


def _from_edge(edge: EdgeChange) -> _Fields:
    evidence = [bit.name.lower() for bit in edge.evidence if bit.name]
    return {"type": edge.type.value, "from": _from_node(edge.src), "to": _from_node(edge.dst), "evidence": evidence}


def _to_edge(fields: _Fields) -> EdgeChange:
    evidence = Evidence(0)
    for name in fields["evidence"]:
        evidence |= Evidence.__members__.get(name.upper(), Evidence(0))
    return EdgeChange(EdgeType(fields["type"]), _to_node(fields["from"]), _to_node(fields["to"]), evidence)


def _from_schema(schema: SchemaChange) -> _Fields:
    observer = schema.observer
    return {
        "observer": {"role": observer.role.name, "namespace": observer.namespace or None, "name": observer.name},
        "from_fingerprint": schema.from_fingerprint,
        "to_fingerprint": schema.to_fingerprint,
        "columns": [_from_column(change) for change in schema.columns],
    }


def _to_schema(fields: _Fields) -> SchemaChange:
    who = fields["observer"]
    return SchemaChange(
        Observer(Role[who["role"]], who["namespace"] or "", who["name"]),
        fields["from_fingerprint"],
        fields["to_fingerprint"],
        tuple(_to_column(change) for change in fields["columns"]),
    )


def _from_run(run: RunChange) -> _Fields:
    # Times that nobody stated are 0 in the model and null in the record.
    return {
        "run_id": run.run_id,
        "state": run.state.value,
        "started_at": run.started_us or None,
        "ended_at": run.ended_us or None,
        "inputs": run.inputs,
        "outputs": run.outputs,
    }


def _to_run(fields: _Fields) -> RunChange:
    return RunChange(
        fields["run_id"],
        RunState(fields["state"]),
        fields["started_at"] or 0,
        fields["ended_at"] or 0,
        _int(fields["inputs"]),
        _int(fields["outputs"]),
    )


def _from_affected(affected: Affected) -> _Fields:
    return {
        "node": _from_node(affected.node),
        "depth": affected.depth,
        "direct": affected.direct,
        "possible": affected.possible,
    }


def _to_affected(fields: _Fields) -> Affected:
    return Affected(_to_node(fields["node"]), _int(fields["depth"]), fields["direct"], fields["possible"])


def _from_impact(impact: Impact) -> _Fields:
    return {
        "columns": [_from_affected(each) for each in impact.columns],
        "datasets": [_from_affected(each) for each in impact.datasets],
        "jobs": [_from_affected(each) for each in impact.jobs],
        "owners": list(impact.owners),
        "exposures": [_from_affected(each) for each in impact.exposures],
        "truncated": impact.truncated,
        "total": impact.total,
    }


def _to_impact(fields: _Fields) -> Impact:
    return Impact(
        columns=tuple(_to_affected(each) for each in fields["columns"]),
        datasets=tuple(_to_affected(each) for each in fields["datasets"]),
        jobs=tuple(_to_affected(each) for each in fields["jobs"]),
        owners=tuple(fields["owners"]),
        exposures=tuple(_to_affected(each) for each in fields["exposures"]),
        truncated=fields["truncated"],
        total=_int(fields["total"]),
    )


def to_alert(fields: _Fields) -> Alert:
    """Inverse of `alert_fields`."""
    finding = Finding(
        alert_id=fields["alert_id"],
        kind=AlertKind(fields["kind"]),
        severity=Severity(fields["severity"]),
        subject=_to_node(fields["subject"]),
        summary=fields["summary"],
        since_us=fields["started_at"],
        cause=_to_cause(fields["cause"]),
        changes=tuple(_to_drift(drift) for drift in fields["changes"]),
        impact=_to_impact(fields["impact"]),
        path=tuple(_to_node(node) for node in fields["path"]),
        members=tuple(_to_member(member) for member in fields["members"]),
        member_count=_int(fields["member_count"]),
    )
    return Alert(
        finding,
        Status(fields["status"]),
        fields["started_at"],
        fields["ends_at"],
        fields["runbook_url"],
        _int(fields["version"]),
        _to_note(fields["acknowledged"]),
        _to_note(fields["muted"]),
    )


def _int(number: int) -> int:
    """An `int` of Avro; its reader lets any `long` through, its writer does not."""
    if not -(1 << 31) <= number < 1 << 31:
        raise ValueError(f"{number} is no int")
    return number
