"""`up`, `down`, `path`, `show`, `digest`: questions about the index."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from processor.cli.opened import found, opened
from processor.cli.options import (
    AtOption,
    GraphOutput,
    GraphOutputOption,
    NodeArgument,
    Output,
    OutputOption,
    examples,
    node_given,
)
from processor.model.errors import UsageError

if TYPE_CHECKING:
    from processor.index.traverse import Only
    from processor.index.view import View
    from processor.render.records import Record

_DEPTH = Annotated[int, typer.Option("--depth", "-d", min=1, help="How many jobs to go along at most.")]
_LIMIT = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Most nodes to show, the nearest first.")]
_COLUMNS = Annotated[bool, typer.Option("--columns", "-c", help="Walk the dataset's columns instead of the dataset.")]


class KnownBy(StrEnum):
    """How an edge is known."""

    EXPLICIT = "explicit"
    COLUMN = "column"
    INPUTS_OUTPUTS = "inputs_outputs"
    DECLARED = "declared"


_NAMESPACES = Annotated[
    list[str] | None, typer.Option("--namespace", "-n", metavar="NS", help="Only datasets of these namespaces.")
]
_JOBS = Annotated[
    list[str] | None, typer.Option("--job", metavar="NODE", callback=node_given, help="Only what these jobs carry.")
]
_EVIDENCE = Annotated[list[KnownBy] | None, typer.Option("--evidence", help="Only edges that are known so.")]
_DIRECT = Annotated[bool, typer.Option("--direct", help="Of columns: only where the value itself flows.")]
_HISTORIES = {"schemas": "dataset", "runs": "job"}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog=examples(
            "lineage up marts.fct_orders",
            "lineage up column:bigquery:acme.marts.daily_revenue:revenue -o mermaid",
        ),
    )(up)
    app.command(
        epilog=examples(
            "lineage down acme.raw.orders",
            "lineage down raw.orders.discount         one column",
            "lineage down raw.orders --columns        all of its columns",
            "lineage down raw.orders --at 2d          as it was two days ago",
            "lineage down raw.orders -o svg > orders.svg",
        ),
    )(down)
    app.command(
        epilog=examples(
            "lineage path raw.orders churn_model",
            "lineage path raw.orders.discount marts.daily_revenue      by columns",
            "lineage path raw.orders churn_model -o mermaid",
        ),
    )(path)
    app.command(
        epilog=examples(
            "lineage show acme.marts.fct_orders",
            "lineage show acme.marts.fct_orders --schemas      who changed which column, and when",
            "lineage show shop_ingest.orders --runs            every run that is kept",
            "lineage show job:acme-dbt:dbt-run-acme -o json",
        )
    )(show)
    app.command(epilog=examples("lineage digest"))(digest)


def up(  # noqa: PLR0917  a question has as many parameters
    node: NodeArgument,
    depth: _DEPTH = 20,
    limit: _LIMIT = 10_000,
    columns: _COLUMNS = False,
    namespace: _NAMESPACES = None,
    job: _JOBS = None,
    evidence: _EVIDENCE = None,
    direct: _DIRECT = False,
    at: AtOption = None,
    output: GraphOutputOption = GraphOutput.TABLE,
) -> None:
    """Show where something comes from."""
    with opened(at) as index:
        only = _only(index.view, namespace, job, evidence, direct)
        _walk(index.view, node, "up", (depth, limit), columns, only, output)


def down(  # noqa: PLR0917  as above
    node: NodeArgument,
    depth: _DEPTH = 20,
    limit: _LIMIT = 10_000,
    columns: _COLUMNS = False,
    namespace: _NAMESPACES = None,
    job: _JOBS = None,
    evidence: _EVIDENCE = None,
    direct: _DIRECT = False,
    at: AtOption = None,
    output: GraphOutputOption = GraphOutput.TABLE,
) -> None:
    """Show what depends on something."""
    with opened(at) as index:
        only = _only(index.view, namespace, job, evidence, direct)
        _walk(index.view, node, "down", (depth, limit), columns, only, output)


def path(
    start: Annotated[
        str, typer.Argument(metavar="FROM", callback=node_given, help="Where the data comes from: a NODE.")
    ],
    goal: Annotated[str, typer.Argument(metavar="TO", callback=node_given, help="Where it arrives: a NODE.")],
    depth: _DEPTH = 20,
    at: AtOption = None,
    output: GraphOutputOption = GraphOutput.TABLE,
) -> None:
    """Show the shortest ways from one node to another, and the columns that carry the data; exit 1 if there is none."""
    from processor.cli.graphs import print_paths
    from processor.cli.guard import NotFoundError
    from processor.index.paths import paths

    with opened(at) as index:
        ends = found(index.view, start), found(index.view, goal)
        ways = paths(index.view, *ends, depth=depth)
        is_turned = not ways.graph.nodes and bool(paths(index.view, *reversed(ends), depth=depth).graph.nodes)
    if not ways.graph.nodes:
        hint = f"; the other way round it does: lineage path {goal} {start}" if is_turned else ""
        raise NotFoundError(f"no data is known to flow from {start} to {goal}{hint}")
    print_paths(*ends, ways, output)


def show(
    node: NodeArgument,
    schemas: Annotated[
        bool, typer.Option("--schemas", help="A dataset's schema history: who changed which column, and when.")
    ] = False,
    runs: Annotated[bool, typer.Option("--runs", help="A job's runs, all that are kept.")] = False,
    at: AtOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what is known of a dataset, a job or a column."""
    from processor.render.describe import describe

    with opened(at) as index:
        record = describe(index.view, found(index.view, node))
    if schemas or runs:
        _print_history(record, node, "schemas" if schemas else "runs", output)
    else:
        _print_record(record, output)


