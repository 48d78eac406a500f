"""`export`: the whole index, a record a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from processor.cli.opened import Opened, opened
from processor.cli.options import AtOption, ListOutput, ListOutputOption, examples
from processor.model.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from processor.render.records import Record


class Exported(StrEnum):
    """What can be exported."""

    NODES = "nodes"
    EDGES = "edges"
    SCHEMAS = "schemas"
    RUNS = "runs"
    ALERTS = "alerts"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "lineage export edges -o ndjson > edges.ndjson",
            "lineage export schemas -o json                      every schema that was ever stated",
            "lineage export edges -o csv > edges.csv             for pandas.read_csv and spreadsheets",
            "lineage export alerts                               those that are over, too",
            "lineage export edges --to /exports/edges.ndjson     whole or not at all",
        ),
    )(export)


def export(
    what: Annotated[Exported, typer.Argument(help="What to export.", show_default=False)],
    at: AtOption = None,
    output: ListOutputOption = ListOutput.NDJSON,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Write it there; the file is there once it is whole.")
    ] = None,
) -> None:
    """Print every dataset and job, edge, schema, run or alert, in a stable order."""
    from processor.cli.to_file import written_to
    from processor.render import console
    from processor.render.csv_lines import csv_lines

    if at is not None and what is Exported.ALERTS:
        raise UsageError("--at: alerts are kept as they are now; each tells when it began and ended")
    with written_to(to), opened(at) as index:
        if output is ListOutput.TABLE:
            console.print_out(_table(index, what))
        elif output is ListOutput.JSON:
            console.write_json_list(_records(index, what))
        elif output is ListOutput.CSV:
            console.write_lines(csv_lines(_records(index, what), _columns(what)))
        else:
            console.write_ndjson(_records(index, what))


def _records(index: Opened, what: Exported) -> Iterator[Record]:
    from processor import export as exporting
    from processor.cli.alert_store import alerts_of
    from processor.render.alerts import alert_record, in_order

    if what is Exported.ALERTS:
        return map(alert_record, in_order(alerts_of(index).all()))
    of = {
        Exported.NODES: exporting.node_records,
        Exported.EDGES: exporting.edge_records,
        Exported.SCHEMAS: exporting.schema_records,
        Exported.RUNS: exporting.run_records,
    }
    return of[what](index.view)


def _columns(what: Exported) -> Sequence[str]:
    from processor.render import csv_lines

    return {
        Exported.NODES: csv_lines.NODES,
        Exported.EDGES: csv_lines.EDGES,
        Exported.SCHEMAS: csv_lines.SCHEMAS,
        Exported.RUNS: csv_lines.RUNS,
        Exported.ALERTS: csv_lines.ALERTS,
    }[what]


def _table(index: Opened, what: Exported) -> Table:
    from processor import export as exporting
    from processor.cli.alert_store import alerts_of
    from processor.render.alerts import alert_table, in_order

    if what is Exported.ALERTS:
        return alert_table(in_order(alerts_of(index).all()))
    of = {
        Exported.NODES: exporting.node_table,
        Exported.EDGES: exporting.edge_table,
        Exported.SCHEMAS: exporting.schema_table,
        Exported.RUNS: exporting.run_table,
    }
    return of[what](index.view)
