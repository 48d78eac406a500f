"""`lineage alerts show|ack|mute|unmute|mutes`, as people run them."""

import json
from pathlib import Path

import pytest

from tests.support.command import Lineage
from tests.support.events import column_lineage, event, schema, table

EVENTS = [
    event("ingest", minutes=0, run=1, outputs=[table("public.orders", schema=schema("id:int", "amount:int"))]),
    event(
        "stage",
        minutes=5,
        run=2,
        inputs=[table("public.orders")],
        outputs=[
            table(
                "staging.orders",
                schema=schema("amount"),
                columnLineage=column_lineage({"amount": [("public.orders", "amount")]}),
            )
        ],
    ),
    event("ingest", minutes=60, run=3, outputs=[table("public.orders", schema=schema("id:int"))]),
]


@pytest.fixture
def lineage(tmp_path: Path) -> Lineage:
    command = Lineage(tmp_path, {})
    command.ok("load", "-", stdin="\n".join(map(json.dumps, EVENTS)).encode())
    command.ok("reconcile")
    return command


def the_id(lineage: Lineage, *arguments: str) -> str:
    (alert,) = lineage.ok("alerts", *arguments, "-o", "json").json
    return str(alert["alert_id"])


def test_one_alert_is_shown_whole(lineage: Lineage) -> None:
    alert_id = the_id(lineage)
    shown = lineage.ok("alerts", "show", alert_id[:6]).out
    for part in (
        "critical",
        "public.orders",
        "amount",
        "removed",
        "staging.orders.amount",
        alert_id,
        "schema_drift.md",
    ):
        assert part in shown
    assert lineage.ok("alerts", "show", alert_id, "-o", "json").json["alert_id"] == alert_id
    assert lineage("alerts", "show", "nothing").code == 1


def test_an_accepted_drift_is_gone_and_stays_gone(lineage: Lineage) -> None:
    alert_id = the_id(lineage)
    (seen,) = lineage.ok("alerts", "ack", alert_id[:8], "--reason", "agreed", "--by", "sam", "-o", "json").json
    assert (seen["status"], seen["acknowledged"]["by"], seen["acknowledged"]["reason"]) == ("resolved", "sam", "agreed")
    lineage.ok("reconcile")
    assert lineage.ok("alerts", "-o", "json").json == []
    assert the_id(lineage, "--all") == alert_id
    assert lineage("alerts", "ack", alert_id).code == 1
    assert "agreed" in lineage.ok("alerts", "show", alert_id).out


def test_a_muted_alert_stays_in_the_list_and_says_so(lineage: Lineage) -> None:
    alert_id = the_id(lineage)
    lineage.ok("alerts", "mute", alert_id, "--for", "3d", "--reason", "migration")
    lineage.ok("reconcile")
    assert "muted" in lineage.ok("alerts").out
    lineage.ok("alerts", "unmute", alert_id)
    assert "muted" not in lineage.ok("alerts").out


def test_a_pattern_mutes_until_it_is_taken_back(lineage: Lineage) -> None:
    lineage.ok("alerts", "mute", "--pattern", "*:public.*", "--for", "2h", "--reason", "moving", "--by", "kim")
    lineage.ok("reconcile")
    (muted,) = lineage.ok("alerts", "-o", "json").json
    assert (muted["muted"]["by"], muted["muted"]["pattern"]) == ("kim", "*:public.*")
    (listed,) = lineage.ok("alerts", "mutes", "-o", "json").json
    assert (listed["pattern"], listed["reason"], listed["kind"]) == ("*:public.*", "moving", None)
    lineage.ok("alerts", "unmute", "--pattern", "*:public.*")
    assert lineage("alerts", "unmute", "--pattern", "*:public.*").code == 1
    lineage.ok("reconcile")
    (told,) = lineage.ok("alerts", "-o", "json").json
    assert told["muted"] is None
    assert lineage.ok("alerts", "mutes", "-o", "json").json == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("ack",),
        ("mute", "a", "--for", "3d"),
        ("mute", "a", "--reason", "b"),
        ("mute", "a", "--for", "soon", "--reason", "b"),
        ("mute", "--for", "3d", "--reason", "b"),
        ("mute", "a", "--until", "2020-01-01", "--reason", "b"),
        ("mute", "a", "--kind", "stuck_run", "--for", "3d", "--reason", "b"),
        ("unmute",),
    ],
)
def test_what_is_missing_or_wrong_is_said_in_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    said = Lineage(tmp_path, {})("alerts", *arguments)
    assert said.code == 2
    assert len(said.err.splitlines()) == 1