def _print_record(record: Record, output: Output) -> None:
    from processor.render import console
    from processor.render.description import description

    if output is Output.TABLE:
        console.print_out(description(record))
    elif output is Output.JSON:
        console.write_json(record)
    else:
        console.write_ndjson([record])


def _print_history(record: Record, asked: str, part: str, output: Output) -> None:
    from processor.render import console
    from processor.render.histories import run_lines, run_table, schema_lines, schema_table

    if part not in record:
        raise UsageError(f"--{part}: {asked} is a {record['kind']}; only a {_HISTORIES[part]} has {part}")
    table, lines = (schema_table, schema_lines) if part == "schemas" else (run_table, run_lines)
    if output is Output.TABLE:
        console.print_out(table(record))
    elif output is Output.JSON:
        console.write_json(list(lines(record)))
    else:
        console.write_ndjson(lines(record))


def digest(output: OutputOption = Output.TABLE) -> None:
    """Print the whole index as one hash: equal hashes, equal indexes."""
    from processor.index.digest import digest as digest_of
    from processor.render import console

    with opened() as index:
        found_digest = digest_of(index.store)
    if output is Output.TABLE:
        console.write_text(f"{found_digest}\n")
    elif output is Output.JSON:
        console.write_json({"digest": found_digest})
    else:
        console.write_ndjson([{"digest": found_digest}])


def _only(
    view: View,
    namespaces: list[str] | None,
    jobs: list[str] | None,
    evidence: list[KnownBy] | None,
    direct: bool,
) -> Only:
    from processor.index.traverse import Only
    from processor.model.identity import canonical_namespace
    from processor.render.records import evidence_named

    return Only(
        frozenset(map(canonical_namespace, namespaces or ())),
        frozenset(found(view, job).id for job in jobs or ()),
        evidence_named(each.value for each in evidence or ()),
        direct,
    )


def _walk(  # noqa: PLR0917  as above
    view: View, text: str, direction: str, most: tuple[int, int], columns: bool, only: Only, output: GraphOutput
) -> None:
    from processor.cli.graphs import print_graph
    from processor.index.columns import column_lineage
    from processor.index.traverse import Direction, lineage
    from processor.model.identity import Kind

    start = found(view, text)
    walk = column_lineage if columns or start.kind is Kind.COLUMN else lineage
    graph = walk(view, start, direction, depth=most[0], limit=most[1], only=only)
    print_graph(start, graph, Direction(direction), output)
