"""Trust by provenance: the walk to the sources, the score, and the alert."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.alerter.sweep.everything import everything
from processor.detect.knobs import Guarded
from processor.detect.policy import Policy
from processor.detect.policy_text import parse_policy
from processor.detect.trust import Trust, judge
from processor.index.provenance import provenance
from processor.index.view import View
from processor.judging.scope import Scope
from processor.judging.trusted import trust_under
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.identity import Node, dataset
from processor.model.provenance import ColumnCount, FailedCheck, Provenance, Stop, Trail
from tests.support.events import (
    NAMESPACE,
    Json,
    column_lineage,
    ds,
    event,
    facet,
    jb,
    memory,
    schema,
    table,
    us,
)

CRM, PARTNER, LAB = "postgres://crm:5432", "s3://partner", "file://lab"
GUARDED = f"""
guarded:
- match: ["{NAMESPACE}:marts.*"]
  allowed: ["{CRM}", "{PARTNER}:prices/*"]
  min_trust: 0.9
  max_age_hours: 48
"""
HOUR = 60.0
CUSTOMERS, MART = ds("marts.customers"), ds("marts.a")


def copied(source: Json, target: str, *columns: str, minutes: float = 0, of: int | None = None) -> Json:
    """A job that writes the target out of one source; the first `of` of its columns (all by default) have parents."""
    mapped = columns if of is None else columns[:of]
    parents = {name: [(source["name"], name)] for name in mapped}
    lineage = column_lineage(parents, source["namespace"])
    output = table(target, schema=schema(*columns), columnLineage=lineage)
    return event(f"make {target}", minutes=minutes, run=int(minutes), inputs=[source], outputs=[output])


def checked(name: str, severity: str, *, success: bool = False, minutes: float = 1) -> Json:
    found = facet(assertions=[{"assertion": "unique", "column": "id", "success": success, "severity": severity}])
    part = {**table(name), "inputFacets": {"dataQualityAssertions": found}}
    return event(f"check {name}", minutes=minutes, run=int(minutes) + 500, inputs=[part])


def made(target: str, *sources: str, minutes: float = 0, job: str | None = None) -> Json:
    inputs = [table(source) for source in sources]
    return event(job or f"make {target}", minutes=minutes, run=int(minutes), inputs=inputs, outputs=[table(target)])


def example(prices_written: float = 0) -> list[Json]:
    """That of docs/trust.md, judged 60 hours after the beginning."""
    joined = column_lineage({"id": [("raw.customers", "id")], "a": [("raw.prices", "a")], "b": [("raw.prices", "b")]})
    mart = table("marts.customers", schema=schema("id", "a", "b", "c"), columnLineage=joined)
    return [
        copied(table("public.customers", CRM), "raw.customers", "id", "a", "b", "c", minutes=59 * HOUR),
        copied(table("prices/eu.csv", PARTNER), "raw.prices", "a", "b", minutes=prices_written),
        checked("raw.prices", "warn"),
        event("mart", minutes=59 * HOUR, run=9, inputs=[table("raw.customers"), table("raw.prices")], outputs=[mart]),
    ]


def trusted(values: list[Json], policy: Policy, *, hours: float = 60, subject: Node = CUSTOMERS) -> Trust:
    [trust] = trust_under(View(memory(*values)), subject, policy.guarded, policy, us(hours * HOUR))
    return trust


def findings(values: list[Json], policy: Policy, *, hours: float = 60) -> list[Finding]:
    scope = Scope(View(memory(*values)), policy, us(hours * HOUR), lambda: None, set())
    found = [finding for finding in everything(scope) if finding.kind is AlertKind.UNTRUSTED_SOURCE]
    assert not scope.stumbled
    return found


# The example of the documents


def test_the_example_of_the_documents_is_computed_as_it_says() -> None:
    trust = trusted(example(), parse_policy(GUARDED))
    scores = {source.trail.source.name: round(source.factors.score, 4) for source in trust.sources}
    assert scores == {"prices/eu.csv": 0.722, "public.customers": 0.9625}
    worst = trust.sources[0].factors
    assert tuple(round(factor, 6) for factor in worst) == (1, 0.95, 0.8, 0.95, 1)
    assert round(trust.score, 4) == 0.722


def test_the_example_is_a_warning_that_names_the_way_and_resolves_as_it_says() -> None:
    [finding] = findings(example(), parse_policy(GUARDED))
    assert finding.severity is Severity.WARNING
    assert [node.name for node in finding.path] == [
        "marts.customers",
        "mart",
        "raw.prices",
        "make raw.prices",
        "prices/eu.csv",
    ]
    assert "0.72 where 0.90 is demanded" in finding.summary
    assert finding.cause.job == jb("make raw.prices")
    again = example(prices_written=59 * HOUR)
    assert round(trusted(again, parse_policy(GUARDED)).score, 4) == 0.9025
    assert findings(again, parse_policy(GUARDED)) == []


# Sources that are outside, and checks that block


def test_a_source_outside_the_allowed_ones_is_critical_and_named_with_its_path() -> None:
    smuggled = copied(table("notes.csv", LAB), "raw.prices", "a", "b", minutes=60 * HOUR)
    [finding] = findings([*example(59 * HOUR), smuggled], parse_policy(GUARDED))
    assert finding.severity is Severity.CRITICAL
    assert finding.path[-1] == dataset(LAB, "notes.csv")
    assert finding.since_us == us(60 * HOUR)
    assert finding.summary == (
        "Guarded dataset marts.customers draws on notes.csv in file://lab by way of raw.prices, which is outside its"
        " allowed sources."
    )


def test_a_failed_check_that_blocks_is_critical_until_it_passes() -> None:
    policy = parse_policy(GUARDED)
    broken = [*example(59 * HOUR), checked("raw.customers", "error", minutes=2)]
    [finding] = findings(broken, policy)
    assert (finding.severity, finding.path[-1].name) == (Severity.CRITICAL, "public.customers")
    assert "the blocking check unique of id failed in job shop.check raw.customers" in finding.summary
    assert findings([*broken, checked("raw.customers", "error", success=True, minutes=3)], policy) == []


def test_the_word_of_a_job_that_is_not_seen_any_more_ends_to_count() -> None:
    policy = parse_policy(GUARDED.replace("max_age_hours: 48", "max_age_hours: 8784"))
    broken = [*example(59 * HOUR), checked("raw.customers", "error", minutes=2)]
    assert [f.severity for f in findings(broken, policy, hours=29 * 24)] == [Severity.CRITICAL]
    assert findings(broken, policy, hours=31 * 24) == []


def test_a_check_of_the_guarded_dataset_itself_counts() -> None:
    assert findings([*example(59 * HOUR), checked("marts.customers", "error")], parse_policy(GUARDED))


def test_an_open_drift_on_the_way_costs_trust() -> None:
    drifted = copied(table("prices/eu.csv", PARTNER), "raw.prices", "a", minutes=58 * HOUR)
    values = [*example(), drifted]
    assert {s.trail.source.name: s.factors.drift for s in trusted(values, parse_policy(GUARDED)).sources} == {
        "prices/eu.csv": 0.8,
        "public.customers": 1,
    }


def test_a_job_can_be_guarded() -> None:
    policy = parse_policy("guarded: [{match: ['shop:train'], allowed: ['postgres://crm:5432']}]")
    train = event("train", minutes=3, run=3, inputs=[table("features")])
    values = [made("features", "somewhere"), train]
    assert not findings(values, policy, hours=23)
    [finding] = findings(values, policy, hours=25)
    assert [node.name for node in finding.path] == ["train", "features", "make features", "somewhere"]
    assert finding.summary.startswith("Guarded job shop.train draws on somewhere in postgres://warehouse:5432")


def test_without_allowed_sources_somebody_has_to_vouch_for_them() -> None:
    values = [made("marts.a", "raw.a")]
    policy = parse_policy("guarded: [{match: ['*:marts.*'], min_trust: 0.5}]")
    assert trusted(values, policy, subject=ds("marts.a"), hours=1).score == 0.35
    declared = parse_policy("sources: ['*:raw.*']\nguarded: [{match: ['*:marts.*'], min_trust: 0.5}]")
    assert trusted(values, declared, subject=ds("marts.a"), hours=1).score == 0.7


def test_nothing_is_guarded_by_default_and_a_subject_can_be_left_out() -> None:
    assert findings(example(), Policy()) == []
    left_out = parse_policy(GUARDED + "untrusted_source: {ignore: ['*:marts.customers']}\n")
    assert findings(example(), left_out) == []


def test_a_guarded_dataset_that_was_dropped_is_not_told() -> None:
    gone = facet(lifecycleStateChange="DROP")
    dropped = event("clean", minutes=60 * HOUR, run=99, outputs=[table("marts.customers", lifecycleStateChange=gone)])
    assert findings([*example(), dropped], parse_policy(GUARDED), hours=61) == []


def test_several_guards_are_one_alert_of_the_gravest() -> None:
    strict = f"- {{match: ['{NAMESPACE}:marts.*'], allowed: ['{CRM}']}}\n"
    [finding] = findings(example(), parse_policy(GUARDED + strict))
    assert (finding.severity, finding.path[-1].name) == (Severity.CRITICAL, "prices/eu.csv")


# The walk


def names(found: Provenance) -> list[list[str]]:
    return [[node.name for node in trail.path] for trail in found.trails]


def walked(*values: Json, subject: Node = MART, limit: int = 100) -> Provenance:
    return provenance(View(memory(*values)), subject, limit=limit)


def test_the_shortest_way_leads_to_each_source() -> None:
    found = walked(made("b", "s"), made("a", "b"), made("marts.a", "a", "s", "t"))
    assert sorted(names(found)) == [["marts.a", "make marts.a", "s"], ["marts.a", "make marts.a", "t"]]


def test_a_subject_with_nothing_upstream_is_its_own_source() -> None:
    assert names(walked(event("ingest", outputs=[table("marts.a")]))) == [["marts.a"]]
    lonely = walked(event("train"), subject=jb("train"))
    assert names(lonely) == [["train"]]
    assert judge(lonely, Guarded(match=("*",)), Policy(), us(1)).score == 0.5


def test_a_subject_that_is_not_known_is_trusted_no_further_than_half() -> None:
    assert judge(walked(subject=ds("nowhere")), Guarded(match=("*",)), Policy(), us(1)).score == 0.5


def test_cycles_end_and_one_of_those_without_a_source_is_it() -> None:
    assert names(walked(made("marts.a", "marts.a", "s"))) == [["marts.a", "make marts.a", "s"]]
    found = walked(made("marts.a", "b"), made("b", "c"), made("c", "b"))
    assert [path[-1] for path in names(found)] == ["c"]
    assert [path[-1] for path in names(walked(made("marts.a", "b", "s"), made("b", "marts.a")))] == ["s"]


def test_another_name_of_a_dataset_is_the_same_dataset() -> None:
    linked = facet(identifiers=[{"namespace": "s3://lake", "name": "raw/orders", "type": "TABLE"}])
    other = table("raw/orders", "s3://lake")
    values = [
        event("land", inputs=[table("orders", CRM)], outputs=[other]),
        event("mart", run=1, inputs=[table("raw.orders", symlinks=linked)], outputs=[table("marts.a")]),
    ]
    [trail] = walked(*values).trails
    assert [node.name for node in trail.path] == ["marts.a", "mart", "raw.orders", "land", "orders"]
    assert set(trail.stops[1].names) == {ds("raw.orders"), dataset("s3://lake", "raw/orders")}


def test_an_input_that_a_job_gave_up_is_none_any_more() -> None:
    old = [made("marts.a", "old", "kept", job="mart", minutes=n * 24 * HOUR) for n in range(3)]
    new = [made("marts.a", "kept", job="mart", minutes=n * 24 * HOUR) for n in range(3, 6)]
    assert {path[-1] for path in names(walked(*old, *new[:2]))} == {"old", "kept"}
    assert {path[-1] for path in names(walked(*old, *new))} == {"kept"}


def test_what_came_by_way_of_a_dropped_dataset_still_came_from_its_sources() -> None:
    gone = facet(lifecycleStateChange="DROP")
    dropped = event("clean", minutes=9, run=9, outputs=[table("tmp", lifecycleStateChange=gone)])
    assert names(walked(made("tmp", "s"), made("marts.a", "tmp", minutes=5), dropped))[0][-1] == "s"


def test_more_upstream_than_can_be_looked_at_is_not_trusted() -> None:
    found = walked(made("marts.a", *(f"s{n}" for n in range(20))), limit=10)
    trust = judge(found, Guarded(match=("*",)), Policy(sources=("*",)), us(1))
    assert (found.truncated, trust.score, trust.holds(0.1)) == (True, 0.0, False)
    chain = [made(f"s{n}", f"s{n + 1}", "crm") for n in range(20)]
    found = walked(made("marts.a", "s0"), *chain, limit=10)
    assert [path[-1] for path in names(found)] == ["crm"]
    between = [f"m{n}" for n in range(20)]
    found = walked(made("marts.a", *between), *(made(name, "crm") for name in between), limit=10)
    assert names(found) == [["marts.a"]]


# The score


def test_of_few_writes_no_cadence_is_learned_and_of_many_the_widest_gap_counts() -> None:
    def freshness(*hours: int, age_hours: int) -> float:
        newest_us = hours[0] * 3_600_000_000
        stop = Stop(ds("s"), last_write_us=newest_us, written_hours=hours)
        found = Provenance(ds("s"), (Trail((ds("s"),), (stop,), 0),))
        return (
            judge(found, Guarded(match=("*",)), Policy(), newest_us + age_hours * 3_600_000_000).sources[0].factors[2]
        )

    assert freshness(1000, 999, 998, age_hours=5000) == 1
    assert freshness(1000, 999, 998, 997, age_hours=96) == 1
    assert freshness(1000, 999, 998, 997, age_hours=120) == 0.8
    assert freshness(1000, 832, 664, 496, age_hours=336) == 1
    assert freshness(1000, 832, 664, 496, age_hours=420) == 0.8


stops = st.builds(
    Stop,
    dataset=st.sampled_from([ds("a"), ds("b"), ds("c")]),
    is_written=st.booleans(),
    last_write_us=st.one_of(st.none(), st.integers(0, us(0))),
    written_hours=st.lists(st.integers(0, 400_000), max_size=6, unique=True).map(
        lambda h: tuple(sorted(h, reverse=True))
    ),
    failed=st.lists(st.builds(FailedCheck, name=st.just("c"), blocks=st.booleans()), max_size=2).map(tuple),
    parents=st.one_of(
        st.none(), st.integers(0, 9).flatmap(lambda n: st.builds(ColumnCount, st.just(n), st.integers(0, n)))
    ),
)
trails = st.lists(stops, min_size=1, max_size=4).map(lambda s: Trail(tuple(stop.dataset for stop in s), tuple(s), 0))
provenances = st.lists(trails, min_size=1, max_size=3).map(lambda found: Provenance(ds("a"), tuple(found)))
guards = st.builds(
    Guarded,
    match=st.just(("*",)),
    allowed=st.sampled_from([(), (f"{NAMESPACE}:a",), ("*",)]),
    max_age_hours=st.one_of(st.none(), st.just(48.0)),
)


def worsened(stop: Stop, how: str) -> Stop:
    if how == "check":
        return replace(stop, failed=(*stop.failed, FailedCheck("more", blocks=True)))
    if how == "warned":
        return replace(stop, failed=(*stop.failed, FailedCheck("more", blocks=False)))
    if how == "unwritten":
        return replace(stop, is_written=False)
    if how == "columns" and stop.parents is not None:
        return replace(stop, parents=replace_count(stop.parents))
    return stop


def replace_count(count: ColumnCount) -> ColumnCount:
    return count._replace(with_parents=max(0, count.with_parents - 1))


@given(provenances, guards, st.data())
def test_a_worse_input_never_raises_trust(found: Provenance, guard: Guarded, data: st.DataObject) -> None:
    how = data.draw(
        st.sampled_from(["check", "warned", "unwritten", "columns", "age", "drift", "source", "cut", "strict"])
    )
    at, now_us, drifting = data.draw(st.integers(0, len(found.trails) - 1)), us(0), frozenset[Node]()
    before = judge(found, guard, Policy(), now_us)
    worse_trail = found.trails[at]
    worse_trail = replace(worse_trail, stops=tuple(worsened(stop, how) for stop in worse_trail.stops))
    worse = replace(found, trails=(*found.trails[:at], worse_trail, *found.trails[at + 1 :]))
    if how == "age":
        now_us += data.draw(st.integers(0, us(0)))
    if how == "drift":
        drifting = frozenset({ds("b")})
    if how == "source":
        worse = replace(found, trails=(*found.trails, data.draw(trails)))
    if how == "cut":
        worse = replace(found, truncated=True)
    after = judge(worse, guard, Policy(), now_us, drifting)
    assert 0 <= after.score <= before.score <= 1
    assert before.holds(0.9) or not after.holds(0.9)


@pytest.mark.parametrize("demanded", [0.5, 0.9, 1.0])
def test_a_source_outside_is_never_trusted_and_a_flawless_one_always_is(demanded: float) -> None:
    flawless = Provenance(ds("a"), (Trail((ds("a"),), (Stop(ds("a")),), 0),))
    assert judge(flawless, Guarded(match=("*",)), Policy(), us(0)).holds(demanded)
    assert not judge(flawless, Guarded(match=("*",), allowed=("crm",)), Policy(), us(0)).holds(demanded)
