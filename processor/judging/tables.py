"""What gates answer, for people."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group
from rich.table import Table
from rich.text import Text

from processor.judging.verdicts import AffectedNode, DatasetChange, Grade, ImpactVerdict, NodeRef, ProvenanceVerdict
from processor.render.tables import folding_table
from processor.render.text import label, plain, short

_STYLES = {Grade.BREAKING: "bold red", Grade.POSSIBLE: "yellow", Grade.HARMLESS: "green"}
_SHOWN = 8


def source_table(verdict: ProvenanceVerdict) -> Table:
    """One row a source, the worst first."""
    table = folding_table("", "trust", "source", "why not more")
    for source in verdict.sources:
        sign = Text("ok", style="green") if source.ok else Text("no", style="bold red")
        table.add_row(sign, f"{source.score:.2f}", plain(label(source.source.node)), plain("; ".join(source.reasons)))
    return table


def offending_path(verdict: ProvenanceVerdict) -> Group:
    """The way from the subject to the source that is to blame, a line each."""
    lines = (_step(depth, step) for depth, step in enumerate(verdict.path))
    return Group(Text(""), *lines)


def _step(depth: int, step: NodeRef) -> Text:
    arrow = f"{'  ' * depth}← " if depth else ""
    return Text.assemble((arrow, "dim"), plain(label(step.node)))


def change_table(verdict: ImpactVerdict) -> Table:
    """One row a dataset that would change, the gravest first."""
    table = folding_table("grade", "dataset", "what", "reads it")
    for change in verdict.changes:
        grade = Text(change.grade.value, style=_STYLES[change.grade])
        table.add_row(grade, plain(label(change.dataset.node)), plain(change.summary), plain(_met(change)))
    return table


def _met(change: DatasetChange) -> str:
    met = change.impact
    return _names(met.columns) or _names(met.datasets) or _names(met.jobs)


def _names(affected: Iterable[AffectedNode]) -> str:
    names = [f"{short(each.node.node)}{' (perhaps)' if each.possible else ''}" for each in affected]
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
