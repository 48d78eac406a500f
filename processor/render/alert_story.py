"""All that is known of one alert, for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from processor.detect.words import shown
from processor.model.alert import Affected, Alert, ColumnDrift, Impact, Note, Status
from processor.render.alerts import severity
from processor.render.tables import folding_table
from processor.render.text import counted, label, plain, short
from processor.render.times import minute

_SHOWN = 25


def alert_story(alert: Alert) -> Group:
    """The sentence, who did it, what changed, what breaks, what is told with it, what people said, what to do."""
    return Group(*_parts(alert))


def _parts(alert: Alert) -> Iterator[RenderableType]:
    finding = alert.finding
    yield Text.assemble(severity(alert), "  ", (finding.kind.value, "bold"), "  ", label(finding.subject))
    yield plain(finding.summary)
    yield Text("")
    yield _facts(alert)
    if finding.path:
        yield Text.assemble("\n", ("the way to it", "bold"), "  ", " → ".join(map(short, finding.path)))
    if finding.changes:
        yield Group(Text("\nchanges", style="bold"), _changes(finding.changes))
    if finding.impact.total or finding.impact.datasets or finding.impact.columns:
        yield Group(Text(""), _impact(finding.impact))
    if finding.members:
        yield Group(Text("\ntold with it", style="bold"), _members(alert))


def _facts(alert: Alert) -> Table:
    facts = Table.grid(padding=(0, 2))
    for name, text in _told(alert):
        facts.add_row(Text(name, style="dim"), plain(text))
    return facts


def _told(alert: Alert) -> Iterator[tuple[str, str]]:
    cause = alert.finding.cause
    yield "id", f"{alert.finding.alert_id}, version {alert.version}"
    yield "since", f"{minute(alert.started_us)} UTC"
    if alert.status is Status.RESOLVED and alert.ends_us is not None:
        yield "until", f"{minute(alert.ends_us)} UTC"
    if cause.job:
        yield "caused by", label(cause.job)
    if cause.run_id:
        yield "in run", cause.run_id
    if cause.place:
        yield "record", f"{cause.place.topic}, partition {cause.place.partition}, offset {cause.place.offset}"
    yield from _notes(alert)
    yield "runbook", alert.runbook_url


def _notes(alert: Alert) -> Iterator[tuple[str, str]]:
    for name, note in (("acknowledged", alert.acknowledged), ("muted", alert.muted)):
        if note:
            yield name, _noted(note)


def _noted(note: Note) -> str:
    until = f", until {minute(note.until_us)}" if note.until_us is not None else ""
    pattern = f" as {note.pattern}" if note.pattern else ""
    reason = f": {note.reason}" if note.reason else ""
    return f"by {note.by}{pattern} at {minute(note.at_us)}{until}{reason}"


def _changes(changes: Sequence[ColumnDrift]) -> Table:
    table = folding_table("column", "change", "from", "to", "evidence")
    for drift in changes[:_SHOWN]:
        what = (
            f"{drift.change.value.lower()} ({drift.retyping.value})" if drift.retyping else drift.change.value.lower()
        )
        to = f"{drift.renamed_to}?" if drift.renamed_to else drift.to_type or ""
        row = (shown(drift.path), what, shown(drift.from_type or ""), shown(to), "; ".join(drift.evidence))
        table.add_row(*map(plain, row))
    if len(changes) > _SHOWN:
        table.add_row(f"… {len(changes) - _SHOWN} more")
    return table


def _impact(impact: Impact) -> Tree:
    """What is downstream, a branch for each depth; exposures are marked, owners named."""
    exposed = {each.node for each in impact.exposures}
    more = " and more" if impact.truncated else ""
    root = Tree(Text(f"breaks {counted(impact.total, 'thing')} downstream{more}", style="bold"))
    everything = sorted((*impact.columns, *impact.datasets, *impact.jobs), key=lambda each: each.depth)
    for depth, some in groupby(everything, key=lambda each: each.depth):
        branch = root.add(Text(f"{counted(depth, 'step')} away", style="dim"))
        for line in _affected(list(some), exposed):
            branch.add(line)
    if impact.owners:
        root.add(plain(f"owners: {', '.join(impact.owners)}"))
    return root


def _affected(some: Sequence[Affected], exposed: Iterable[object]) -> Iterator[Text]:
    for each in some[:_SHOWN]:
        marks = ["indirect"] * (not each.direct) + ["possible"] * each.possible + ["an end"] * (each.node in exposed)
        line = Text.assemble(short(each.node), ("  " + each.node.kind.value, "dim"))
        yield line.append(f"  ({', '.join(marks)})", style="dim") if marks else line
    if len(some) > _SHOWN:
        yield Text(f"… {len(some) - _SHOWN} more", style="dim")


def _members(alert: Alert) -> Table:
    finding = alert.finding
    table = folding_table("severity", "kind", "what")
    for member in finding.members[:_SHOWN]:
        table.add_row(member.severity.value, member.kind.value, plain(member.summary))
    left = finding.member_count - min(len(finding.members), _SHOWN)
    if left > 0:
        table.add_row("", "", f"… {left} more")
    return table
