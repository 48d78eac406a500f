"""What may have brought something about, as people and programs are told it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from processor.index.causes import CauseKind, Causes, Suspect
from processor.model.identity import Node
from processor.model.tables import ColumnChange, ColumnChangeKind
from processor.render.records import Record, changes, node
from processor.render.text import counted, label, plain, short
from processor.render.times import minute, rfc3339, span

_SHOWN = 5
_ERROR_CHARS = 300


def causes_document(found: Causes) -> Record:
    """All of it as one JSON document."""
    return {
        "subject": node(found.subject),
        "since": rfc3339(found.window.since_us),
        "until": rfc3339(found.window.until_us),
        "causes": [suspect_record(each) for each in found.suspects],
        "total": found.total,
        "truncated": found.truncated,
    }


def suspect_record(of: Suspect) -> Record:
    """One of the causes."""
    record: Record = {
        "kind": of.kind.value,
        "node": node(of.node),
        "at": rfc3339(of.at_us),
        "distance": of.distance,
        "score": of.score,
        "summary": sentence(of),
        "over": of.is_over,
        "follows": of.follows,
        "path": [node(each) for each in of.way],
    }
    if of.job is not None:
        record["job"] = node(of.job)
    if of.run_id is not None:
        record["run_id"] = of.run_id
    if of.changes:
        record["changes"] = changes(of.changes)
    if of.alert_id is not None:
        record["alert_id"] = of.alert_id
    return record


def causes_table(found: Causes) -> Group:
    """The likeliest first, each with the way that data takes from it."""
    return Group(*_parts(found))


def _parts(found: Causes) -> Iterator[RenderableType]:
    window = f"{minute(found.window.since_us)} … {minute(found.window.until_us)} UTC"
    yield Text.assemble((label(found.subject), "bold"), ("  what happened upstream, ", "dim"), (window, "dim"))
    for number, suspect in enumerate(found.suspects, start=1):
        yield Text("")
        yield _block(number, suspect, found.window.until_us)


def _block(number: int, of: Suspect, until_us: int) -> Table:
    block = Table.grid(padding=(0, 2), pad_edge=False)
    block.add_column(justify="right", no_wrap=True)
    block.add_column()
    style = "dim" if of.is_over or of.follows or of.is_mild else "bold"
    block.add_row(f"{number}.", plain(sentence(of), style))
    block.add_row("", Text(_when(of, until_us), style="dim"))
    if len(of.way) > 1:
        block.add_row("", Text(_way(of.way)))
    return block


def _when(of: Suspect, until_us: int) -> str:
    away = f"{counted(of.distance, 'job')} away" if of.distance else "right here"
    parts = [f"{minute(of.at_us)} UTC, {span(until_us - of.at_us)} before", away, f"score {of.score:.2f}"]
    parts += ["over by now"] * of.is_over + ["may follow from another of these"] * of.follows
    return "; ".join([*parts, *([f"alert {of.alert_id}"] if of.alert_id else [])])


def _way(way: tuple[Node, ...]) -> str:
    return " → ".join(short(each) for each in way)


def sentence(of: Suspect) -> str:
    """What happened, in one sentence without its end."""
    told = _TOLD[of.kind](of)
    if of.kind is CauseKind.RUN_FAILED or of.job is None or of.detail is not None:
        return told
    run = f" in run {of.run_id}" if of.run_id else ""
    return f"{told}, by job {short(of.job)}{run}"


def _of_schema(of: Suspect) -> str:
    if not of.changes:
        return _of_alert(of)
    return f"{short(of.node)}: {_listed(_words(change) for change in of.changes)}"


def _words(change: ColumnChange) -> str:
    if change.change is ColumnChangeKind.RETYPED:
        return f"{change.path} became {change.to_type or 'untyped'}, was {change.from_type or 'untyped'}"
    return f"{change.path} {'added' if change.change is ColumnChangeKind.ADDED else 'removed'}"


def _of_run(of: Suspect) -> str:
    times = f" {of.count} times" if of.count > 1 else ""
    run = f", in run {of.run_id}" if of.run_id else ""
    error = f": {' '.join(of.detail.split())[:_ERROR_CHARS]}" if of.detail else ""
    return f"job {short(of.node)} failed{times}{run}{error}"


def _of_check(of: Suspect) -> str:
    by = f", checked by job {short(of.job)}" if of.job else ""
    return f"{short(of.node)}: {counted(of.count, 'check')} failed{by}: {of.detail}"


def _of_alert(of: Suspect) -> str:
    return (of.detail or short(of.node)).rstrip(".")


_TOLD = {
    CauseKind.SCHEMA_CHANGED: _of_schema,
    CauseKind.DROPPED: lambda of: f"{short(of.node)} was dropped",
    CauseKind.TRUNCATED: lambda of: f"{short(of.node)} was truncated",
    CauseKind.RUN_FAILED: _of_run,
    CauseKind.CHECK_FAILED: _of_check,
    CauseKind.SILENT: _of_alert,
    CauseKind.LINEAGE_LOST: _of_alert,
}


def _listed(words: Iterable[str]) -> str:
    every = list(words)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more
