"""`search`: datasets and jobs by a part of their name, by owner, by tag."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from processor.cli.guard import NO, say
from processor.cli.opened import emptiness, opened
from processor.cli.options import ListOutput, ListOutputOption, examples
from processor.model.errors import UsageError

if TYPE_CHECKING:
    from processor.index.search import Found


class Searched(StrEnum):
    """What can be searched for."""

    DATASET = "dataset"
    JOB = "job"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "lineage search orders                    any part of a name or a namespace",
            "lineage search stg_ --prefix             names, or last parts of names, that begin so",
            "lineage search --owner team:ml --kind job",
            "lineage search revenue --tag pii -n bigquery -o json",
        )
    )(search)


def search(  # noqa: PLR0917  a question has as many parameters
    text: Annotated[str, typer.Argument(help="Any part of a name.", show_default=False)] = "",
    kind: Annotated[Searched | None, typer.Option("--kind", "-k", help="Only these.")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", metavar="NS", help="Only of this one.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Only what they own: team:ml, or ml.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Only what is tagged so: pii, or pii=high.")] = None,
    prefix: Annotated[bool, typer.Option("--prefix", help="The name, or its last part, begins with TEXT.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Most to show.")] = 100,
    output: ListOutputOption = ListOutput.TABLE,
) -> None:
    """Find datasets and jobs, whole names first; exit 1 with what is near if there is none."""
    from processor.index.resolve import near, of_kind_or_any
    from processor.index.search import Query, entries, pick
    from processor.model.identity import Kind

    if not text and owner is None and tag is None:
        raise UsageError("name a TEXT to search for, an --owner or a --tag")
    query = Query(text, None if kind is None else Kind(kind.value), namespace, owner, tag, prefix)
    with opened() as index:
        found = pick(entries(index.view), query, limit)
        is_missed = text and not found.total
        alike = of_kind_or_any(partial(near, index.view, text), query.kind) if is_missed else ()
        empty = "" if found.total or alike else emptiness(index.view)
    _print(found, output)
    if found.total > len(found.nodes):
        say(f"{found.total - len(found.nodes)} more: --limit {found.total}")
    if not found.total:
        said = f"; near it: {', '.join(map(str, alike))}" if alike else empty and f"; {empty}"
        say(f"nothing was found{said}")
        raise typer.Exit(NO)


def _print(found: Found, output: ListOutput) -> None:
    from processor.render import console
    from processor.render.csv_lines import SEARCHED, csv_lines
    from processor.render.records import node
    from processor.render.tables import folding_table
    from processor.render.text import plain

    if output is ListOutput.JSON:
        console.write_json([node(each) for each in found.nodes])
    elif output is ListOutput.CSV:
        console.write_lines(csv_lines(map(node, found.nodes), SEARCHED))
    elif output is ListOutput.NDJSON:
        console.write_ndjson(map(node, found.nodes))
    elif found.nodes:
        table = folding_table("kind", "name", "namespace")
        for each in found.nodes:
            table.add_row(each.kind.value, plain(each.name), plain(each.namespace))
        console.print_out(table)
