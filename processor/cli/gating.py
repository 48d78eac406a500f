"""`gate`: questions that pipelines ask, and that end in yes (0) or no (1)."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from processor.cli.guard import NO, say
from processor.cli.opened import found, now_us, opened
from processor.cli.options import NodeArgument, Output, OutputOption, examples, node_given
from processor.judging.verdicts import FailOn

if TYPE_CHECKING:
    from processor.judging.verdicts import ImpactVerdict, ProvenanceVerdict

gates = typer.Typer(
    no_args_is_help=True,
    help="Gates for CI/CD and for training: exit 0 says yes, 1 no. docs/gates.md has examples to copy.",
    epilog=examples(
        "lineage gate provenance churn_model --allow 'postgres://shop:5432'",
        "lineage gate impact --dbt-manifest target/manifest.json",
        "lineage gate coverage --fail-under 95",
    ),
)


class Against(StrEnum):
    """What a change is compared with."""

    INDEX = "index"


class Report(StrEnum):
    """How the impact of a change is printed."""

    TABLE = "table"
    MARKDOWN = "markdown"
    JSON = "json"
    SARIF = "sarif"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(gates, name="gate")


@gates.command(
    epilog=examples(
        "lineage gate provenance customer_features --allow 'postgres://shop:*' --allow 'bigquery:acme.raw.*'",
        "lineage gate provenance churn_model --min-trust 0.95 --max-age-hours 48",
        "lineage gate provenance churn_model --policy policy.yaml      what its guards demand",
        "lineage gate provenance churn_model -o json",
    )
)
def provenance(  # noqa: PLR0917  as many options as the question has
    node: NodeArgument,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow", metavar="PATTERN", help="A source that it may draw on: a glob of NAMESPACE or NAMESPACE:NAME."
        ),
    ] = None,
    min_trust: Annotated[
        float | None,
        typer.Option("--min-trust", min=0, max=1, help="The trust that is demanded; 0.9 unless the policy says."),
    ] = None,
    max_age_hours: Annotated[
        float | None, typer.Option("--max-age-hours", min=0.001, help="How old the data of a source may be.")
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="Its `guarded` and `sources` hold; that of LINEAGE_POLICY else."),
    ] = None,
    now: Annotated[
        str | None,
        typer.Option("--now", metavar="TIME", help="Judge as of this time (RFC 3339); it matters for freshness."),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """May this model or table be fed? Names every transitive source with its trust; exit 1 with the path says no."""
    from processor.alerter.policy_file import load_policy
    from processor.judging.provenance import Demand, may_be_fed
    from processor.render.times import parse_time

    demand = Demand(allow=tuple(allow or ()), min_trust=min_trust, max_age_hours=max_age_hours)
    asked_us = parse_time(now) if now else None
    with opened() as index:
        rules, judged_us = load_policy(policy or index.settings.policy), asked_us or now_us(index)
        verdict = may_be_fed(index.view, found(index.view, node), demand, rules, judged_us)
    _print_provenance(verdict, output)
    _end(ok=verdict.ok, why=f"{node} {verdict.reason}")


@gates.command(
    epilog=examples(
        "lineage gate impact --dbt-manifest target/manifest.json --against index",
        "lineage gate impact --dbt-manifest manifest.json --catalog catalog.json -o markdown > comment.md",
        "lineage gate impact --schema orders.avsc --dataset raw.orders",
        "lineage gate impact --schema columns.yaml --dataset raw.orders --fail-on possible -o sarif > impact.sarif",
    )
)
def impact(  # noqa: PLR0917  as many options as the question has
    dbt_manifest: Annotated[
        Path | None, typer.Option("--dbt-manifest", metavar="FILE", help="dbt's manifest.json, as proposed.")
    ] = None,
    catalog: Annotated[
        Path | None, typer.Option("--catalog", metavar="FILE", help="dbt's catalog.json of the same build.")
    ] = None,
    base: Annotated[
        Path | None, typer.Option("--base", metavar="FILE", help="The manifest.json before the change.")
    ] = None,
    schema: Annotated[
        Path | None,
        typer.Option("--schema", metavar="FILE", help="Avro, JSON Schema or a list of columns, as JSON or YAML."),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset", metavar="NODE", callback=node_given, help="What the schema is of; else the file's own name."
        ),
    ] = None,
    against: Annotated[Against, typer.Option("--against", help="What to compare with.")] = Against.INDEX,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", metavar="NS", help="The namespace of dbt's relations.")
    ] = None,
    deleted: Annotated[bool, typer.Option(help="Count models that the manifest no longer has.")] = True,
    fail_on: Annotated[FailOn, typer.Option("--fail-on", help="From which grade on to say no.")] = FailOn.BREAKING,
    output: Annotated[Report, typer.Option("-o", "--output", help="Form of the output.")] = Report.TABLE,
) -> None:
    """What would this pull request break downstream? Exit 1 if somebody who reads it for certain."""
    from processor.cli.gate_files import question_of
    from processor.judging.questions import answer_impact

    del against  # it says in words what is done; there is nothing else yet

    files = {"manifest": dbt_manifest, "catalog": catalog, "base": base, "schema": schema}
    also = {"dataset": dataset, "namespace": namespace, "deleted": deleted, "fail_on": fail_on}
    question = question_of({name: path for name, path in files.items() if path is not None}, also)
    with opened() as index:
        named = {"dataset": "--dataset"} | {name: str(path) for name, path in files.items() if path is not None}
        verdict = answer_impact(index.view, question, lambda text: found(index.view, text), named)
    _print_impact(verdict, output)
    _say_impact(verdict, output)


@gates.command(
    epilog=examples(
        "lineage gate coverage --fail-under 95",
        "lineage gate coverage --fail-under 95 --namespace bigquery -o json",
    )
)
def coverage(
    fail_under: Annotated[
        float, typer.Option("--fail-under", metavar="PERCENT", min=0, max=100, help="What every share has to reach.")
    ] = 95.0,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", metavar="NS", help="Only this namespace, not all as a whole.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Is enough of the lineage known? Exit 1 if a share is below the target."""
    from processor.cli.coverage import answer, coverage_table, measured
    from processor.judging.coverage_gate import coverage_verdict
    from processor.render import console

    surveyed, asked = measured(namespace)
    verdict = coverage_verdict(asked, fail_under, surveyed.stumbled)
    if output is Output.TABLE:
        console.print_out(coverage_table([asked]))
    else:
        _write(verdict, output)
    answer(verdict)


