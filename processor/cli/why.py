"""`why`: what may have brought about what is wrong with something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from processor.cli.alert_store import alerts_of
from processor.cli.guard import say
from processor.cli.opened import found, moment, now_us, opened
from processor.cli.options import Output, OutputOption, examples, node_given

if TYPE_CHECKING:
    from processor.index.causes import Causes


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "lineage why acme.marts.fct_orders              what went wrong upstream in the last day",
            "lineage why marts.daily_revenue.revenue --since 3d",
            "lineage why 5f0c                               what brought this alert about",
            "lineage why churn_model --at 2026-11-21T18:00:00Z -o json",
        )
    )(why)


def why(
    about: Annotated[
        str,
        typer.Argument(
            metavar="NODE|ALERT",
            callback=node_given,
            help="A NODE, or an alert's id, or the first 4 letters of it or more. What begins an id and is called so"
            " itself, in whole or by its trailing part, is the node: write more of the id for the alert.",
        ),
    ],
    since: Annotated[str, typer.Option("--since", metavar="SPAN", help="How far back to look: 90m, 24h, 3d.")] = "24h",
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="Up to when; now without it, of an alert when it began to fire."),
    ] = None,
    depth: Annotated[int, typer.Option("--depth", "-d", min=1, help="How many jobs to go back at most.")] = 20,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="Most causes to tell.")] = 20,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what may be the cause: upstream drifts, failures, failed checks and silences, the likeliest first."""
    from processor.index.alert_ids import alert_meant
    from processor.index.causes import Why
    from processor.index.causes import why as answer
    from processor.render import console
    from processor.render.causes import causes_document, causes_table, suspect_record
    from processor.render.times import parse_span

    span_us, at_us = parse_span(since), None if at is None else moment(at)
    with opened() as index:
        store = alerts_of(index)
        alert = alert_meant(index.view, store, about)
        subject = alert.finding.subject if alert else found(index.view, about)
        asked = Why(subject, alert, span_us, at_us, depth, limit)
        told = answer(index.store, asked, store.all(), now_us(index))
    if output is Output.JSON:
        console.write_json(causes_document(told))
    elif output is Output.NDJSON:
        console.write_ndjson(map(suspect_record, told.suspects))
    else:
        console.print_out(causes_table(told))
    _talk(told, since)


def _talk(told: Causes, since: str) -> None:
    if not told.suspects:
        say(
            f"nothing that is known went wrong upstream of {told.subject} within {since}; look further back: --since 7d"
        )
    if told.total > len(told.suspects):
        say(f"{told.total - len(told.suspects)} more, less likely ones: --limit {told.total}")
    if told.truncated:
        say("cut short: not all that is upstream was looked at; a smaller --depth is looked at whole")
