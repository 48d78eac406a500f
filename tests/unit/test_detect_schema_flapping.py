"""When a schema goes back and forth, and when it only changed."""

from __future__ import annotations

import random
from itertools import pairwise, permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.alerter.reconcile import reconcile
from processor.alerter.state import MemoryAlerts
from processor.detect.kinds import of_lanes
from processor.detect.policy import Policy
from processor.detect.policy_text import parse_policy
from processor.detect.schema_flapping import least_changes
from processor.index.memory import MemoryStore
from processor.index.view import View
from processor.model.alert import Affected, AlertKind, Finding, Impact, Severity
from processor.model.history import HOUR_US, RECENT_HOURS, Lane, Observer, SchemaVersion
from processor.model.identity import dataset
from processor.model.observation import Role
from processor.model.tables import Column, Columns, encode_columns, fingerprint
from tests.support.asking import knowing
from tests.support.events import Json, column_lineage, ds, event, fill, schema, table, us

ORDERS = dataset("mystery://shop", "orders")
T0_HOUR = 490_000
READ = Impact(columns=(Affected(ds("mart").column("revenue"), 1),), total=1)
A: Columns = (Column("id", "int"), Column("amount", "int"))
B: Columns = A[:1]
C: Columns = (*A, Column("note", "text"))
VERSIONS = {"A": A, "B": B, "C": C, "a": (Column("amount", "INTEGER"), Column("id", "int4"))}
FLAPPING, DRIFT = AlertKind.SCHEMA_FLAPPING, AlertKind.SCHEMA_DRIFT


def lane(stated: list[tuple[int, str]], role: Role = Role.WRITER) -> Lane:
    """A lane of which these versions were stated, each after so many hours; the last one stands."""
    versions: dict[bytes, SchemaVersion] = {}
    for hour, letter in sorted(stated):
        mark = fingerprint(encode_columns(VERSIONS[letter]))
        hours = sorted({T0_HOUR + h for h, each in stated if each == letter}, reverse=True)[:RECENT_HOURS]
        versions.setdefault(mark, SchemaVersion(mark, VERSIONS[letter], (T0_HOUR + hour) * HOUR_US, tuple(hours)))
    at, last = stated[-1]
    mark = fingerprint(encode_columns(VERSIONS[last]))
    return Lane(ORDERS, Observer(role, "shop", "ingest"), tuple(versions.values()), mark, (T0_HOUR + at) * HOUR_US)


def found(
    letters: str, *, every_hours: int = 1, then_hours: int = 0, impact: Impact = READ, policy: str = ""
) -> list[Finding]:
    """What is wrong after these versions were stated in turn, so long after the last one; a space is a silence."""
    stated = [(n * every_hours, letter) for n, letter in enumerate(letters) if letter != " "]
    return of(lane(stated), then_hours=then_hours, impact=impact, policy=policy)


def of(known: Lane, *, then_hours: int = 0, impact: Impact = READ, policy: str = "") -> list[Finding]:
    now_us = known.current_us + then_hours * HOUR_US
    return of_lanes([known], parse_policy(policy), now_us, knowing(impact))


def kinds(findings: list[Finding]) -> list[AlertKind]:
    return [finding.kind for finding in findings]


@pytest.mark.parametrize("letters", ["ABAB", "BABA", "AABBAABB", "ABCABC", "ABaB"])
def test_back_and_forth_and_back_again_is_one_alert_and_no_drift(letters: str) -> None:
    assert kinds(found(letters)) == [FLAPPING]


@pytest.mark.parametrize("letters", ["ABA", "AB", "ABC", "AABBAA", "CBA", "ABAC", "aAaAaA", "AaAa"])
def test_a_change_a_rollback_and_one_version_after_another_are_none(letters: str) -> None:
    assert FLAPPING not in kinds(found(letters))


def test_it_says_what_comes_and_goes_who_states_it_and_on_how_much_it_stands() -> None:
    (finding,) = found("ABABAB")
    assert finding.summary == (
        "The schema of orders by job shop.ingest goes back and forth between 2 versions, at least 5 changes within"
        " 7.0 d: column amount comes and goes; 1 downstream column in 1 dataset depends on it (mart.revenue)."
    )
    assert [change.path for change in finding.changes] == ["amount"]
    assert finding.since_us == (T0_HOUR + 3) * HOUR_US
    assert finding.subject == ORDERS


def test_it_is_as_grave_as_the_graver_direction() -> None:
    assert found("ABAB")[0].severity is Severity.CRITICAL
    assert found("ABAB", impact=Impact())[0].severity is Severity.WARNING
    assert found("BABA")[0].severity is Severity.CRITICAL


def test_two_versions_in_the_same_hours_flap_after_some_hours() -> None:
    def side_by_side(hours: int) -> list[AlertKind]:
        return kinds(of(lane([(hour, letter) for hour in range(hours) for letter in "AB"])))

    assert FLAPPING not in side_by_side(2)
    assert side_by_side(3) == [FLAPPING]


def test_a_release_in_the_middle_of_an_hour_is_a_drift() -> None:
    assert kinds(of(lane([(0, "A"), (1, "A"), (1, "B"), (2, "B"), (3, "B")]))) == [DRIFT]


def test_it_is_over_once_a_version_has_been_stated_long_enough() -> None:
    flapping = [(hour * 24, letter) for hour, letter in enumerate("ABAB")]
    steady = [(hour * 24, "B") for hour in range(4, 6)]
    assert kinds(of(lane([*flapping, *steady[:0]]))) == [FLAPPING]
    assert kinds(of(lane([*flapping, (3 * 24 + 23, "B")]))) == [FLAPPING]
    assert kinds(of(lane([*flapping, *steady]))) == [DRIFT]


