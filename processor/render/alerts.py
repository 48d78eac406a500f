"""Alerts as people and programs see them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from processor.model.alert import Affected, Alert, Impact, Severity, Status
from processor.model.fields import alert_fields
from processor.model.text import visible
from processor.render.records import Record
from processor.render.tables import folding_table
from processor.render.text import plain, short
from processor.render.times import minute, rfc3339

SEVERITY_STYLES = {Severity.CRITICAL: "bold red", Severity.WARNING: "yellow", Severity.INFO: "blue"}
_TIMES = frozenset({"started_at", "ends_at", "at", "until"})
_ORDER = [Severity.CRITICAL, Severity.WARNING, Severity.INFO]
_SHOWN_COLUMNS = 12
_SEVERITY_WIDTH = 8
_KIND_WIDTH = 15


def alert_record(alert: Alert) -> Record:
    """The JSON form: as `schemas/lineage_alert.avsc` says, times in RFC 3339."""
    fields: Record = _with_times(alert_fields(alert))
    return fields


def _with_times(value: Any) -> Any:  # noqa: ANN401  any JSON
    """The fields that are times, as people write them."""
    if isinstance(value, list):
        return [_with_times(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: rfc3339(inner) if name in _TIMES and isinstance(inner, int) else _with_times(inner)
        for name, inner in value.items()
    }


def in_order(alerts: Iterable[Alert]) -> list[Alert]:
    """Firing before resolved, grave before light, new before old, then by id."""
    return sorted(
        alerts,
        key=lambda alert: (
            alert.status is Status.RESOLVED,
            _ORDER.index(alert.finding.severity),
            -alert.started_us,
            alert.finding.alert_id,
        ),
    )


def alert_table(alerts: Iterable[Alert]) -> Table:
    """One row an alert."""
    table = folding_table("severity", "kind", "subject", "since (UTC)", "what")
    for alert in alerts:
        finding = alert.finding
        what = plain(finding.summary)
        table.add_row(
            severity(alert), finding.kind.value, plain(short(finding.subject)), minute(alert.started_us), what
        )
    return table


def severity(alert: Alert) -> Text:
    """The severity in its color, or that it is over; and what people said of it."""
    if alert.status is Status.RESOLVED:
        return Text("accepted" if alert.acknowledged else "resolved", style="green")
    level = alert.finding.severity
    told = Text(level.value, style="dim" if alert.muted else SEVERITY_STYLES[level])
    said = ["muted"] * (alert.muted is not None) + ["seen"] * (alert.acknowledged is not None)
    return told.append("".join(f"\n{word}" for word in said), style="dim not bold")


def alert_block(alert: Alert) -> Table:
    """An alert as it fires, in columns: how grave, what kind, what happened and what breaks."""
    finding, breaks = alert.finding, impact_line(alert.finding.impact)
    block = Table.grid(padding=(0, 2), pad_edge=False)
    block.add_column(width=_SEVERITY_WIDTH, no_wrap=True)
    block.add_column(width=_KIND_WIDTH, no_wrap=True)
    told: list[Text] = [plain(finding.summary)]
    if breaks and alert.status is Status.FIRING:
        told.append(Text.assemble(("breaks ", "bold"), breaks, style="red"))
    block.add_row(severity(alert), Text(finding.kind.value, style="bold"), Group(*told))
    return block


def alert_lines(alert: Alert) -> Group:
    """The same as plain lines."""
    head = Text.assemble(
        severity(alert), "  ", (alert.finding.kind.value, "bold"), "  ", visible(alert.finding.summary)
    )
    breaks = impact_line(alert.finding.impact)
    if alert.status is Status.RESOLVED or not breaks:
        return Group(head)
    return Group(head, Text(f"          breaks {breaks}", style="dim"))


def impact_line(impact: Impact) -> str:
    """What is downstream, in one line; empty when nothing is."""
    return _names(impact.columns) or _names(impact.datasets) or _names(impact.jobs)


def _names(affected: tuple[Affected, ...]) -> str:
    """Those that data flows to; of the others only how many they are."""
    direct = [short(each.node) for each in affected if each.direct]
    shown = direct[:_SHOWN_COLUMNS]
    more, indirect = len(direct) - len(shown), len(affected) - len(direct)
    parts = [", ".join(shown), f"{more} more" if more else "", f"{indirect} indirectly" if indirect else ""]
    return " and ".join(part for part in parts if part)
