"""`alerts`, `reconcile`: what fires, and deriving it anew."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from processor.cli.guard import say
from processor.cli.opened import Opened, found, opened
from processor.cli.options import Output, OutputOption, examples
from processor.model.alert import Alert, AlertKind, Severity

if TYPE_CHECKING:
    from processor.alerter.redis_state import RedisAlerts

_PAGE = 500


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(
        epilog=examples(
            "lineage alerts",
            "lineage alerts --severity critical -o json",
            "lineage alerts --all --subject raw.orders      with those that are over",
        ),
    )(alerts)
    app.command(epilog=examples("lineage reconcile", "lineage reconcile --now 2026-11-22T08:00:00Z -o json"))(reconcile)


def alerts(
    every: Annotated[bool, typer.Option("--all", "-a", help="Those that are over, too.")] = False,
    kind: Annotated[list[AlertKind] | None, typer.Option("--kind", "-k", help="Only of this kind.")] = None,
    severity: Annotated[list[Severity] | None, typer.Option("--severity", "-s", help="Only this grave.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", metavar="NODE", help="Only about this node.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the alerts that fire, the gravest first."""
    with opened() as index:
        wanted = found(index.view, subject).dataset if subject else None
        store = _alerts_of(index)
        known = list(store.all() if every else store.firing().values())
    _print(
        [
            alert
            for alert in known
            if (not kind or alert.finding.kind in kind)
            and (not severity or alert.finding.severity in severity)
            and (wanted is None or alert.finding.subject.dataset == wanted)
        ],
        output,
    )


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
        store, policy = _alerts_of(index), load_policy(index.settings.policy)
        now_us, hooks = _now_us(index) if asked_us is None else asked_us, Hooks(runbooks(index.settings.runbooks_url))
        outcome = reconcile_once(index.view, store, policy, now_us, hooks)
        _let_go(index, store)
    _print(list(outcome.transitions), output)
    say(f"{len(outcome.opened)} opened, {len(outcome.resolved)} resolved, {outcome.firing} firing")


def _print(alerts: list[Alert], output: Output) -> None:
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


def _alerts_of(index: Opened) -> RedisAlerts:
    from processor import wiring

    return wiring.open_alerts(index.settings, index.store)


def _now_us(index: Opened) -> int:
    wall_us = time.time_ns() // 1000
    reached_us = index.view.now_us(wall_us, index.settings.clock)
    return wall_us if reached_us is None else reached_us


def _let_go(index: Opened, store: RedisAlerts) -> None:
    """Where no Kafka is known, nobody will ever publish what is waiting to be published."""
    from processor.home import BOOTSTRAP

    if index.settings.kafka.get(BOOTSTRAP):
        return
    while waiting := store.pending(_PAGE):
        store.confirm(waiting)
