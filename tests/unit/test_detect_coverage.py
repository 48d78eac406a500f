"""Coverage: what is counted, the depth, and when a namespace is told."""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

import pytest

from processor.alerter.sweep import coverage as sweep
from processor.alerter.sweep.everything import everything
from processor.detect.coverage import MOST_NAMESPACES, REST, Coverage, Measure, Part, Tally
from processor.detect.policy import Policy
from processor.detect.policy_text import parse_policy
from processor.index.view import View
from processor.judging import coverage as judging
from processor.judging.coverage_gate import coverage_verdict
from processor.judging.scope import Scope
from processor.model.alert import AlertKind, Finding
from processor.model.identity import Kind, dataset
from processor.model.provenance import ColumnCount
from processor.telemetry import metrics
from tests.support.events import NAMESPACE, Json, column_lineage, ds, event, facet, fill, jb, memory, schema, table, us

LAKE = "s3://lake"
DEFAULT = Policy()
COLUMNS = [f"c{n}" for n in range(20)]


def scope(values: Iterable[Json], policy: Policy) -> Scope:
    return Scope(View(memory(*values)), policy, us(9_999), lambda: None, set())


def measured(*values: Json, policy: Policy = DEFAULT) -> tuple[Coverage, dict[str, Coverage]]:
    overall, namespaces, _ = judging.measure(scope(values, policy))
    return overall, {one.namespace: one for one in namespaces}


def findings(values: Iterable[Json], policy: Policy) -> list[Finding]:
    looked = scope(values, policy)
    found = [finding for finding in everything(looked) if finding.kind is AlertKind.LOW_COVERAGE]
    assert not looked.stumbled
    return found


def made(target: Json, *sources: Json, job: str | None = None, minutes: float = 0) -> Json:
    name = job or f"make {target['name']}"
    return event(name, minutes=minutes, run=crc32(f"{name} {minutes}".encode()), inputs=list(sources), outputs=[target])


def mapped(name: str, columns: list[str], parents: list[str]) -> Json:
    return table(
        name, schema=schema(*columns), columnLineage=column_lineage({column: [("raw", "x")] for column in parents})
    )


# What is counted


def test_what_is_named_as_missing_does_not_hang_on_the_order_in_which_it_is_read() -> None:
    names = ["d", "b", "e", "a", "c"]
    told = set()
    for order in (names, names[::-1]):
        tally = Tally(DEFAULT)
        for name in order:
            tally.add_dataset(ds(name), is_written=False)
        told.add(tally.overall.missing[Measure.DATASETS])
    assert told == {(ds("a"), ds("b"), ds("c"))}


def test_datasets_count_as_known_that_somebody_writes_or_that_are_declared() -> None:
    values = [made(table("a"), table("raw"), table("crm"), table("x", "inmemory://"))]
    overall, namespaces = measured(*values, policy=parse_policy("sources: ['*:crm']"))
    assert overall.parts[Measure.DATASETS] == namespaces[NAMESPACE].parts[Measure.DATASETS] == Part(2, 3)
    assert overall.missing[Measure.DATASETS] == (ds("raw"),)


def test_a_dataset_that_is_written_under_another_name_is_known_and_a_dropped_one_is_not_counted() -> None:
    links = facet(identifiers=[{"namespace": LAKE, "name": "t", "type": "TABLE"}])
    gone = facet(lifecycleStateChange="DROP")
    values = [
        made(table("t", LAKE)),
        event("read", run=1, inputs=[table("t", symlinks=links)]),
        event("drop", minutes=5, run=2, outputs=[table("old", lifecycleStateChange=gone)]),
    ]
    assert measured(*values)[0].parts[Measure.DATASETS] == Part(2, 2)


def test_columns_count_that_have_parents_now() -> None:
    values = [
        made(mapped("a", ["x", "y", "z"], ["x", "y"]), table("raw", schema=schema("x"))),
        made(mapped("b", ["x"], []), minutes=1),
    ]
    overall, _ = measured(*values)
    assert overall.parts[Measure.COLUMNS] == Part(2, 4)
    assert set(overall.missing[Measure.COLUMNS]) == {ds("a"), ds("b")}


def test_a_mapping_of_the_whole_output_and_nested_columns_count() -> None:
    nested = facet(
        fields=[{"name": "who", "type": "struct", "fields": [{"name": "id"}, {"name": "age"}]}, {"name": "n"}]
    )
    output = table("a", schema=nested, columnLineage=column_lineage({"who": [("raw", "x")]}))
    assert measured(made(output, table("raw")))[0].parts[Measure.COLUMNS] == Part(3, 4)
    every = facet(fields={}, dataset=[{"namespace": NAMESPACE, "name": "raw", "field": "x"}])
    whole = table("a", schema=nested, columnLineage=every)
    assert measured(made(whole, table("raw")))[0].parts[Measure.COLUMNS] == Part(4, 4)


