"""`coverage`: how complete the lineage is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from processor.cli.guard import NO, NotFoundError, say
from processor.cli.opened import opened
from processor.cli.options import Output, OutputOption, examples

if TYPE_CHECKING:
    from rich.table import Table

    from processor.detect.coverage import Coverage

_PERCENT = 100.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "lineage coverage",
            "lineage coverage --namespace bigquery --fail-under 95",
            "lineage coverage -o json",
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
    output: OutputOption = Output.TABLE,
) -> None:
    """Show how much of the lineage is known, by namespace, the worst first, and what is missing."""
    from processor.alerter.policy_file import load_policy
    from processor.judging.coverage import measure
    from processor.judging.scope import Scope

    with opened() as index:
        # How complete it is does not depend on the time.
        scope = Scope(index.view, load_policy(index.settings.policy), 0, lambda: None, set())
        overall, namespaces = measure(scope)
    if namespace is not None:
        namespaces = [_one(namespaces, namespace)]
    _print([] if namespace else [overall], namespaces, output)
    _gate(namespaces[0] if namespace else overall, fail_under)


def _one(namespaces: list[Coverage], name: str) -> Coverage:
    from processor.model.identity import canonical_namespace
    from processor.model.text import visible

    wanted = canonical_namespace(name)
    found = next((one for one in namespaces if one.namespace == wanted), None)
    if found is None:
        raise NotFoundError(f"there is no namespace {visible(name)}")
    return found


def _gate(judged: Coverage, fail_under: float | None) -> None:
    """What is asked for is held to the target; of all, the whole and not each namespace."""
    if fail_under is None:
        return
    low = [(name, part.ratio) for name, part in judged.parts.items() if part.ratio is not None]
    below = [f"{name.value} {_percent(ratio)}" for name, ratio in low if ratio * _PERCENT < fail_under]
    if below:
        say(f"below {fail_under:g} %: {', '.join(below)}")
        raise typer.Exit(NO)


def _print(overall: list[Coverage], namespaces: list[Coverage], output: Output) -> None:
    from processor.render import console

    if output is Output.TABLE:
        console.print_out(_table([*overall, *namespaces]))
    elif output is Output.JSON:
        console.write_json([_record(one) for one in (*overall, *namespaces)])
    else:
        console.write_ndjson(_record(one) for one in (*overall, *namespaces))


def _record(one: Coverage) -> dict[str, Any]:
    """One namespace as JSON; that of all has none."""
    shares = {
        name.value: {
            "ratio": part.ratio,
            "having": part.having,
            "total": part.total,
            "missing": [str(node) for node in one.missing[name]],
        }
        for name, part in one.parts.items()
    }
    depth = one.depth and {"average": round(one.depth.average, 2), "max": one.depth.greatest}
    return {"namespace": one.namespace or None, **shares, "depth": depth}


def _table(rows: list[Coverage]) -> Table:
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
    part = one.parts[name]
    return "-" if part.ratio is None else f"{_percent(part.ratio)} of {part.total}"


def _percent(ratio: float) -> str:
    """Rounded down: what reads 95 % is 95 %."""
    return f"{int(ratio * 1000) / 10:g} %"


def _missing(one: Coverage) -> str:
    """Some of what is lacking: where there is a total, only how much."""
    return "; ".join(
        f"{name.value}: {', '.join(node.name for node in nodes)}" for name, nodes in one.missing.items() if nodes
    )
