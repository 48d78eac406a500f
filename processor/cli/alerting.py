"""`alerts`, `alerts show`, `reconcile`: what fires, and deriving it anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from processor.cli import muting
from processor.cli.alert_store import alerts_of, let_go, one_of
from processor.cli.guard import say
from processor.cli.opened import found, now_us, opened
from processor.cli.options import ListOutput, ListOutputOption, Output, OutputOption, examples, node_given
from processor.model.alert import Alert, AlertKind, Severity
from processor.model.errors import UsageError

if TYPE_CHECKING:
    from processor.alerter.redis_state import RedisAlerts
    from processor.cli.opened import Opened
    from processor.model.identity import Node


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(invoke_without_command=True)
    group.callback(
        epilog=examples(
            "lineage alerts",
            "lineage alerts --severity critical -o json",
            "lineage alerts --all -o csv > alerts.csv                   for spreadsheets",
            "lineage alerts --follow --severity critical -o ndjson      as they fire and resolve",
            "lineage alerts --all --subject raw.orders      with those that are over",
            "lineage alerts show 5f0c                       all about one",
        ),
    )(alerts)
    group.command(epilog=examples("lineage alerts show 5f0c", "lineage alerts show 5f0c -o json"))(show)
    muting.register(group)
    app.add_typer(group, name="alerts")
    app.command(epilog=examples("lineage reconcile", "lineage reconcile --now 2026-11-22T08:00:00Z -o json"))(reconcile)


def alerts(  # noqa: PLR0917  a question has as many parameters
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", "-a", help="Those that are over, too.")] = False,
    kind: Annotated[list[AlertKind] | None, typer.Option("--kind", "-k", help="Only of this kind.")] = None,
    severity: Annotated[list[Severity] | None, typer.Option("--severity", "-s", help="Only this grave.")] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="NODE", callback=node_given, help="Only about this node.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what fires and resolves.")] = False,
    after: Annotated[
        str | None, typer.Option("--after", metavar="PLACE", help="With --follow: go on where another one ended.")
    ] = None,
    output: ListOutputOption = ListOutput.TABLE,
) -> None:
    """List the alerts that fire, the gravest first."""
    if ctx.invoked_subcommand is not None:
        return
    if after is not None and not follow:
        raise UsageError("--after goes with --follow")
    if follow and output in (ListOutput.JSON, ListOutput.CSV):
        raise UsageError("--follow has no end, and so is no document: take -o ndjson")
    with opened() as index:
        wanted = _Wanted(kind, severity, found(index.view, subject).dataset if subject else None)
        store = alerts_of(index)
        if follow:
            _follow(index, store, wanted, after, Output(output.value))
            return
        known = list(store.all() if every else store.firing().values())
    print_alerts([alert for alert in known if wanted.has(alert)], output)


class _Wanted(NamedTuple):
    """Which alerts were asked for."""

    kinds: list[AlertKind] | None
    severities: list[Severity] | None
    subject: Node | None

    def has(self, alert: Alert) -> bool:
        finding = alert.finding
        return (
            (not self.kinds or finding.kind in self.kinds)
            and (not self.severities or finding.severity in self.severities)
            and (self.subject is None or finding.subject.dataset == self.subject)
        )


def _follow(index: Opened, store: RedisAlerts, wanted: _Wanted, after: str | None, output: Output) -> None:
    from processor.cli.following import Follower, follow_store, follow_topic
    from processor.home import BOOTSTRAP
    from processor.render.alerts import in_order

    follower = Follower(wanted.has, output)
    if index.settings.kafka.get(BOOTSTRAP):
        follow_topic(index.settings, follower, after, lambda: list(reversed(in_order(store.firing().values()))))
    elif after is not None:
        raise UsageError("--after is a place on the alerts topic, and no Kafka is known")
    else:
        follow_store(store, follower)


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
    if outcome.transitions or output is not Output.TABLE:
        print_alerts(list(outcome.transitions), ListOutput(output.value))
    say(f"{len(outcome.opened)} opened, {len(outcome.resolved)} resolved, {outcome.firing} firing")


def print_alerts(alerts: list[Alert], output: ListOutput) -> None:
    """Print a list of alerts."""
    from processor.render import console
    from processor.render.alerts import alert_record, alert_table, in_order
    from processor.render.csv_lines import ALERTS, csv_lines

    ordered = in_order(alerts)
    if output is ListOutput.JSON:
        console.write_json([alert_record(alert) for alert in ordered])
    elif output is ListOutput.CSV:
        console.write_lines(csv_lines(map(alert_record, ordered), ALERTS))
    elif output is ListOutput.NDJSON:
        console.write_ndjson(alert_record(alert) for alert in ordered)
    elif ordered:
        console.print_out(alert_table(ordered))
    else:
        say("no alerts")