def test_runs_count_that_have_what_their_job_normally_has() -> None:
    full = [made(table("a"), table("raw"), minutes=n) for n in range(8)]
    bare = [event("make a", minutes=n, run=1000 + n) for n in (8, 9)]
    bash = [event("bash", minutes=n, run=2000 + n) for n in range(9)]
    overall, namespaces = measured(*full, *bare, *bash)
    assert overall.parts[Measure.RUNS] == namespaces["shop"].parts[Measure.RUNS] == Part(8, 10)
    assert (namespaces["shop"].jobs, namespaces["shop"].missing[Measure.RUNS]) == (1, (jb("make a"),))


def test_what_a_run_makes_up_for_is_complete_again() -> None:
    story = [made(table("a"), table("raw"), minutes=n) for n in range(8)]
    bare, again = event("make a", minutes=8, run=1000), made(table("a"), table("raw"), minutes=9)
    assert measured(*story, bare)[0].parts[Measure.RUNS] == Part(8, 9)
    assert measured(*story, bare, again)[0].parts[Measure.RUNS] == Part(10, 10)


def test_what_a_job_leaves_out_now_and_then_is_complete() -> None:
    lacking = {4, 9}
    runs = [
        event("make a", minutes=n, run=1000 + n) if n in lacking else made(table("a"), table("raw"), minutes=n)
        for n in range(10)
    ]
    assert measured(*runs)[0].parts[Measure.RUNS] == Part(10, 10)


def test_an_empty_index_has_nothing_to_measure() -> None:
    overall, namespaces = measured()
    assert (overall.worst, namespaces) == (1.0, {})
    assert all(part.ratio is None for part in overall.parts.values())


@pytest.mark.parametrize(("fail_under", "ok"), [(95.0, False), (0.0, True)])
def test_an_empty_index_is_not_complete(fail_under: float, ok: object) -> None:
    verdict = coverage_verdict(measured()[0], fail_under)
    assert (verdict.ok, verdict.below) == (ok, [] if ok else ["there is no lineage to measure"])


def test_beyond_very_many_namespaces_the_rest_is_one() -> None:
    tally = Tally(Policy())
    for number in range(MOST_NAMESPACES + 5):
        tally.add_dataset(dataset(f"n{number}", "t"), is_written=True, columns=ColumnCount(2, 1, 1))
    found = {one.namespace: one for one in tally.namespaces()}
    assert (len(found), found[REST].parts[Measure.DATASETS]) == (MOST_NAMESPACES + 1, Part(5, 5))
    assert tally.overall.parts[Measure.COLUMNS] == Part(MOST_NAMESPACES + 5, 2 * MOST_NAMESPACES + 10)


# Depth


def depth(*values: Json) -> tuple[float, int, int]:
    found = measured(*values)[0].depth
    assert found is not None
    return round(found.average, 3), found.greatest, found.datasets


def test_depth_counts_the_jobs_of_the_shortest_way_from_a_source() -> None:
    chain = [made(table("b"), table("a")), made(table("c"), table("b")), made(table("d"), table("c"), table("a"))]
    assert depth(*chain) == (1.0, 2, 4)
    ingested = made(table("a"), job="ingest")
    assert depth(ingested, *chain) == (1.0, 2, 4)


def test_depth_knows_other_names_and_bears_cycles() -> None:
    links = facet(identifiers=[{"namespace": LAKE, "name": "b", "type": "TABLE"}])
    values = [made(table("b", symlinks=links), table("a")), made(table("c"), table("b", LAKE))]
    assert depth(*values) == (1.0, 2, 4)
    cycle = [made(table("b"), table("a"), table("c")), made(table("c"), table("b")), made(table("x"), table("x"))]
    assert depth(*cycle) == (1.0, 2, 3)


def test_depth_is_told_by_namespace() -> None:
    _, namespaces = measured(made(table("b", LAKE), table("a")))
    assert namespaces[NAMESPACE].depth is not None
    assert [namespaces[name].depth.greatest for name in (NAMESPACE, LAKE)] == [0, 1]  # type: ignore[union-attr]


def test_depth_of_too_much_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "DEPTH_NODES", 2)
    overall, _ = measured(made(table("b"), table("a")))
    assert overall.depth is None
    assert overall.parts[Measure.DATASETS] == Part(1, 2)


# Alerts


def ran(jobs: int, bare: int) -> list[Json]:
    """Jobs with ten complete runs; `bare` of them then lose their inputs and outputs for three."""
    full = [made(table(f"t{j}"), table("raw"), minutes=n) for j in range(jobs) for n in range(10)]
    lost = [event(f"make t{j}", minutes=n, run=10_000 + 100 * j + n) for j in range(bare) for n in range(10, 13)]
    return [*full, *lost]


