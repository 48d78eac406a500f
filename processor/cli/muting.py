"""`alerts ack|mute|unmute|mutes`: what people say of alerts."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from processor.cli.alert_store import alerts_of, let_go, one_of
from processor.cli.guard import NotFoundError, say
from processor.cli.opened import opened
from processor.cli.options import ListOutput, Output, OutputOption, examples
from processor.model.alert import Alert, AlertKind, Note, Status
from processor.model.errors import UsageError

if TYPE_CHECKING:
    from processor.alerter.life import Step
    from processor.alerter.mutes import Mute
    from processor.alerter.redis_state import RedisAlerts

_TRIES = 5

_IDS = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="Alert ids, or how they begin.")]
_REASON = Annotated[str, typer.Option("--reason", "-r", help="Why; people will read it.")]
_BY = Annotated[str | None, typer.Option("--by", help="Who says so; without it, the user of this machine.")]
_PATTERN = Annotated[
    str | None,
    typer.Option("--pattern", "-p", help="Everything that this glob matches: a namespace, or NAMESPACE:NAME."),
]
_KIND = Annotated[AlertKind | None, typer.Option("--kind", "-k", help="With a pattern: only alerts of this kind.")]


def register(alerts: typer.Typer) -> None:
    """Add the commands."""
    alerts.command(
        epilog=examples(
            'lineage alerts ack 5f0c --reason "agreed with the shop team, the column is gone for good"',
            'lineage alerts ack 5f0c 77aa --reason "on it" --by sam',
        )
    )(ack)
    alerts.command(
        epilog=examples(
            'lineage alerts mute 5f0c --for 3d --reason "migration until Friday"',
            'lineage alerts mute --pattern "postgres://shop:*" --for 12h --reason "moving house"',
            'lineage alerts mute --pattern "airflow-dev" --kind silent_job --until 2026-12-24 --reason "holidays"',
        )
    )(mute)
    alerts.command(
        epilog=examples("lineage alerts unmute 5f0c", 'lineage alerts unmute --pattern "postgres://shop:*"')
    )(unmute)
    alerts.command(epilog=examples("lineage alerts mutes", "lineage alerts mutes -o json"))(mutes)


def ack(ids: _IDS = None, reason: _REASON = "", by: _BY = None, output: OutputOption = Output.TABLE) -> None:
    """Say that you have seen alerts. A drift is accepted by that as the new normal, and resolved."""
    from processor.alerter.life import acknowledge

    note = Note(_who(by), _wall_us(), reason)
    _each(ids, lambda alert: acknowledge(alert, note), output)


def mute(
    *,
    ids: _IDS = None,
    pattern: _PATTERN = None,
    kind: _KIND = None,
    lasting: Annotated[
        str | None, typer.Option("--for", metavar="SPAN", help="For how long: 45m, 12h, 3d, 2w.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Until when (RFC 3339).")] = None,
    reason: _REASON = "",
    by: _BY = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Let nobody be told of alerts for a while; they stay in the list, and go on or end as ever."""
    from processor.alerter.life import mute as mute_one
    from processor.alerter.mutes import Mute

    _check_choice(ids, pattern, kind)
    if not reason:
        raise UsageError("say why: --reason")
    now_us = _wall_us()
    until_us = _until_us(lasting, until, now_us)
    if pattern is None:
        note = Note(_who(by), now_us, reason, until_us)
        _each(ids, lambda alert: mute_one(alert, note), output)
        return
    made = Mute(pattern, until_us, reason, _who(by), now_us, kind)
    with opened() as index:
        alerts_of(index).mute(made)
    _print_mutes([made], output)
    say("the alerter heeds it with its next sweep")


def unmute(
    *, ids: _IDS = None, pattern: _PATTERN = None, kind: _KIND = None, output: OutputOption = Output.TABLE
) -> None:
    """Take a mute back; what still fires is told again."""
    from processor.alerter.life import unmute as unmute_one
    from processor.alerter.mutes import Mute

    _check_choice(ids, pattern, kind)
    if pattern is None:
        _each(ids, unmute_one, output)
        return
    with opened() as index:
        if not alerts_of(index).unmute(Mute(pattern, 0, "", "", 0, kind).mute_id):
            raise NotFoundError(f"nothing mutes {pattern!r}" + (f" for {kind}" if kind else ""))


def mutes(output: OutputOption = Output.TABLE) -> None:
    """List the patterns that are muted, those of the policy too."""
    from processor.alerter.mutes import Mute
    from processor.alerter.policy_file import load_policy

    with opened() as index:
        known = alerts_of(index).mutes()
        rules = load_policy(index.settings.policy).mutes
    of_policy = [Mute(rule.pattern, rule.until_us, rule.reason, "policy", 0, rule.kind) for rule in rules]
    now_us = _wall_us()
    _print_mutes([each for each in (*known, *of_policy) if each.until_us > now_us], output)


def _each(ids: list[str] | None, make: Callable[[Alert], Step | None], output: Output) -> None:
    """Take the same step with several alerts, and show what became of them."""
    from processor.cli.alerting import print_alerts

    if not ids:
        raise UsageError("which alerts? name their ids, or how they begin: lineage alerts -o json")
    with opened() as index:
        store = alerts_of(index)
        chosen = {alert.finding.alert_id: alert for alert in (one_of(store, given) for given in ids)}
        over = [i for i, alert in chosen.items() if alert.status is Status.RESOLVED]
        if over:
            raise NotFoundError(f"no longer fires: {', '.join(over)}")
        done = [_step(store, alert_id, make) for alert_id in chosen]
        let_go(index, store)
    print_alerts(done, ListOutput(output.value))


def _step(store: RedisAlerts, alert_id: str, make: Callable[[Alert], Step | None]) -> Alert:
    """Take a step, anew when somebody else took one meanwhile."""
    for _ in range(_TRIES):
        alert = store.get([alert_id]).get(alert_id)
        if alert is None:
            raise NotFoundError(f"is no longer there: {alert_id}")
        step = make(alert)
        if step is None:
            return alert
        if store.step(step):
            return step.alert
    raise UsageError(f"{alert_id} changes all the time; try again")


def _check_choice(ids: list[str] | None, pattern: str | None, kind: AlertKind | None) -> None:
    if bool(ids) == (pattern is not None):
        raise UsageError("name alerts by their ids, or else a --pattern")
    if kind and pattern is None:
        raise UsageError("--kind goes with --pattern; an id has its kind")


def _until_us(lasting: str | None, until: str | None, now_us: int) -> int:
    from processor.render.times import parse_span, parse_time

    if (lasting is None) == (until is None):
        raise UsageError("say for how long, --for 3d, or --until 2026-12-24T08:00:00Z")
    until_us = now_us + parse_span(lasting) if lasting else parse_time(until or "")
    if until_us <= now_us:
        raise UsageError("that is over already")
    return until_us


def _who(by: str | None) -> str:
    if by:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "somebody"


def _print_mutes(known: Iterable[Mute], output: Output) -> None:
    from processor.render import console
    from processor.render.mutes import mute_record, mute_table

    ordered = sorted(known, key=lambda each: (each.until_us, each.pattern))
    if output is Output.JSON:
        console.write_json([mute_record(each) for each in ordered])
    elif output is Output.NDJSON:
        console.write_ndjson(mute_record(each) for each in ordered)
    elif ordered:
        console.print_out(mute_table(ordered))
    else:
        say("nothing is muted by a pattern")


def _wall_us() -> int:
    return time.time_ns() // 1000
