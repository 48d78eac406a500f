"""The history of one node's schemas, or of its runs: what `describe` tells, an entry a line."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from processor.model.observation import RunState
from processor.render.records import Record
from processor.render.tables import folding_table
from processor.render.text import counted, plain

__all__ = ["run_lines", "run_table", "schema_lines", "schema_table", "state_words"]


def schema_lines(of: Record) -> Iterator[Record]:
    """Every schema that was stated, the newest first: when, by whom, in which run, and what became of the columns."""
    lines = [
        {
            "first_seen": version["first_seen"],
            "last_seen": version["last_seen"],
            "observer": {name: lane[name] for name in ("role", "namespace", "name")},
            "run_id": version["run_id"],
            "current": version["fingerprint"] == lane["current"],
            "changes": version["changes"],
            "columns": version["columns"],
        }
        for lane in of["schemas"]
        for version in lane["versions"]
    ]
    return iter(sorted(lines, key=lambda line: line["first_seen"], reverse=True))


def schema_table(of: Record) -> Table:
    """The same for people."""
    table = folding_table("since (UTC)", "until", "by", "in run", "what")
    for line in schema_lines(of):
        who = f"{line['observer']['role']} {line['observer']['name']}"
        until = "now" if line["current"] else _minute(line["last_seen"])
        table.add_row(_minute(line["first_seen"]), until, plain(who), plain(line["run_id"] or ""), plain(_what(line)))
    return table


def _what(line: Record) -> str:
    if not line["changes"]:
        return f"first stated, {counted(len(line['columns']), 'column')}"
    return ", ".join(_words(change) for change in line["changes"])


def _words(change: Record) -> str:
    if change["change"] == "RETYPED":
        return f"{change['path']} became {change['to']}, was {change['from']}"
    return f"{change['path']} {change['change'].lower()}"


def run_lines(of: Record) -> Iterator[Record]:
    """Every run that is kept: open ones, then those that ended, the newest first."""
    yield from of["open_runs"]
    yield from of["runs"]


def run_table(of: Record) -> Table:
    """The same for people."""
    table = folding_table("started (UTC)", "ended", "state", "read", "wrote", "run")
    for run in run_lines(of):
        times = (_minute(run[name]) if run.get(name) else "" for name in ("started", "ended"))
        counts = (str(run.get(name, "")) for name in ("inputs", "outputs"))
        table.add_row(*times, state_words(run), *counts, plain(run["run_id"]))
    return table


def state_words(run: Record) -> str:
    """The state of a run, for people: what OTHER stands for in a run that has not ended."""
    return "not started" if run["state"] == RunState.OTHER.value else str(run["state"])


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")
