"""What became different between two times."""

from __future__ import annotations

from processor.index.difference import Difference, difference
from processor.model.history import RECENT_RUNS
from processor.model.tables import ColumnChangeKind
from tests.support.events import Json, column_lineage, ds, event, facet, memory, schema, table, us


def run(job: str, hours: float, inputs: list[str], outputs: list[Json], number: int = 0) -> Json:
    return event(job, minutes=hours * 60, run=number, inputs=[table(n) for n in inputs], outputs=outputs)


DROP = facet(lifecycleStateChange="DROP")
STORE = memory(
    run("load", 0, ["a", "extra"], [table("b", schema=schema("id:int", "old"))]),
    run("load", 10, ["a"], [table("b", schema=schema("id:text", "new"))], 1),
    run("load", 20, ["a"], [table("b", schema=schema("id:text", "new"))], 2),
    run("report", 12, ["b"], [table("c", columnLineage=column_lineage({"x": [("b", "id")]}))], 3),
    run("drop", 30, [], [table("c", lifecycleStateChange=DROP)], 4),
)


def between(first: float, last: float, name: str | None = None) -> Difference:
    return difference(STORE, us(first * 60), us(last * 60), ds(name) if name else None)


def test_nodes_and_edges_that_were_first_seen_in_between_came() -> None:
    told = between(11, 25)
    assert {r.node.name for r in told.came} == {"report", "c"}
    assert {(e.type.value, e.dst.name) for e in told.edges_came} == {
        ("reads", "report"),
        ("writes", "c"),
        ("derives", "c"),
    }


def test_what_was_dropped_in_between_went() -> None:
    assert [r.node.name for r in between(25, 31).went] == ["c"]
    assert not between(31, 40).went


def test_an_edge_that_its_job_no_longer_states_ended() -> None:
    assert [(e.src.name, e.dst.name) for e in between(0, 25).edges_ended] == [("extra", "load")]
    assert not between(0, 5).edges_ended


def test_an_edge_ends_with_the_run_that_leaves_it_out_and_not_when_it_was_stated_last() -> None:
    assert [edge.src.name for edge in between(5, 15).edges_ended] == ["extra"]
    assert not between(11, 25).edges_ended


def test_an_edge_that_was_left_out_before_all_runs_that_are_kept_is_not_said_to_have_ended() -> None:
    later = [run("load", 10 + hour, ["a"], [table("b")], 1 + hour) for hour in range(RECENT_RUNS)]
    store = memory(run("load", 0, ["a", "extra"], [table("b")]), *later)
    assert not difference(store, us(5 * 60), us(100 * 60)).edges_ended


def test_a_schema_that_is_stated_otherwise_changed_and_who_did_it_is_told() -> None:
    (told,) = between(5, 25).schemas
    assert (told.dataset, told.observer.name, told.since_us) == (ds("b"), "load", us(600))
    assert {(c.path, c.change) for c in told.changes} == {
        ("id", ColumnChangeKind.RETYPED),
        ("old", ColumnChangeKind.REMOVED),
        ("new", ColumnChangeKind.ADDED),
    }
    assert not between(15, 25).schemas


def test_of_one_node_only_what_touches_it_is_told() -> None:
    told = between(-1, 25, "c")
    assert [r.node.name for r in told.came] == ["c"]
    assert {e.type.value for e in told.edges_came} == {"writes", "derives"}
    assert not told.schemas


def test_where_nothing_happened_nothing_is_told() -> None:
    assert between(40, 50) == Difference()
