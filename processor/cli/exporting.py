"""`export`: the whole index, a record a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from processor.cli.opened import Opened, opened
from processor.cli.options import AtOption, ListOutput, ListOutputOption, examples
from processor.model.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from processor.index.view import View
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
        form = _forms()[what]
        if output is ListOutput.TABLE:
            console.print_out(form.table(index))
        elif output is ListOutput.JSON:
            console.write_json_list(form.records(index))
        elif output is ListOutput.CSV:
            console.write_lines(csv_lines(form.records(index), form.columns))
        else:
            console.write_ndjson(form.records(index))


class _Form(NamedTuple):
    """How one sort of thing is printed. `columns`: of CSV."""

    records: Callable[[Opened], Iterator[Record]]
    table: Callable[[Opened], Table]
    columns: Sequence[str]


def _forms() -> dict[Exported, _Form]:
    from processor import export as exporting
    from processor.cli.alert_store import alerts_of
    from processor.render import csv_lines
    from processor.render.alerts import alert_record, alert_table, in_order

    def of_view(
        records: Callable[[View], Iterator[Record]], table: Callable[[View], Table], columns: Sequence[str]
    ) -> _Form:
        return _Form(lambda index: records(index.view), lambda index: table(index.view), columns)

    return {
        Exported.NODES: of_view(exporting.node_records, exporting.node_table, csv_lines.NODES),
        Exported.EDGES: of_view(exporting.edge_records, exporting.edge_table, csv_lines.EDGES),
        Exported.SCHEMAS: of_view(exporting.schema_records, exporting.schema_table, csv_lines.SCHEMAS),
        Exported.RUNS: of_view(exporting.run_records, exporting.run_table, csv_lines.RUNS),
        Exported.ALERTS: _Form(
            lambda index: map(alert_record, in_order(alerts_of(index).all())),
            lambda index: alert_table(in_order(alerts_of(index).all())),
            csv_lines.ALERTS,
        ),
    }
