"""Records as programs read them: members in their documented order, times in RFC 3339."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from processor.model.alert import Affected, Alert, AlertKind, Finding, Impact, Severity, Status
from processor.model.errors import UsageError
from processor.model.history import KnownEdge
from processor.model.identity import dataset, job
from processor.model.observation import EdgeType, Evidence
from processor.model.text import visible
from processor.render.alerts import alert_record, alert_table, impact_line, in_order
from processor.render.records import edge, evidence
from processor.render.times import parse_time, rfc3339

DAY_US = 86_400_000_000
YEAR_10000_US = 253_402_300_800_000_000


def test_an_edge_is_written_as_documented() -> None:
    known = KnownEdge(
        EdgeType.DERIVES,
        dataset("DB://Host/x", "t").column("a"),
        dataset("db://host", "u").column("b"),
        Evidence.EXPLICIT | Evidence.COLUMN,
        0,
        1,
        job("etl", "load"),
        direct=True,
    )
    assert json.dumps(edge(known)) == (
        '{"type": "derives", "from": {"kind": "column", "namespace": "db://host/x", "name": "t", "field": "a"},'
        ' "to": {"kind": "column", "namespace": "db://host", "name": "u", "field": "b"},'
        ' "job": {"kind": "job", "namespace": "etl", "name": "load"}, "direct": true,'
        ' "evidence": ["explicit", "column"],'
        ' "first_seen": "1970-01-01T00:00:00.000000Z", "last_seen": "1970-01-01T00:00:00.000001Z"}'
    )


def test_an_edge_without_job_and_direction_leaves_them_out() -> None:
    known = KnownEdge(EdgeType.READS, dataset("d", "t"), job("j", "k"), Evidence.INPUTS_OUTPUTS, 0, 0)
    assert list(edge(known)) == ["type", "from", "to", "evidence", "first_seen", "last_seen"]


def test_every_kind_of_evidence_has_a_name() -> None:
    everything = Evidence(sum(Evidence))
    assert evidence(everything) == ["explicit", "column", "inputs_outputs", "declared", "symlink", "rename"]


@given(st.integers(0, YEAR_10000_US - 1))
def test_times_come_back(time_us: int) -> None:
    assert parse_time(rfc3339(time_us)) == time_us


@given(st.integers(0, YEAR_10000_US - 1), st.integers(0, YEAR_10000_US - 1))
def test_times_sort_as_text(one: int, other: int) -> None:
    assert (rfc3339(one) < rfc3339(other)) == (one < other)


@pytest.mark.parametrize(
    ("text", "time_us"),
    [
        ("1970-01-02T00:00:00Z", DAY_US),
        ("1970-01-02", DAY_US),
        ("1970-01-02T02:00:00+02:00", DAY_US),
        ("1970-01-01T23:59:59.999999", DAY_US - 1),
    ],
)
def test_times_are_read_with_and_without_a_zone(text: str, time_us: int) -> None:
    assert parse_time(text) == time_us


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "1700000000000", "\x1b[2J"])
def test_what_is_no_time_is_a_usage_error_on_one_visible_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_time(text)
    assert str(caught.value).isprintable()


@given(st.text())
def test_everything_is_made_visible(text: str) -> None:
    assert visible(text).isprintable()


@given(st.text().filter(str.isprintable))
def test_what_is_visible_stays(text: str) -> None:
    assert visible(text) == text


def alert(
    number: int, severity: Severity = Severity.WARNING, status: Status = Status.FIRING, started_us: int = 0
) -> Alert:
    finding = Finding(f"{number:02}", AlertKind.SCHEMA_DRIFT, severity, dataset("d", "t"), "it changed", 0)
    return Alert(finding, status, started_us, None, "runbook")


def test_alerts_have_their_times_spelt_out() -> None:
    record = alert_record(alert(1, started_us=DAY_US))
    assert (record["started_at"], record["ends_at"]) == ("1970-01-02T00:00:00.000000Z", None)
    assert record["subject"] == {"kind": "dataset", "namespace": "d", "name": "t", "field": None}


def test_the_gravest_that_fires_comes_first() -> None:
    alerts = [
        alert(1, Severity.CRITICAL, Status.RESOLVED),
        alert(2, Severity.INFO),
        alert(3, Severity.CRITICAL, started_us=1),
        alert(4, Severity.CRITICAL, started_us=2),
        alert(5, Severity.WARNING),
    ]
    assert [each.finding.alert_id for each in in_order(alerts)] == ["04", "03", "05", "02", "01"]


def test_what_breaks_is_named_and_what_only_depends_is_counted() -> None:
    table = dataset("d", "t")
    columns = (
        Affected(table.column("a"), 1),
        Affected(table.column("b"), 2),
        Affected(table.column("c"), 1, direct=False),
    )
    assert impact_line(Impact(columns=columns, datasets=(Affected(table, 1),))) == "t.a, t.b and 1 indirectly"
    assert impact_line(Impact(datasets=(Affected(table, 1),))) == "t"
    assert impact_line(Impact()) == ""


def test_a_long_list_of_what_breaks_is_cut() -> None:
    columns = tuple(Affected(dataset("d", "t").column(f"c{n:02}"), 1) for n in range(30))
    assert impact_line(Impact(columns=columns)).endswith("t.c11 and 18 more")


@pytest.mark.parametrize("width", [20, 40, 60])
def test_a_narrow_terminal_folds_and_loses_nothing(width: int) -> None:
    def letters(columns: int) -> list[str]:
        console = Console(width=columns)
        with console.capture() as captured:
            console.print(alert_table([alert(1)]))
        return sorted("".join(captured.get().split()))

    assert letters(width) == letters(500)
