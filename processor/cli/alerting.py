"""`alerts`, `alerts show`, `reconcile`: what fires, and deriving it anew."""

from __future__ import annotations

from typing import Annotated

import typer

from processor.cli import muting
from processor.cli.alert_store import alerts_of, let_go, one_of
from processor.cli.guard import say
from processor.cli.opened import found, now_us, opened
from processor.cli.options import Output, OutputOption, examples
from processor.model.alert import Alert, AlertKind, Severity


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(invoke_without_command=True)
    group.callback(
        epilog=examples(
            "lineage alerts",
            "lineage alerts --severity critical -o json",
            "lineage alerts --all --subject raw.orders      with those that are over",
            "lineage alerts show 5f0c                       all about one",
        ),
    )(alerts)
    group.command(epilog=examples("lineage alerts show 5f0c", "lineage alerts show 5f0c -o json"))(show)
    muting.register(group)
    app.add_typer(group, name="alerts")
    app.command(epilog=examples("lineage reconcile", "lineage reconcile --now 2026-11-22T08:00:00Z -o json"))(reconcile)


def alerts(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", "-a", help="Those that are over, too.")] = False,
    kind: Annotated[list[AlertKind] | None, typer.Option("--kind", "-k", help="Only of this kind.")] = None,
    severity: Annotated[list[Severity] | None, typer.Option("--severity", "-s", help="Only this grave.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", metavar="NODE", help="Only about this node.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the alerts that fire, the gravest first."""
    if ctx.invoked_subcommand is not None:
        return
    with opened() as index:
        wanted = found(index.view, subject).dataset if subject else None
        store = alerts_of(index)
        known = list(store.all() if every else store.firing().values())
    print_alerts(
        [
            alert
            for alert in known
            if (not kind or alert.finding.kind in kind)
            and (not severity or alert.finding.severity in severity)
            and (wanted is None or alert.finding.subject.dataset == wanted)
        ],
        output,
    )


def show(
    alert_id: Annotated[str, typer.Argument(metavar="ID", help="Id of an alert, or how it begins.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Show all about one alert: who did it, what changed, what breaks, what people said."""
    from processor.render import console
    from processor.render.alert_story import alert_story
    from processor.render.alerts import alert_record

    with opened() as index:
        alert = one_of(alerts_of(index), alert_id)
    if output is Output.JSON:
        console.write_json(alert_record(alert))
    elif output is Output.NDJSON:
        console.write_ndjson([alert_record(alert)])
    else:
        console.print_out(alert_story(alert))
        say(f"what may have brought it about: lineage why {alert.finding.alert_id}")


def reconcile(
    now: Annotated[
        str | None, typer.Option("--now", metavar="TIME", help="Judge as of this time (RFC 3339), not as of now.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Derive all alerts from the index: open what holds, resolve what does not."""
    from processor.alerter.policy_file import load_policy
    from processor.alerter.reconcile import Hooks, runbooks
    from processor.alerter.reconcile import reconcile as reconcile_once
    from processor.render.times import parse_time

    asked_us = parse_time(now) if now else None
    with opened() as index:
        store, policy = alerts_of(index), load_policy(index.settings.policy)
        judged_us, hooks = now_us(index) if asked_us is None else asked_us, Hooks(runbooks(index.settings.runbooks_url))
        outcome = reconcile_once(index.view, store, policy, judged_us, hooks)
        let_go(index, store)
    print_alerts(list(outcome.transitions), output)
    say(f"{len(outcome.opened)} opened, {len(outcome.resolved)} resolved, {outcome.firing} firing")


def print_alerts(alerts: list[Alert], output: Output) -> None:
    """Print a list of alerts."""
    from processor.render import console
    from processor.render.alerts import alert_record, alert_table, in_order

    ordered = in_order(alerts)
    if output is Output.JSON:
        console.write_json([alert_record(alert) for alert in ordered])
    elif output is Output.NDJSON:
        console.write_ndjson(alert_record(alert) for alert in ordered)
    elif ordered:
        console.print_out(alert_table(ordered))
    else:
        say("no alerts")
