"""What has one root cause is told once, with all that it brought about; nothing is lost, and no order matters."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from processor.detect.grouping import MOST_MEMBERS, WINDOW_US, Kin, Told, alone, bounded, dressed, grouped, led
from processor.detect.policy import Policy
from processor.detect.policy_text import parse_policy
from processor.detect.stats import HOUR_US
from processor.model.alert import AlertKind, ColumnDrift, Finding, Severity
from processor.model.change import Cause
from processor.model.identity import Kind, Node, dataset, job
from processor.model.tables import ColumnChangeKind

NOTHING = Kin({}, {})
GRAVE = {Severity.CRITICAL: 2, Severity.WARNING: 1, Severity.INFO: 0}


def drift(
    name: str,
    since_us: int,
    *columns: str,
    severity: Severity = Severity.WARNING,
    run: str | None = None,
    change: ColumnChangeKind = ColumnChangeKind.REMOVED,
) -> Finding:
    return Finding(
        alert_id=f"id-{name}",
        kind=AlertKind.SCHEMA_DRIFT,
        severity=severity,
        subject=dataset("pg", name),
        summary=f"{name} lost something.",
        since_us=since_us,
        cause=Cause(job("jobs", "writer" if run else f"writes {name}"), run or f"run of {name}"),
        changes=tuple(ColumnDrift(column, change) for column in columns),
    )


def waiting(name: str, kind: AlertKind = AlertKind.SILENT_JOB) -> Finding:
    return Finding(f"id-{kind}-{name}", kind, Severity.WARNING, job("dag", name), f"{name} waits.", 5)


def column(name: str, field: str) -> Node:
    return dataset("pg", name).column(field)


CHAIN = Kin(
    {
        column("b", "x"): frozenset({column("a", "x")}),
        column("c", "x"): frozenset({column("b", "x")}),
        column("d", "y"): frozenset({column("a", "x"), column("z", "x")}),
    },
    {},
)


def members(told: Told) -> dict[str, list[str]]:
    return {finding.alert_id: [m.alert_id for m in finding.members] for finding in told.findings}


def test_what_derives_from_a_dropped_column_is_told_with_the_most_upstream_drift() -> None:
    told = grouped([drift("c", 30, "x"), drift("a", 10, "x"), drift("b", 20, "x"), drift("other", 5, "x")], CHAIN)
    assert members(told) == {"id-a": ["id-b", "id-c"], "id-other": []}
    assert told.folded == {"id-b": "id-a", "id-c": "id-a"}
    (leader,) = [finding for finding in told.findings if finding.alert_id == "id-a"]
    assert leader.member_count == 2
    assert leader.summary == "a lost something, and 2 more findings of the same cause."
    assert alone(leader).summary == "a lost something."


def test_a_drift_with_a_cause_of_its_own_is_told_by_itself() -> None:
    apart: dict[str, list[str]] = {"id-a": [], "id-b": []}
    assert members(grouped([drift("a", 10, "x"), drift("b", 20, "x", "own")], CHAIN)) == apart
    assert members(grouped([drift("a", 10, "y"), drift("b", 20, "x")], CHAIN)) == apart
    assert members(grouped([drift("a", 20, "x"), drift("b", 10, "x")], CHAIN)) == apart
    assert members(grouped([drift("a", 10, "x"), drift("b", 11 + WINDOW_US, "x")], CHAIN)) == apart
    added = drift("b", 20, "x", change=ColumnChangeKind.ADDED)
    assert members(grouped([drift("a", 10, "x"), added], CHAIN)) == apart


def test_of_several_causes_the_first_leads() -> None:
    told = grouped([drift("a", 10, "x"), drift("z", 9, "x"), drift("d", 20, "y")], CHAIN)
    assert members(told) == {"id-z": ["id-d"], "id-a": []}


def test_what_one_run_did_to_its_outputs_is_one_and_the_gravest_leads() -> None:
    grave = drift("p", 20, "x", severity=Severity.CRITICAL, run="r")
    told = grouped([drift("m", 10, "x", run="r"), grave, drift("n", 10, "x", run="other")], NOTHING)
    assert members(told) == {"id-p": ["id-m"], "id-n": []}


def test_who_leads_is_as_grave_as_the_gravest_of_its_members() -> None:
    (told,) = grouped([drift("a", 10, "x"), drift("b", 20, "x", severity=Severity.CRITICAL)], CHAIN).findings
    assert (told.alert_id, told.severity) == ("id-a", Severity.CRITICAL)


def test_who_leads_what_breaks_somebody_does_not_say_that_nobody_depends_on_it() -> None:
    """A column that went all the way down in one night: nobody names it any more but who stands at the end."""
    unread = replace(drift("a", 10, "x"), summary="a lost something; nobody is known to depend on it.")
    (told,) = grouped([unread, drift("b", 20, "x", severity=Severity.CRITICAL)], CHAIN).findings
    assert told.summary == "a lost something, and 1 more finding of the same cause."
    (mild,) = grouped([unread, drift("b", 20, "x")], CHAIN).findings
    assert mild.summary == "a lost something; nobody is known to depend on it, and 1 more finding of the same cause."


def test_a_silent_task_is_told_with_its_silent_dag() -> None:
    parents = {job("dag", f"t{n}"): frozenset({job("dag", "all")}) for n in range(3)}
    found = [waiting("all", AlertKind.STUCK_RUN), *(waiting(f"t{n}") for n in range(3)), waiting("alone")]
    told = grouped(found, Kin({}, parents))
    assert {f.subject.name: f.member_count for f in told.findings} == {"all": 3, "alone": 0}
    without = grouped(found[1:], Kin({}, parents)).findings
    assert {f.subject.name: f.member_count for f in without} == {"t0": 2, "alone": 0}  # one project, one cause


def test_tasks_of_one_dag_that_fall_silent_on_other_days_are_told_one_by_one() -> None:
    parents = {job("dag", f"t{n}"): frozenset({job("dag", "all")}) for n in range(3)}
    found = [replace(waiting(f"t{n}"), since_us=n * 25 * HOUR_US) for n in range(3)]
    assert members(grouped(found, Kin({}, parents))) == {finding.alert_id: [] for finding in found}


def test_many_jobs_of_one_namespace_that_fall_silent_within_a_day_are_one_alert() -> None:
    some = [replace(waiting(f"j{n}"), since_us=n * HOUR_US) for n in range(5)]
    other = replace(waiting("elsewhere"), subject=job("other", "elsewhere"))
    (told, alone_) = sorted(grouped([*some, other], NOTHING).findings, key=lambda finding: -finding.member_count)
    assert (told.subject, told.member_count, alone_.subject) == (job("dag", "j0"), 4, other.subject)
    assert len(grouped(some[:4], NOTHING).findings) == 4


def test_the_tasks_of_one_silent_dag_are_not_many_jobs() -> None:
    parents = {job("dag", f"t{n}"): frozenset({job("dag", "all")}) for n in range(30)}
    found = [*(waiting(f"t{n}") for n in range(30)), waiting("alone")]
    assert sorted(f.member_count for f in grouped(found, Kin({}, parents)).findings) == [0, 29]


def test_parents_and_columns_that_go_round_in_a_circle_still_have_one_leader() -> None:
    round_ = {job("dag", "a"): frozenset({job("dag", "b")}), job("dag", "b"): frozenset({job("dag", "a")})}
    assert len(grouped([waiting("a"), waiting("b")], Kin({}, round_)).findings) == 1
    looped = {column("a", "x"): frozenset({column("b", "x")}), column("b", "x"): frozenset({column("a", "x")})}
    (one,) = grouped([drift("a", 10, "x"), drift("b", 10, "x")], Kin(looped, {})).findings
    assert one.alert_id == "id-a"


def test_members_are_named_up_to_a_limit_and_all_counted() -> None:
    (told,) = grouped([drift(f"t{n:04}", n, "x", run="r") for n in range(500)], NOTHING).findings
    assert (len(told.members), told.member_count) == (MOST_MEMBERS, 499)
    assert told.members[0].alert_id == "id-t0001"
    again = led(told, [drift("new", 1000, "x")])
    assert again.member_count == 500
    assert dressed(alone(drift("t0000", 0, "x", run="r")), told) == told


findings = st.lists(
    st.builds(
        drift,
        st.sampled_from("abcdz"),
        st.integers(0, 50),
        st.sampled_from("xy"),
        severity=st.sampled_from(Severity),
        run=st.sampled_from([None, "r", "s"]),
    ),
    unique_by=lambda finding: finding.alert_id,
)


@given(findings, st.randoms())
def test_no_order_matters_and_nothing_is_lost(found: list[Finding], chance: object) -> None:
    mixed = list(found)
    chance.shuffle(mixed)  # type: ignore[attr-defined]  # Hypothesis's own
    told = grouped(found, CHAIN)
    assert {f.alert_id: f for f in told.findings} == {f.alert_id: f for f in grouped(mixed, CHAIN).findings}
    named = [i for f in told.findings for i in (f.alert_id, *(m.alert_id for m in f.members))]
    assert sorted(named) == sorted(f.alert_id for f in found)
    assert sum(1 + f.member_count for f in told.findings) == len(found)
    gravest = max((GRAVE[f.severity] for f in found), default=0)
    assert max((GRAVE[f.severity] for f in told.findings), default=0) == gravest


def many(count: int, since_us: int = 0, severity: Severity = Severity.WARNING) -> Told:
    some = (drift(f"{since_us}-{severity}-{n:03}", since_us + n, "x", severity=severity) for n in range(count))
    return Told(list(some), {})


def test_beyond_so_many_in_an_hour_the_rest_is_one_alert_that_counts_them() -> None:
    grave = many(3, 9, Severity.CRITICAL).findings
    told = bounded(Told(many(200).findings + grave, {}), Policy())
    storms = [f for f in told.findings if f.kind is AlertKind.ALERT_STORM]
    (storm,) = storms
    assert len(told.findings) == 51
    assert set(grave) <= set(told.findings)
    assert (storm.member_count, len(storm.members), len(told.folded)) == (153, MOST_MEMBERS, 153)
    assert set(told.folded.values()) == {storm.alert_id}
    assert storm.subject == Node(Kind.NAMESPACE, "pg", "")
    assert "153 more alerts of kind schema_drift began in the hour from 1970-01-01 00:00 UTC" in storm.summary
    assert storm.severity is Severity.WARNING


def test_what_comes_over_many_hours_or_is_of_many_kinds_is_no_storm() -> None:
    spread = Told([f for hour in range(10) for f in many(50, hour * HOUR_US).findings], {})
    assert bounded(spread, Policy()) == Told(sorted(spread.findings, key=lambda f: f.since_us), {})
    assert len(bounded(many(51), Policy()).findings) == 51
    assert len(bounded(many(52), Policy()).findings) == 51


def test_a_storm_over_several_namespaces_is_about_all_of_them() -> None:
    some = many(52).findings
    elsewhere = replace(some[51], subject=dataset("elsewhere", "t"))
    told = bounded(Told([*some[:51], elsewhere], {}), Policy())
    assert [f.subject for f in told.findings if f.kind is AlertKind.ALERT_STORM] == [Node(Kind.NAMESPACE, "*", "")]


def test_the_policy_says_how_many_and_whether() -> None:
    assert len(bounded(many(9), parse_policy("alert_storm: {at_most: 3}")).findings) == 4
    assert len(bounded(many(99), parse_policy("alert_storm: {enabled: false}")).findings) == 99
    assert len(bounded(many(99), parse_policy("alert_storm: {ignore: [pg]}")).findings) == 99
