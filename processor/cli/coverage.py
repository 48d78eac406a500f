"""`coverage`: how complete the lineage is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from processor.cli.guard import NO, NotFoundError, say
from processor.cli.opened import opened
from processor.cli.options import ListOutput, ListOutputOption, examples

if TYPE_CHECKING:
    from rich.table import Table

    from processor.detect.coverage import Coverage, Surveyed
    from processor.judging.verdicts import CoverageVerdict


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "lineage coverage",
            "lineage coverage --namespace bigquery --fail-under 95",
            "lineage coverage -o json",
            "lineage coverage -o csv > coverage.csv        for spreadsheets",
        )
    )(coverage)


def coverage(
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", metavar="NS", help="Only this namespace.")
    ] = None,
    fail_under: Annotated[
        float | None,
        typer.Option("--fail-under", metavar="PERCENT", min=0, max=100, help="Exit 1 if a share is below this."),
    ] = None,
    output: ListOutputOption = ListOutput.TABLE,
) -> None:
    """Show how much of the lineage is known, by namespace, the worst first, and what is missing."""
    from processor.judging.coverage_gate import coverage_verdict

    surveyed, asked = measured(namespace)
    _print([] if namespace else [surveyed.overall], [asked] if namespace else surveyed.namespaces, output)
    if fail_under is not None:
        answer(coverage_verdict(asked, fail_under, surveyed.stumbled))


def measured(namespace: str | None) -> tuple[Surveyed, Coverage]:
    """How complete the lineage is now, and that of the namespace that is asked for. Raises `NotFoundError`."""
    from processor.alerter.policy_file import load_policy
    from processor.judging.coverage import measure
    from processor.judging.coverage_gate import UnknownNamespaceError, of_namespace
    from processor.judging.scope import Scope

    with opened() as index:
        # How complete it is does not depend on the time.
        surveyed = measure(Scope(index.view, load_policy(index.settings.policy), 0, lambda: None, set()))
    try:
        return surveyed, of_namespace(surveyed, namespace)
    except UnknownNamespaceError as error:
        raise NotFoundError(error.told) from None


def answer(verdict: CoverageVerdict) -> None:
    """End with exit 1, and say why, where the answer is no."""
    if not verdict.ok:
        say(f"below {verdict.fail_under:g} %: {', '.join(verdict.below)}")
        raise typer.Exit(NO)


def _print(overall: list[Coverage], namespaces: list[Coverage], output: ListOutput) -> None:
    from processor.judging.coverage_gate import coverage_of
    from processor.render import console
    from processor.render.csv_lines import COVERAGE, csv_lines

    records = map(coverage_of, [*overall, *namespaces])
    if output is ListOutput.TABLE:
        console.print_out(coverage_table([*overall, *namespaces]))
    elif output is ListOutput.JSON:
        console.write_json(list(records))
    elif output is ListOutput.CSV:
        console.write_lines(csv_lines(map(msgspec.to_builtins, records), COVERAGE))
    else:
        console.write_ndjson(records)


def coverage_table(rows: list[Coverage]) -> Table:
    """One row a namespace."""
    from processor.detect.coverage import Measure
    from processor.render.tables import folding_table
    from processor.render.text import plain

    table = folding_table("namespace", "datasets", "runs", "columns", "depth", "missing")
    for one in rows:
        depth = f"{one.depth.average:.1f} (max {one.depth.greatest})" if one.depth and one.depth.datasets else "-"
        shares = [_share(one, name) for name in Measure]
        table.add_row(plain(one.namespace or "all"), *shares, depth, plain(_missing(one)))
    return table


def _share(one: Coverage, name: Any) -> str:  # noqa: ANN401  a Measure, which is imported late
    from processor.judging.coverage_gate import percent

    part = one.parts[name]
    return "-" if part.ratio is None else f"{percent(part.ratio)} of {part.total}"


def _missing(one: Coverage) -> str:
    """Some of what is lacking: where there is a total, only how much."""
    return "; ".join(
        f"{name.value}: {', '.join(node.name for node in nodes)}" for name, nodes in one.missing.items() if nodes
    )
