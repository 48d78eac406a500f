"""`diff`: what became different between two times."""

from __future__ import annotations

from typing import Annotated

import typer

from processor.cli.guard import say
from processor.cli.opened import found, moment, opened
from processor.cli.options import Output, OutputOption, examples, node_given
from processor.model.errors import UsageError

_TIME = "A time (RFC 3339), or so long ago: 90m, 2h, 3d, 4w; or now."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "lineage diff --from 1d                             what changed since yesterday",
            "lineage diff raw.orders --from 2w --to 1w          of one dataset",
            "lineage diff --from 2026-11-21T18:00:00Z -o json",
        )
    )(diff)


def diff(
    since: Annotated[str, typer.Option("--from", metavar="TIME", help=_TIME)],
    until: Annotated[str, typer.Option("--to", metavar="TIME", help=_TIME)] = "now",
    node: Annotated[
        str | None, typer.Argument(metavar="[NODE]", callback=node_given, help="Only what touches this node.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what became different between two times: nodes and edges that came and went, schemas that changed."""
    from processor.index.difference import difference
    from processor.render import console
    from processor.render.difference import document, records, tables, things

    since_us, until_us = moment(since), moment(until)
    if since_us >= until_us:
        raise UsageError(f"--from {since} is not before --to {until}")
    with opened() as index:
        wanted = found(index.view, node) if node else None
        told = difference(index.store, since_us, until_us, wanted)
    if output is Output.JSON:
        console.write_json(document(things(told), since_us, until_us))
    elif output is Output.NDJSON:
        console.write_ndjson(records(things(told)))
    else:
        for table in tables(told):
            console.print_out(table)
        if not any((told.came, told.went, told.edges_came, told.edges_ended, told.schemas)):
            say("nothing became different")