def test_a_namespace_whose_runs_lost_their_lineage_is_told_until_they_have_it_again() -> None:
    [finding] = findings(ran(6, 3), Policy())
    assert (finding.subject.kind, finding.subject.namespace) == (Kind.NAMESPACE, "shop")
    assert finding.summary.startswith(
        "In namespace shop 86.9 % (60 of 69) completed runs have the lineage that is expected of them,"
        " where 95 % should (not: shop.make t"
    )
    again = [made(table(f"t{j}"), table("raw"), minutes=20) for j in range(6)]
    assert findings([*ran(6, 3), *again], Policy()) == []


def test_few_jobs_are_left_to_the_alerts_of_their_own() -> None:
    assert findings(ran(3, 3), Policy()) == []
    assert findings(ran(5, 2), Policy()) == []
    assert findings(ran(6, 0), Policy()) == []


def wide(parents: int, minutes: float = 0, tables: int = 3) -> list[Json]:
    """Tables of twenty columns each, of which so many have parents."""
    targets = [mapped(f"t{n}", COLUMNS, COLUMNS[:parents]) for n in range(tables)]
    return [made(target, table("raw"), minutes=minutes) for target in targets]


def test_columns_are_told_that_lost_parents_and_not_those_that_never_had_any() -> None:
    assert findings(wide(0), DEFAULT) == []
    assert findings(wide(20), DEFAULT) == []
    [finding] = findings([*wide(20), *wide(10, minutes=9)], DEFAULT)
    assert "50 % (30 of 60) columns of written datasets have known parents" in finding.summary


def test_a_loss_in_few_datasets_and_one_near_the_target_are_left_to_their_own_alerts() -> None:
    assert findings([*wide(20), *wide(0, minutes=9, tables=2)], DEFAULT) == []
    near = [made(mapped(f"t{n}", COLUMNS, COLUMNS[: 20 - (n > 0)]), table("raw")) for n in range(3)]
    less = [made(mapped(f"t{n}", COLUMNS, COLUMNS[: 19 - (n > 0)]), table("raw"), minutes=9) for n in range(3)]
    assert findings([*near, *less], DEFAULT) == []


def test_what_is_demanded_is_told_whatever_was_before() -> None:
    demanded = parse_policy(f"low_coverage: {{demand: ['{NAMESPACE}']}}")
    assert [f.subject.namespace for f in findings(wide(0), demanded)] == [NAMESPACE]
    milder = parse_policy(f"overrides: [{{match: ['{NAMESPACE}'], low_coverage: {{columns: 0.4}}}}]")
    assert findings([*wide(20), *wide(10, minutes=9)], milder) == []


def test_datasets_are_told_where_sources_are_declared() -> None:
    values = [made(table("a"), *(table(f"s{n}") for n in range(30)))]
    assert findings(values, Policy()) == []
    [finding] = findings(values, parse_policy("sources: ['crm']"))
    assert "3.2 % (1 of 31) datasets have a known writer" in finding.summary
    assert findings(values, parse_policy(f"sources: ['{NAMESPACE}:s*']")) == []


def test_the_largest_namespaces_have_metrics_and_all_together() -> None:
    values = [made(table("t", f"n{number:03}"), table("raw")) for number in range(60)]
    findings(values, Policy())
    samples = next(iter(metrics.COVERAGE.collect())).samples
    of_datasets = {s.labels["namespace"]: s.value for s in samples if s.labels["measure"] == "datasets"}
    assert len(of_datasets) == 1 + sweep.TOLD_NAMESPACES
    assert round(of_datasets[""], 3) == round(60 / 61, 3)


def test_the_alerter_measures_seldom_and_at_once_by_another_policy() -> None:
    now_s = [1000.0]
    survey = sweep.Seldom(lambda: now_s[0])
    store = memory(made(table("a"), table("raw")))

    def known(policy: Policy) -> Part:
        looked = Scope(View(store), policy, us(0), lambda: None, set(), survey)
        return survey(looked).overall.parts[Measure.DATASETS]

    assert known(DEFAULT) == Part(1, 2)
    fill(store, made(table("b"), table("raw"), minutes=1))
    assert known(DEFAULT) == Part(1, 2)
    other = Policy(sources=("*",))
    assert known(other) == Part(3, 3)
    fill(store, made(table("c"), table("raw"), minutes=2))
    assert known(other) == Part(3, 3)
    now_s[0] += sweep.EVERY_S
    assert known(other) == Part(4, 4)


@pytest.mark.parametrize(("namespace", "ok"), [("n", False), ("other", True)])
def test_what_could_not_be_read_is_not_known_to_be_complete(namespace: str, ok: object) -> None:
    stumbled = {dataset("n", "broken")}
    one = Coverage(namespace)
    one.parts[Measure.DATASETS] = Part(1, 1)
    verdict = coverage_verdict(one, 95.0, stumbled)
    assert (verdict.ok, any("dataset:n:broken" in each for each in verdict.below)) == (ok, not ok)
