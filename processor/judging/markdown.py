"""What a change would break, as Markdown for the comment of a pull request.

Names come from outside: whatever they hold, they stay text (no link, no mention, no HTML, no break of a table).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from processor.judging.verdicts import (
    AffectedNode,
    DatasetChange,
    Grade,
    Impacted,
    ImpactVerdict,
    NodeRef,
    ProposedColumn,
)
from processor.model.tables import ColumnChangeKind
from processor.model.text import visible

_SIGNS = {Grade.BREAKING: "❌", Grade.POSSIBLE: "⚠️", Grade.HARMLESS: "✅"}
_SHOWN = 20
_SHOWN_CHANGES = 50


def markdown(verdict: ImpactVerdict) -> str:
    """The whole comment."""
    return "\n".join([*_head(verdict), *_changes(verdict), *_notes(verdict)]) + "\n"


def headline(verdict: ImpactVerdict) -> str:
    """The answer in one line."""
    counts = [
        f"{n} {grade.value}" for grade in Grade if (n := sum(1 for each in verdict.changes if each.grade is grade))
    ]
    told = ", ".join(counts) or "no change of a schema"
    return f"{told}; {verdict.compared} {'dataset' if verdict.compared == 1 else 'datasets'} compared"


def _head(verdict: ImpactVerdict) -> Iterator[str]:
    yield f"## Lineage: {_title(verdict)}"
    yield ""
    yield f"{headline(verdict)}."


def _title(verdict: ImpactVerdict) -> str:
    grades = {change.grade for change in verdict.changes}
    if Grade.BREAKING in grades:
        return "this change breaks readers downstream"
    return "this change may break readers downstream" if Grade.POSSIBLE in grades else "nobody downstream is broken"


def _changes(verdict: ImpactVerdict) -> Iterator[str]:
    for change in verdict.changes[:_SHOWN_CHANGES]:
        yield from _change(change)
    if len(verdict.changes) > _SHOWN_CHANGES:
        yield from ("", f"… and {len(verdict.changes) - _SHOWN_CHANGES} more changes")


def _change(change: DatasetChange) -> Iterator[str]:
    where = f" ({_code(change.file)})" if change.file else ""
    yield from ("", f"### {_SIGNS[change.grade]} {_code(change.dataset.name)}: {change.grade.value}{where}", "")
    yield from (_text(change.summary), "")
    yield from ("| column | change | from | to |", "|---|---|---|---|")
    yield from (_column_row(column) for column in change.changes[:_SHOWN])
    if len(change.changes) > _SHOWN:
        yield f"| … | {len(change.changes) - _SHOWN} more | | |"
    yield from _impact(change)


def _column_row(column: ProposedColumn) -> str:
    how = column.retyping.value if column.retyping else column.change.value.lower()
    if column.change is ColumnChangeKind.REMOVED and column.renamed_to:
        how = f"removed; perhaps renamed to {_code(column.renamed_to)}"
    return f"| {_code(column.path)} | {how} | {_type(column.from_type)} | {_type(column.to_type)} |"


def _impact(change: DatasetChange) -> Iterator[str]:
    met = change.impact
    affected = met.columns or met.datasets or met.jobs
    if not affected:
        return
    yield from ("", f"<details><summary>{_counts(met)} downstream, nearest first</summary>", "")
    yield from ("| what | how far | certain |", "|---|---|---|")
    yield from (_affected_row(each) for each in affected[:_SHOWN])
    if len(affected) > _SHOWN:
        yield f"| … | {len(affected) - _SHOWN} more | |"
    yield from ("", "</details>")
    if met.exposures:
        yield from ("", f"It ends in: {', '.join(_code(_name(each.node)) for each in met.exposures[:_SHOWN])}.")
    if met.owners:
        yield from ("", f"Owners: {', '.join(_code(owner) for owner in met.owners[:_SHOWN])}.")


def _counts(met: Impacted) -> str:
    parts = (("column", met.columns), ("dataset", met.datasets), ("job", met.jobs))
    counts = [f"{len(some)} {what}{'' if len(some) == 1 else 's'}" for what, some in parts if some]
    return f"{'at least ' if met.truncated else ''}{', '.join(counts)}"


def _affected_row(each: AffectedNode) -> str:
    return f"| {_code(_name(each.node))} | {each.depth} | {'perhaps' if each.possible else 'yes'} |"


def _notes(verdict: ImpactVerdict) -> Iterator[str]:
    if verdict.notes:
        yield from ("", "**Notes**", "", *(f"- {_text(note)}" for note in verdict.notes))


def _name(node: NodeRef) -> str:
    return node.name if not node.field else f"{node.name}.{node.field}"


def _type(type_: str | None) -> str:
    return _code(type_) if type_ else ""


def _code(text: str) -> str:
    """A code span that its content cannot end; a table's cells end at a bar even there."""
    plain = visible(text).replace("|", "\\|")
    ticks = "`" * (max((len(run) for run in re.findall(r"`+", plain)), default=0) + 1)
    pad = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{ticks}{pad}{plain}{pad}{ticks}"


def _text(text: str) -> str:
    """Words as text: what Markdown would take for markup is escaped where it could be."""
    return re.sub(r"([\\`*_\[\]<>|~@#])", r"\\\1", visible(text))
