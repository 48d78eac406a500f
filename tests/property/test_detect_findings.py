"""What must hold of detectors for whatever history: order of evaluation, time and spelling do not matter."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from processor.detect.kinds import of_job, of_lanes
from processor.detect.policy import Policy
from processor.detect.policy_text import PolicyError, parse_policy
from processor.detect.weekend import working_us
from processor.model.alert import Affected, ColumnDrift, Finding, Impact, Severity
from processor.model.history import FinishedRun, JobHistory, Lane, Observer, OpenRun, SchemaVersion
from processor.model.identity import dataset, job
from processor.model.observation import Role, RunState
from processor.model.tables import Column, ColumnChange, Columns, diff_columns, encode_columns, fingerprint
from tests.support.asking import knowing

ORDERS = dataset("postgres://shop:5432", "public.orders")
HOUR_US = 3_600_000_000
T0_US = 1_770_000_000_000_000

columns = st.dictionaries(
    st.sampled_from(["id", "amount", "note", "a.b", "é"]),
    st.sampled_from(["int", "text", "decimal(10, 2)"]),
    min_size=1,
).map(lambda there: tuple(Column(*pair) for pair in there.items()))
schemas = st.lists(columns, min_size=1, max_size=6)
observers = st.sampled_from([Observer(role, "shop", name) for role in Role for name in ("a", "b")])
READ = Impact(columns=(Affected(ORDERS.column("x"), 1),), total=1)
impacts = st.sampled_from([Impact(), READ])


INGEST = Observer(Role.WRITER, "shop", "ingest")
UNREAD = Impact()


def lane(states: list[Columns], observer: Observer = INGEST) -> Lane:
    """A lane that went through these schemas, an hour apart; of each its first hour alone, so that none alternate."""
    versions: dict[bytes, SchemaVersion] = {}
    mark = b""
    for number, state in enumerate(states):
        mark = fingerprint(encode_columns(state))
        time_us = T0_US + number * HOUR_US
        versions.setdefault(mark, SchemaVersion(mark, state, time_us, (time_us // HOUR_US,)))
    return Lane(ORDERS, observer, tuple(versions.values()), mark, T0_US + len(states) * HOUR_US)


def with_all_hours(states: list[Columns]) -> Lane:
    """The same with every hour in which a schema was stated, as the index keeps them."""
    there, began = lane(states), T0_US // HOUR_US
    marks = [fingerprint(encode_columns(state)) for state in states]
    hours = {mark: tuple(began + n for n in reversed(range(len(marks))) if marks[n] == mark) for mark in marks}
    return replace(there, versions=tuple(replace(each, hours=hours[each.fingerprint]) for each in there.versions))


def drift(*lanes: Lane, hours: int = 0, impact: Impact = UNREAD) -> list[Finding]:
    return of_lanes(lanes, Policy(), T0_US + hours * HOUR_US, knowing(impact))


@given(schemas, st.integers(0, 100), st.randoms())
def test_an_order_of_columns_is_never_told(states: list[Columns], hours: int, chance: random.Random) -> None:
    shuffled = [tuple(chance.sample(state, len(state))) for state in states]
    told = _told(drift(with_all_hours(states), hours=hours))
    assert told == _told(drift(with_all_hours(shuffled), hours=hours))


@given(schemas)
def test_going_back_to_the_first_schema_ends_every_drift(states: list[Columns]) -> None:
    assert not drift(lane([*states, states[0]]))


@given(schemas)
def test_going_back_is_told_only_for_columns_that_are_read(states: list[Columns]) -> None:
    gone = {column.path for state in states for column in state} - {column.path for column in states[0]}
    told = drift(lane([*states, states[0]]), impact=READ)
    assert {change.path for finding in told for change in finding.changes} <= gone


@given(schemas, impacts)
def test_what_is_told_shows_in_the_current_schema(states: list[Columns], impact: Impact) -> None:
    before = {plain(change) for state in states for change in diff_columns(state, states[-1])}
    told = {plain(change) for finding in drift(lane(states), impact=impact) for change in finding.changes}
    assert told <= before


@given(columns, columns, impacts)
def test_a_column_that_is_gone_or_retyped_is_always_told(old: Columns, new: Columns, impact: Impact) -> None:
    told = {plain(c) for f in drift(lane([old, new]), impact=impact) for c in f.changes}
    assert told == {plain(c) for c in diff_columns(old, new)}


@given(schemas, impacts, st.integers(0, 1000))
def test_only_what_breaks_nobody_ends_by_itself(states: list[Columns], impact: Impact, hours: int) -> None:
    now = drift(lane(states), impact=impact)
    later = drift(lane(states), impact=impact, hours=hours)
    kept = [f for f in now if f.severity is Severity.CRITICAL or hours < 24]
    assert [f for f in later if f in kept] == kept
    assert [f for f in now if f in later] == later


@given(columns, impacts, st.randoms())
def test_a_spelling_is_never_told(state: Columns, impact: Impact, chance: random.Random) -> None:
    spelled = {"int": ["integer", "INT4"], "text": ["varchar", "string"], "decimal(10, 2)": ["numeric(10,2)"]}
    other = tuple(Column(path, chance.choice(spelled[str(type_)])) for path, type_ in state)
    assert not drift(lane([state, other]), impact=impact)
    assert not drift(lane([state, other, state]), impact=impact)


@given(st.lists(st.tuples(schemas, observers), min_size=1, max_size=4, unique_by=lambda t: t[1]), st.randoms())
def test_the_order_of_lanes_does_not_matter(lanes: list[tuple[list[Columns], Observer]], chance: random.Random) -> None:
    known = [lane(states, observer) for states, observer in lanes]
    shuffled = chance.sample(known, len(known))
    assert _by_id(drift(*known)) == _by_id(drift(*shuffled))


@given(st.lists(st.tuples(schemas, observers), min_size=1, max_size=4, unique_by=lambda t: t[1]))
def test_no_two_findings_share_an_id(lanes: list[tuple[list[Columns], Observer]]) -> None:
    findings = drift(*(lane(states, observer) for states, observer in lanes))
    assert len({f.alert_id for f in findings}) == len(findings)


runs = st.builds(
    FinishedRun,
    st.uuids().map(str),
    st.integers(T0_US, T0_US + 60 * 24 * HOUR_US),
    st.integers(T0_US, T0_US + 60 * 24 * HOUR_US),
    st.sampled_from([RunState.COMPLETE, RunState.FAIL, RunState.ABORT]),
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(0, 2),
    st.just(b""),
)
open_runs = st.builds(OpenRun, st.uuids().map(str), st.integers(T0_US, T0_US + 60 * 24 * HOUR_US), st.booleans())
histories = st.builds(
    lambda finished, opened, kind: JobHistory(
        job("shop", "load"),
        tuple(sorted(finished, key=lambda run: run.ended_us, reverse=True)),
        tuple(opened),
        kind,
    ),
    st.lists(runs, max_size=32),
    st.lists(open_runs, max_size=4),
    st.sampled_from([None, "BATCH", "STREAMING", "SERVICE"]),
)
times = st.integers(T0_US, T0_US + 400 * 24 * HOUR_US)


@given(histories, times)
def test_a_job_of_whatever_history_can_be_judged(history: JobHistory, now_us: int) -> None:
    findings = of_job(history, Policy(), now_us)
    assert len({f.alert_id for f in findings}) == len(findings)
    assert all(f.summary.isprintable() for f in findings)
    assert all(f.since_us <= now_us for f in findings if not f.kind.value.startswith("missing"))


@given(histories, times)
def test_an_endless_job_raises_nothing(history: JobHistory, now_us: int) -> None:
    findings = of_job(history, Policy(), now_us)
    assert not findings or history.processing_type in (None, "BATCH")


@given(histories, times, times)
def test_time_alone_opens_and_ends_only_what_is_about_time(history: JobHistory, one_us: int, other_us: int) -> None:
    timeless = [
        [f for f in of_job(history, Policy(), now_us) if f.kind.value.startswith("missing")]
        for now_us in (one_us, other_us)
    ]
    assert timeless[0] == timeless[1]


@given(st.integers(0, 4 * 10**15), st.integers(0, 10**13))
def test_working_time_never_runs_back_nor_faster_than_time(start_us: int, passed_us: int) -> None:
    assert 0 <= working_us(start_us + passed_us) - working_us(start_us) <= passed_us


@given(st.integers(0, 4 * 10**15), st.integers(1, 500))
def test_a_week_has_five_working_days(start_us: int, weeks: int) -> None:
    assert working_us(start_us + weeks * 168 * HOUR_US) - working_us(start_us) == weeks * 120 * HOUR_US


@given(st.text(max_size=200))
def test_any_text_is_a_policy_or_refused_with_a_line(text: str) -> None:
    try:
        parse_policy(text)
    except PolicyError as error:
        refusal: PolicyError | None = error
    else:
        refusal = None
    assert refusal is None or (refusal.line >= 1 and "\n" not in str(refusal))


def plain(change: ColumnDrift | ColumnChange) -> ColumnChange:
    """What of a change the two schemas alone say."""
    return ColumnChange(change.path, change.change, change.from_type, change.to_type)


def _told(findings: list[Finding]) -> set[tuple[object, ...]]:
    return {(f.changes, f.severity) for f in findings}


def _by_id(findings: list[Finding]) -> dict[str, Finding]:
    return {f.alert_id: f for f in findings}