def test_silence_is_not_steadiness_but_ends_with_the_time_looked_at() -> None:
    assert kinds(found("ABAB", then_hours=5 * 24)) == [FLAPPING]
    assert kinds(found("ABAB", then_hours=8 * 24)) == [DRIFT]


def test_what_changes_more_slowly_than_the_time_looked_at_is_told_as_drift() -> None:
    assert kinds(found("ABAB", every_hours=7 * 24)) == [DRIFT]


def test_a_drift_to_another_version_is_told_besides() -> None:
    for letters, paths in (("ABABC", ["amount", "note"]), ("CABAB", ["note"])):
        findings = found(letters)
        assert kinds(findings) == [FLAPPING, DRIFT]
        assert [change.path for change in findings[1].changes] == paths


def test_coming_back_in_another_spelling_is_no_drift_besides() -> None:
    assert kinds(found("BABa")) == kinds(found("BABaB")) == [FLAPPING]


def test_a_return_that_drops_what_is_read_began_when_the_former_version_stood_again() -> None:
    (finding,) = found("BAAB")
    assert (finding.kind, finding.since_us) == (DRIFT, (T0_HOUR + 3) * HOUR_US)


def test_readers_may_read_now_this_and_now_that() -> None:
    letters = list(enumerate("ABABABAB"))
    assert FLAPPING not in kinds(of(lane(letters, Role.READER)))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("schema_flapping: {changes: 5}", [DRIFT]),
        ("schema_flapping: {enabled: false}", [DRIFT]),
        ("schema_flapping: {within_days: 0.1}", [DRIFT]),
        ("schema_flapping: {steady_hours: 0.5}", [DRIFT]),
        ("schema_drift: {enabled: false}", [FLAPPING]),
    ],
)
def test_what_it_takes_is_policy(policy: str, expected: list[AlertKind]) -> None:
    assert kinds(found("ABAB" if "changes" in policy or "drift" in policy else "ABABB", policy=policy)) == expected


hours = st.lists(st.frozensets(st.integers(0, 2), min_size=1), min_size=1, max_size=5)


@given(hours)
def test_the_fewest_changes_are_those_of_the_best_order_within_each_hour(stated: list[frozenset[int]]) -> None:
    chosen = product(*(list(permutations(some)) for some in stated))
    orders = ([each for part in parts for each in part] for parts in chosen)
    fewest = min(sum(one != other for one, other in pairwise(order)) for order in orders)
    assert list(least_changes(list(enumerate(stated))))[-1] == fewest


@given(st.text("ABCa", min_size=1, max_size=12), st.integers(1, 30), st.integers(0, 100))
def test_what_is_told_as_flapping_came_back_often_enough(letters: str, every_hours: int, then_hours: int) -> None:
    turns = sum(VERSIONS[one] != VERSIONS[other] for one, other in pairwise(letters.replace("a", "A")))
    findings = found(letters, every_hours=every_hours, then_hours=then_hours)
    assert FLAPPING not in kinds(findings) or turns >= 3
    assert all(finding.summary.isprintable() for finding in findings)


# Through the index


def run(hour: float, *columns: str, number: int | None = None) -> Json:
    copy = table("mart", columnLineage=column_lineage({"revenue": [("orders", "amount")]}))
    outputs = [table("orders", schema=schema(*columns)), copy]
    return event("ingest", minutes=hour * 60, run=int(hour) if number is None else number, outputs=outputs)


FULL, LESS = ("id:int", "amount:int"), ("id:int",)


def test_from_the_first_drift_to_flapping_to_steady() -> None:
    store, alerts = MemoryStore(), MemoryAlerts()

    def told(day: int, *columns: str) -> dict[AlertKind, str]:
        fill(store, run(day * 24, *columns))
        transitions = reconcile(View(store), alerts, Policy(), us(day * 24 * 60 + 1)).transitions
        return {alert.finding.kind: alert.status.value for alert in transitions}

    assert told(0, *FULL) == {}
    assert told(1, *LESS) == {DRIFT: "firing"}
    assert told(2, *FULL) == {DRIFT: "resolved"}
    assert told(3, *LESS) == {FLAPPING: "firing"}
    assert told(4, *FULL) == {}
    assert told(5, *FULL) == {FLAPPING: "resolved"}


def test_a_version_that_is_stated_every_hour_is_steady_after_as_many_as_are_kept() -> None:
    flapping = list(enumerate("ABAB"))
    for hours in (RECENT_HOURS - 1, RECENT_HOURS):
        known = lane([*flapping, *((4 + hour, "A") for hour in range(hours))])
        assert kinds(of(known)) == ([FLAPPING] if hours < RECENT_HOURS else [])


def test_the_order_in_which_events_come_does_not_matter() -> None:
    events = [run(hour, *(FULL if hour % 3 else LESS)) for hour in range(30)]
    shuffled = random.Random(7).sample(events, len(events))
    answers = []
    for some in (events, shuffled):
        store, alerts = MemoryStore(), MemoryAlerts()
        for each in some:
            fill(store, each)
        reconcile(View(store), alerts, Policy(), us(30 * 60))
        answers.append([alert.finding for alert in alerts.all()])
    assert answers[0] == answers[1]
    assert [finding.kind for finding in answers[0]] == [FLAPPING]
