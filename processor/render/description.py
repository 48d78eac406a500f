"""What `lineage show` tells of one node, for people: the JSON document laid out as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from processor.model.identity import Kind, Node
from processor.model.observation import DESCRIPTIONS
from processor.model.text import visible
from processor.render.histories import state_words
from processor.render.records import Record
from processor.render.tables import folding_grid
from processor.render.text import counted, plain
from processor.render.tree import title

_RUNS_SHOWN = 10
_LISTS = {
    "written_by": "Written by",
    "read_by": "Read by",
    "aliases": "Also known as",
    "inputs": "Reads",
    "outputs": "Writes",
    "parents": "Part of",
    "children": "Parts",
}


def description(of: Record) -> Group:
    """The whole of it."""
    return Group(*_parts(of))


def _parts(of: Record) -> Iterator[RenderableType]:
    yield title(_node(of))
    yield from _facts(of)
    if of.get("columns"):
        yield from _section("Columns", _columns(of["columns"], of["facets"].get(DESCRIPTIONS)))
    for member, heading in _LISTS.items():
        if of.get(member):
            yield from _section(heading, Group(*(title(_node(each)) for each in of[member])))
    for member, heading, end in (("derives_from", "Derives from", "from"), ("derived_by", "Derived by", "to")):
        if of.get(member):
            yield from _section(heading, Group(*(_column_line(each, end) for each in of[member])))
    if of.get("schemas"):
        yield from _section("Schema history (UTC)", _history(of["schemas"]))
    if of.get("runs") or of.get("open_runs"):
        yield from _section("Runs, newest first (UTC)", _runs(of))


def _facts(of: Record) -> Iterator[Text]:
    if "first_seen" in of:
        yield Text(f"seen {_minute(of['first_seen'])} … {_minute(of['last_seen'])} (UTC)", style="dim")
    if of.get("dropped"):
        yield Text("dropped", style="red")
    if of["kind"] == Kind.COLUMN.value:
        gone = "" if of["is_current"] else "no column of the current schema"
        yield Text(visible(of["type"] or "") or gone or "type unknown", style="dim")
    if of.get("description"):
        yield plain(" ".join(str(of["description"]).split()))
    owners = of.get("facets", {}).get("ownership", {}).get("owners", ())
    if owners:
        yield Text(f"owned by {', '.join(visible(str(owner.get('name'))) for owner in owners)}", style="dim")


def _section(heading: str, body: RenderableType) -> Iterator[RenderableType]:
    yield Text(f"\n{heading}", style="bold underline")
    yield Padding(body, (0, 0, 0, 2), expand=False)


def _columns(columns: Iterable[Record], descriptions: object) -> Table:
    said = descriptions if isinstance(descriptions, dict) else {}
    table = folding_grid(3)
    for column in columns:
        words = " ".join(str(said.get(column["path"]) or "").split())
        table.add_row(plain(column["path"], "green"), plain(column["type"] or "", "dim"), plain(words))
    return table


def _column_line(edge: Record, end: str) -> Text:
    line = title(_node(edge[end]))
    return line if edge["direct"] else line.append("  (indirect)", style="dim")


def _history(lanes: Iterable[Record]) -> Table:
    table = folding_grid(3)
    for lane in lanes:
        table.add_row(plain(f"{lane['role']} {lane['name']}"))
        for version in lane["versions"]:
            current = "current" if version["fingerprint"] == lane["current"] else ""
            seen = f"  {_minute(version['first_seen'])} … {_minute(version['last_seen'])}"
            table.add_row(Text(seen, style="dim"), counted(len(version["columns"]), "column"), current)
    return table


def _runs(of: Record) -> Table:
    table = folding_grid(4)
    for run in of["open_runs"]:
        started = _minute(run["started"]) if run["started"] else ""
        table.add_row(started, "", Text(state_words(run), style="yellow"), visible(run["run_id"]))
    for run in of["runs"][:_RUNS_SHOWN]:
        started = _minute(run["started"]) if run["started"] else ""
        style = "green" if run["state"] == "COMPLETE" else "red"
        table.add_row(started, _minute(run["ended"]), Text(run["state"], style=style), visible(run["run_id"]))
    return table


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


def _node(of: Record) -> Node:
    return Node(Kind(of["kind"]), of["namespace"], of["name"], of.get("field"))
