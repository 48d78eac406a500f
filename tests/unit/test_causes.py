"""What may have brought something about: what happened upstream within a window, ranked by time and distance."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.alerter.life import fire
from processor.alerter.reconcile import reconcile
from processor.alerter.state import MemoryAlerts
from processor.api import forms
from processor.detect.policy import Policy
from processor.index.causes import CauseKind, Causes, Why, why
from processor.index.edges import all_edges
from processor.index.memory import MemoryStore
from processor.index.view import View
from processor.model.alert import Alert, AlertKind, Finding, Severity
from processor.model.errors import UsageError
from processor.model.identity import Kind, Node
from processor.render.causes import sentence
from tests.support.api import served
from tests.support.events import Json, at, column_lineage, ds, event, facet, jb, memory, run_id, schema, table, us

HOUR = 60
DAY = 24 * HOUR


def copied(source: str, target: str, *columns: str, minutes: float, state: str = "COMPLETE") -> Json:
    """A run of `make TARGET` that copies columns of the source, and states its schema."""
    lineage = column_lineage({name: [(source, name)] for name in columns})
    output = table(target, schema=schema(*columns), columnLineage=lineage)
    return event(f"make {target}", state, minutes, run=int(minutes), inputs=[table(source)], outputs=[output])


def failed(name: str, minutes: float, error: str = "disk full") -> Json:
    said = {"errorMessage": facet(message=error, programmingLanguage="SQL")}
    return event(name, "FAIL", minutes, run=int(minutes) + 7, run_facets=said)


def checked(name: str, minutes: float, severity: str = "error") -> Json:
    found = facet(assertions=[{"assertion": "unique", "column": "id", "success": False, "severity": severity}])
    part = {**table(name), "inputFacets": {"dataQualityAssertions": found}}
    return event(f"check {name}", minutes=minutes, run=int(minutes) + 500, inputs=[part])


def day(minutes: float, *columns: str) -> list[Json]:
    """raw → stg → mart, each copying all columns of the one before."""
    names = ("source", "raw", "stg", "mart")
    return [
        copied(source, target, *columns, minutes=minutes + step)
        for step, (source, target) in enumerate(pairwise(names))
    ]


def asked(store: MemoryStore, subject: Node, now: float = 2 * DAY, span: float = DAY, **more: Any) -> Causes:  # noqa: ANN401
    told = more.pop("told", ())
    return why(store, Why(subject, more.pop("alert", None), int(span * 60_000_000), **more), told, us(now))


def kinds(found: Causes) -> list[tuple[CauseKind, str]]:
    return [(each.kind, each.node.name) for each in found.suspects]


DRIFTED = [*day(0, "id", "amount"), *day(1.5 * DAY, "id")]


def test_a_column_that_was_removed_far_upstream_is_the_cause_and_what_followed_is_told_as_such() -> None:
    found = asked(memory(*DRIFTED), ds("mart"))
    assert kinds(found) == [
        (CauseKind.SCHEMA_CHANGED, "raw"),
        (CauseKind.SCHEMA_CHANGED, "mart"),
        (CauseKind.SCHEMA_CHANGED, "stg"),
    ]
    first = found.suspects[0]
    assert [node.name for node in first.way] == ["raw", "make stg", "stg", "make mart", "mart"]
    assert (first.distance, first.follows, first.job, first.at_us) == (2, False, jb("make raw"), us(1.5 * DAY))
    assert sentence(first) == f"raw: amount removed, by job make raw in run {run_id(int(1.5 * DAY))}"
    assert all(each.follows for each in found.suspects[1:])


def test_the_score_is_what_the_head_of_the_module_says() -> None:
    [first, *_] = asked(memory(*DRIFTED), ds("mart")).suspects
    assert first.score == round(1 / (1 + 2 / 4) / (1 + 0.5 * 4), 4)


def test_a_column_that_is_upstream_no_longer_is_looked_at_as_it_was() -> None:
    gone = asked(memory(*DRIFTED), ds("mart").column("amount"))
    first = gone.suspects[0]
    assert [str(node.field) for node in first.way] == ["amount"] * 3
    assert [change.path for change in first.changes] == ["amount"]
    assert asked(memory(*DRIFTED), ds("mart").column("id")).suspects == ()


def test_what_failed_says_why_and_whether_it_is_over() -> None:
    store = memory(*day(0, "id"), failed("make stg", 1.9 * DAY, "no\nspace"), failed("make stg", 1.95 * DAY))
    [found] = asked(store, ds("mart")).suspects
    assert (found.kind, found.count, found.distance, found.is_over) == (CauseKind.RUN_FAILED, 2, 2, False)
    assert sentence(found).endswith(": disk full")
    again = memory(*day(0, "id"), failed("make stg", 1.9 * DAY), *day(1.95 * DAY, "id"))
    [over] = asked(again, ds("mart")).suspects
    assert over.is_over
    assert over.score < found.score


def test_a_job_is_among_its_own_causes() -> None:
    store = memory(*day(0, "id"), failed("make stg", 1.9 * DAY))
    [found] = asked(store, jb("make stg")).suspects
    assert (found.distance, found.way) == (0, (jb("make stg"),))


@pytest.mark.parametrize(("severity", "is_mild"), [("error", False), ("warn", True)])
def test_a_check_that_failed_upstream(severity: str, *, is_mild: bool) -> None:
    store = memory(*day(0, "id"), checked("raw", 1.9 * DAY, severity))
    [found] = asked(store, ds("mart")).suspects
    assert (found.kind, found.is_mild, found.job) == (CauseKind.CHECK_FAILED, is_mild, jb("check raw"))
    assert found.at_us == us(1.9 * DAY)
    assert sentence(found) == "raw: 1 check failed, checked by job check raw: unique of id"
    assert asked(store, ds("mart"), now=5 * DAY).suspects == ()


def test_a_dataset_that_was_dropped_is_seen_though_nobody_walks_it_any_more() -> None:
    gone = table("raw", lifecycleStateChange=facet(lifecycleStateChange="DROP"))
    store = memory(*day(0, "id"), event("tidy", minutes=1.9 * DAY, run=5, outputs=[gone]))
    found = asked(store, ds("mart"))
    assert (CauseKind.DROPPED, "raw") in kinds(found)
    assert sentence(found.suspects[0]) == "raw was dropped"


def test_what_an_alert_tells_counts_beside_and_a_schemas_is_named_with_it() -> None:
    store, alerts = memory(*DRIFTED), MemoryAlerts()
    reconcile(View(store), alerts, Policy(), us(2 * DAY))
    [drift] = [a for a in alerts.all() if a.finding.subject == ds("raw")]
    silent = _alert(AlertKind.SILENT_JOB, jb("make raw"), us(1.8 * DAY))
    found = asked(store, ds("mart"), told=[drift, silent, _alert(AlertKind.SILENT_JOB, jb("beside"), us(1.8 * DAY))])
    by_kind = {(each.kind, each.node.name): each for each in found.suspects}
    assert by_kind[CauseKind.SCHEMA_CHANGED, "raw"].alert_id == drift.finding.alert_id
    told = by_kind[CauseKind.SILENT, "make raw"]
    assert (told.alert_id, sentence(told)) == (silent.finding.alert_id, "It is silent")
    assert len(found.suspects) == 4


def test_what_fires_since_before_the_window_is_told_by_the_column_that_led_from_it() -> None:
    store, alerts = memory(*DRIFTED), MemoryAlerts()
    reconcile(View(store), alerts, Policy(), us(9 * DAY))
    told = [a for a in alerts.all() if a.finding.kind is AlertKind.SCHEMA_DRIFT and a.finding.subject == ds("raw")]
    [found] = asked(store, ds("mart").column("amount"), now=9 * DAY, told=told).suspects
    assert ([node.field for node in found.way], found.alert_id) == (["amount"] * 3, told[0].finding.alert_id)
    assert asked(store, ds("mart").column("id"), now=9 * DAY, told=told).suspects == ()


def test_an_alert_is_asked_about_the_time_before_it_began_and_is_not_its_own_cause() -> None:
    store = memory(*DRIFTED, failed("make raw", 1.9 * DAY))
    silent = _alert(AlertKind.SILENT_DATASET, ds("stg"), us(1.6 * DAY))
    found = asked(store, ds("stg"), now=9 * DAY, alert=silent, told=[silent])
    assert found.window.until_us == us(1.6 * DAY)
    assert CauseKind.RUN_FAILED not in {each.kind for each in found.suspects}
    assert CauseKind.SILENT not in {each.kind for each in found.suspects}
    with pytest.raises(UsageError):
        asked(store, Node(Kind.NAMESPACE, "shop", ""))


def test_only_the_likeliest_are_told_and_all_are_counted() -> None:
    found = asked(memory(*DRIFTED), ds("mart"), limit=1)
    assert (len(found.suspects), found.total) == (1, 3)


def _alert(kind: AlertKind, subject: Node, since_us: int) -> Alert:
    step = fire(
        None, Finding(f"{kind.value}-{subject.name}", kind, Severity.WARNING, subject, "It is silent.", since_us), ""
    )
    assert step is not None
    return step.alert


NAMES = ("a", "b", "c", "d")


@st.composite
def worlds(draw: st.DrawFn) -> list[Json]:
    """Jobs that read and write among few datasets, in any shape, and end well or not."""
    return [
        event(
            f"j{number}",
            draw(st.sampled_from(("COMPLETE", "FAIL"))),
            draw(st.integers(0, 47)) * HOUR,
            run=number,
            inputs=[table(name) for name in draw(st.lists(st.sampled_from(NAMES), max_size=2, unique=True))],
            outputs=[
                table(name, schema=schema(*draw(st.lists(st.sampled_from(("x", "y", "z")), min_size=1, unique=True))))
                for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True))
            ],
        )
        for number in draw(st.lists(st.integers(0, 5), min_size=1, max_size=8))
    ]


@settings(max_examples=60, deadline=None)
@given(worlds(), st.sampled_from(NAMES))
def test_whatever_the_graph_each_cause_lies_upstream_within_the_window_and_is_ranked(
    values: list[Json], name: str
) -> None:
    store = memory(*values)
    found = asked(store, ds(name))
    upstream = {(e.src, e.dst) for e in _edges(store)}
    for each in found.suspects:
        assert found.window.has(each.at_us)
        assert each.way[0] == each.node
        assert each.way[-1] == ds(name)
        assert all(step in upstream for step in pairwise(each.way))
        assert each.distance == sum(node.kind is Kind.JOB for node in each.way)
    ranks = [each.score for each in found.suspects]
    assert ranks == sorted(ranks, reverse=True)


def _edges(store: MemoryStore) -> list[Any]:
    return list(all_edges(View(store)))


# Over HTTP


def test_over_http_a_node_and_an_alert_are_asked_about_and_the_answer_is_described() -> None:
    store, alerts = memory(*DRIFTED), MemoryAlerts()
    reconcile(View(store), alerts, Policy(), us(2 * DAY))
    alert = next(a for a in alerts.all() if a.finding.subject == ds("raw"))
    with served(store, alerts) as api:
        answer = api.client.get("/api/v2/why/mart", params={"at": at(2 * DAY), "since": "2d", "limit": 1})
        document = answer.json()
        assert answer.status_code == 200, answer.text
        _decoded(answer.content)
        assert (document["total"], [each["node"]["name"] for each in document["causes"]]) == (3, ["raw"])
        assert document["causes"][0]["alert_id"] == alert.finding.alert_id
        of_alert = api.client.get(f"/api/v2/why/{alert.finding.alert_id}").json()
        assert of_alert["subject"]["name"] == "raw"
        assert of_alert["causes"][0]["summary"].startswith("raw: amount removed")
        assert api.client.get("/api/v2/why/nowhere").status_code == 404
        wrong = api.client.get("/api/v2/why/mart", params={"since": "yesterday"})
        assert (wrong.status_code, wrong.json()["parameter"]) == (400, "since")


def _decoded(content: bytes) -> None:
    msgspec.json.decode(content, type=forms.Caused, strict=True)