def _print_provenance(verdict: ProvenanceVerdict, output: Output) -> None:
    from processor.judging.tables import offending_path, source_table
    from processor.render import console

    if output is not Output.TABLE:
        _write(verdict, output)
        return
    console.print_out(source_table(verdict))
    if verdict.path:
        console.print_out(offending_path(verdict))
    for note in verdict.notes:
        say(note)


def _print_impact(verdict: ImpactVerdict, output: Report) -> None:
    from processor.judging.markdown import markdown
    from processor.judging.sarif import sarif
    from processor.judging.tables import change_table
    from processor.render import console

    if output is Report.MARKDOWN:
        console.write_text(markdown(verdict))
    elif output is Report.JSON:
        console.write_json(verdict)
    elif output is Report.SARIF:
        console.write_json(sarif(verdict))
    elif verdict.changes:
        console.print_out(change_table(verdict))


def _say_impact(verdict: ImpactVerdict, output: Report) -> None:
    from processor.judging.markdown import headline

    for note in verdict.notes if output is Report.TABLE else ():
        say(note)
    say(headline(verdict))
    _end(ok=verdict.ok)


def _write(verdict: Any, output: Output) -> None:  # noqa: ANN401  any verdict
    from processor.render import console

    console.write_json(verdict) if output is Output.JSON else console.write_ndjson([verdict])


def _end(*, ok: bool, why: str = "") -> None:
    if not ok:
        if why:
            say(f"no: {why}")
        raise typer.Exit(NO)
