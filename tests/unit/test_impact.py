"""What a change of columns breaks, and the walk by columns that tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pytest

from processor.index.columns import column_lineage as walk_columns
from processor.index.impact import impact
from processor.index.memory import MemoryStore
from processor.index.portion import Portion
from processor.index.view import View
from processor.model.alert import Affected
from processor.model.identity import Node
from tests.support.events import (
    NAMESPACE,
    PIPELINE,
    Json,
    column_lineage,
    ds,
    event,
    facet,
    fill,
    memory,
    schema,
    table,
)


def column(path: str) -> Node:
    """A column written as `dataset.field`."""
    name, _, field = path.rpartition(".")
    return ds(name).column(field)


def source(path: str, *, direct: bool = True) -> Json:
    """An input as columnLineage writes it: `dataset.field`, or a dataset alone, which names no column."""
    name, _, field = path.rpartition(".")
    kind = [{"type": "DIRECT" if direct else "INDIRECT", "subtype": "IDENTITY"}]
    return {"namespace": NAMESPACE, "name": name, "field": field, "transformations": kind}


def mapped(
    job: str, output: str, fields: dict[str, list[Json]], every: Iterable[Json] = (), *, inputs: Iterable[str] = ()
) -> Json:
    """A job that says which columns it makes of which."""
    stated = facet(fields={name: {"inputFields": sources} for name, sources in fields.items()}, dataset=list(every))
    written = table(output, columnLineage=stated)
    return event(job, inputs=[table(name) for name in inputs], outputs=[written])


def copy(job: str, src: str, dst: str, *, direct: bool = True) -> Json:
    """A job that makes one column of one other."""
    name, _, field = dst.rpartition(".")
    return mapped(job, name, {field: [source(src, direct=direct)]}, inputs=[src.rpartition(".")[0]])


def silent(job: str, src: str, dst: str) -> Json:
    """A job that does not say which columns it uses."""
    return event(job, inputs=[table(src)], outputs=[table(dst)])


def same(name: str, other: str) -> Json:
    """An event by which `name` and `other` are one dataset."""
    identifiers = [{"namespace": NAMESPACE, "name": other, "type": "TABLE"}]
    return event("names", outputs=[table(name, symlinks=facet(identifiers=identifiers))])


def drop(name: str) -> Json:
    return event("dropper", minutes=90, outputs=[table(name, lifecycleStateChange=facet(lifecycleStateChange="DROP"))])


def told(affected: Iterable[Affected]) -> dict[str, tuple[int, bool, bool]]:
    """(depth, direct, possible) by name."""
    return {f"{a.node.name}.{a.node.field}".removesuffix(".None"): (a.depth, a.direct, a.possible) for a in affected}


CERTAIN, INFLUENCED, POSSIBLE = (True, False), (False, False), (True, True)


def test_impact_is_exact_by_column_and_possible_behind_jobs_that_do_not_say() -> None:
    found = impact(View(memory(*PIPELINE)), ds("raw"), ["amount"])
    assert [(a.node.name, a.node.field, a.depth) for a in found.columns] == [
        ("stg", "total", 1),
        ("mart", "revenue", 2),
    ]
    assert [(a.node.name, a.possible) for a in found.datasets] == [("stg", False), ("mart", False), ("forecast", True)]
    assert {(a.node.name, a.possible) for a in found.jobs} == {("stage", False), ("mart", False), ("model", True)}
    assert found.owners == ("ann", "team-stage")
    assert (found.total, found.truncated) == (8, False)


def test_a_column_that_nobody_uses_breaks_nothing_certain() -> None:
    found = impact(View(memory(*PIPELINE[:2])), ds("stg"), ["id"])
    assert (found.columns, found.datasets, found.jobs) == ((), (), ())


def test_what_is_stated_of_whole_datasets_is_possible_and_not_certain() -> None:
    inputs = [{"type": "DATASET", "namespace": NAMESPACE, "name": "a"}]
    entry = {"type": "DATASET", "namespace": NAMESPACE, "name": "b", "inputs": inputs}
    output = table("b", schema=schema("x", "y"))
    value = event("load", inputs=[table("a")], outputs=[output], job_facets={"lineage": facet(entries=[entry])})
    found = impact(View(memory(value)), ds("a"), ["k"])
    assert found.columns == ()
    assert [(affected.node.name, affected.possible) for affected in found.datasets] == [("b", True)]


def test_impact_lists_are_capped_and_the_true_count_is_kept() -> None:
    lineage_facet = column_lineage({f"c{n}": [("raw", "id")] for n in range(9)})
    found = impact(
        View(memory(event(outputs=[table("wide", columnLineage=lineage_facet)]))), ds("raw"), ["id"], limit=3
    )
    assert (len(found.columns), found.truncated, found.total) == (3, True, 11)


def test_indirect_influence_is_marked_along_the_path() -> None:
    first = table("b", columnLineage=column_lineage({"x": [("a", "k")]}, indirect=True))
    second = table("c", columnLineage=column_lineage({"y": [("b", "x")]}))
    view = View(memory(event("j1", outputs=[first]), event("j2", run=1, outputs=[second])))
    assert [affected.direct for affected in impact(view, ds("a"), ["k"]).columns] == [False, False]


def test_only_the_newest_mapping_of_a_job_leads_on() -> None:
    old = event(minutes=0, outputs=[table("b", columnLineage=column_lineage({"x": [("a", "k")]}))])
    new = event(minutes=9, run=1, outputs=[table("b", columnLineage=column_lineage({"x": [("a", "other")]}))])
    for order in ((old, new), (new, old)):
        assert impact(View(memory(*order)), ds("a"), ["k"]).columns == ()


# Through the dataset itself


def test_impact_goes_through_other_columns_of_the_dataset_itself() -> None:
    view = View(memory(copy("merge", "o.a", "o.b"), copy("down", "o.b", "x.x1")))
    found = impact(view, ds("o"), ["a"])
    assert told(found.columns) == {"o.b": (1, *CERTAIN), "x.x1": (2, *CERTAIN)}
    assert told(found.datasets) == {"x": (2, *CERTAIN)}
    assert told(found.jobs) == {"merge": (1, *CERTAIN), "down": (2, *CERTAIN)}


def test_the_start_is_not_listed_under_another_of_its_names() -> None:
    view = View(memory(same("s", "t"), copy("back", "s.a", "t.a"), copy("on", "s.a", "t.b"), silent("j", "t", "s")))
    found = impact(view, ds("s"), ["a"])
    assert told(found.columns) == {"t.b": (1, *CERTAIN)}
    assert found.datasets == ()


def test_a_circle_through_silent_jobs_makes_every_column_of_the_start_possible() -> None:
    circle = [silent("j1", "o", "p"), silent("j2", "p", "o")]
    found = impact(View(memory(*circle, copy("exact", "o.b", "x.x1"))), ds("o"), ["a"])
    assert told(found.datasets) == {"p": (1, *POSSIBLE), "x": (3, *POSSIBLE)}


def test_a_job_that_rewrites_a_dataset_in_place_makes_nothing_possible_behind_it() -> None:
    found = impact(View(memory(silent("vacuum", "o", "o"), copy("exact", "o.b", "x.x1"))), ds("o"), ["a"])
    assert (found.columns, found.datasets) == ((), ())
    assert told(found.jobs) == {"vacuum": (1, *POSSIBLE)}


# Direct or not, near or far


def test_a_longer_direct_path_makes_direct_what_a_shorter_one_only_influences() -> None:
    view = View(
        memory(
            mapped("short", "c", {"y": [source("a.x", direct=False), source("b.y")]}, inputs=["a", "b"]),
            copy("first", "a.x", "b.y"),
            copy("behind", "c.y", "d.z"),
        )
    )
    found = impact(view, ds("a"), ["x"])
    assert told(found.columns) == {"b.y": (1, *CERTAIN), "c.y": (1, *CERTAIN), "d.z": (2, *CERTAIN)}
    assert told(found.datasets) == {"b": (1, *CERTAIN), "c": (1, *CERTAIN), "d": (2, *CERTAIN)}
    assert told(found.jobs) == {"first": (1, *CERTAIN), "short": (1, *CERTAIN), "behind": (2, *CERTAIN)}


@pytest.mark.parametrize("salt", range(8))
def test_what_is_possible_has_the_least_depth(salt: int) -> None:
    p, q, r, z = (f"{name}{salt}" for name in "pqrz")
    view = View(
        memory(
            copy("j1", "o.a", f"{p}.b"),
            copy("j2", f"{p}.b", f"{q}.c"),
            copy("j3", f"{q}.c", f"{r}.d"),
            *(silent(f"to_z{n}", name, z) for n, name in enumerate([r, q, p])),
            silent("on", z, "end"),
        )
    )
    found = impact(view, ds("o"), ["a"])
    assert {a.node.name: a.depth for a in found.datasets if a.possible} == {z: 2, "end": 3}


def test_certain_beats_possible_however_much_nearer() -> None:
    exact = [copy("j1", "o.a", "p.b"), copy("j2", "p.b", "q.c")]
    found = impact(View(memory(*exact, silent("shortcut", "o", "q"))), ds("o"), ["a"])
    assert told(found.datasets) == {"p": (1, *CERTAIN), "q": (2, *CERTAIN)}


def test_other_columns_of_a_dataset_that_is_certain_may_be_reached_by_a_silent_job() -> None:
    view = View(memory(copy("j1", "o.a", "p.b"), silent("j2", "o", "p"), copy("other", "p.k", "x.x1")))
    assert told(impact(view, ds("o"), ["a"]).datasets) == {"p": (1, *CERTAIN), "x": (2, *POSSIBLE)}


def test_a_dataset_that_states_its_own_mapping_says_which_columns_it_uses() -> None:
    value = copy("unused", "o.a", "p.b")
    statement = {key: value[key] for key in ("eventTime", "producer")} | {"dataset": value["outputs"][0]}
    view = View(memory(statement))
    assert told(impact(view, ds("o"), ["a"]).columns) == {"p.b": (1, *CERTAIN)}
    assert impact(view, ds("o"), ["other"]).datasets == ()


# Sources of the whole output


def test_a_column_that_a_whole_output_derives_from_reaches_each_of_its_columns() -> None:
    load = mapped("load", "b", {"x": [source("a.v")]}, [source("a.k", direct=False)], inputs=["a"])
    load["outputs"][0]["facets"]["schema"] = schema("x", "y")
    found = impact(View(memory(load)), ds("a"), ["k", "v"])
    assert told(found.columns) == {"b.x": (1, *CERTAIN), "b.y": (1, *INFLUENCED)}


def test_an_output_without_known_columns_changes_and_anything_behind_it_may() -> None:
    load = mapped("load", "b", {}, [source("a.k", direct=False)], inputs=["a"])
    found = impact(View(memory(load, copy("on", "b.x", "c.y"))), ds("a"), ["k"])
    assert found.columns == ()
    assert told(found.datasets) == {"b": (1, *INFLUENCED), "c": (2, *POSSIBLE)}


class _Counted(MemoryStore):
    """How many hashes of a kind were asked for, and in how many round trips."""

    def __init__(self) -> None:
        super().__init__()
        self.trips = 0
        self.schemas = 0

    def fetch_records(self, ids: Sequence[bytes], portions: Sequence[Portion]) -> list[list[dict[bytes, bytes]]]:
        self.trips += 1
        self.schemas += sum(len(ids) for portion in portions if portion.record == "s")
        return super().fetch_records(ids, portions)


def wide(store: MemoryStore, outputs: int, columns: int) -> View:
    """Jobs that derive whole outputs from each of the columns of one dataset."""
    for n in range(outputs):
        every = [source(f"a.c{i}") for i in range(columns)]
        value = mapped(f"j{n}", f"b{n}", {}, every, inputs=["a"])
        value["outputs"][0]["facets"]["schema"] = schema("x", "y")
        fill(store, value)
    return View(store)


def test_schemas_of_outputs_are_read_once_and_a_level_costs_the_same_trips_however_wide() -> None:
    trips = []
    for outputs, columns in ((1, 1), (12, 9)):
        store = _Counted()
        view, names = wide(store, outputs, columns), [f"c{i}" for i in range(columns)]
        found = impact(view, ds("a"), names)
        assert len(found.columns) == 2 * outputs
        assert store.schemas == outputs
        walk_columns(view, ds("a").column("c0"), "down")
        assert store.schemas == 2 * outputs
        trips.append(store.trips)
    assert trips[0] == trips[1]


# Dropped datasets


def test_dropped_datasets_are_neither_listed_nor_walked_through() -> None:
    chain = [copy("j1", "a.x", "b.y"), copy("j2", "b.y", "c.z"), silent("s1", "a", "m"), silent("s2", "m", "n")]
    found = impact(View(memory(*chain, drop("b"), drop("m"))), ds("a"), ["x"])
    assert (found.columns, found.datasets) == ((), ())
    assert told(found.jobs) == {"j1": (1, *CERTAIN), "s1": (1, *POSSIBLE)}


@pytest.mark.parametrize(("start", "way"), [("a.x", "down"), ("c.z", "up")])
def test_the_walk_by_columns_ends_at_dropped_datasets(start: str, way: str) -> None:
    chain = [copy("j1", "a.x", "b.y"), copy("j2", "b.y", "c.z")]
    graph = walk_columns(View(memory(*chain, drop("b"))), column(start), way)
    assert [reached.node for reached in graph.nodes] == [column(start)]
    assert graph.edges == ()


def test_a_walk_may_start_at_a_dropped_dataset() -> None:
    view = View(memory(copy("merge", "a.x", "a.y"), copy("on", "a.y", "b.z"), silent("s", "a", "m"), drop("a")))
    found = impact(view, ds("a"), ["x"])
    assert told(found.columns) == {"a.y": (1, *CERTAIN), "b.z": (2, *CERTAIN)}
    assert told(found.datasets) == {"b": (2, *CERTAIN), "m": (1, *POSSIBLE)}
    graph = walk_columns(view, column("a.x"), "down")
    assert [reached.node for reached in graph.nodes] == [column(path) for path in ("a.x", "a.y", "b.z")]


# Other names


def test_a_mapping_may_name_the_dataset_otherwise_than_the_job_reads_it() -> None:
    view = View(memory(same("s", "t"), mapped("j", "o", {"o": [source("s.u")]}, inputs=["t"])))
    assert told(impact(view, ds("t"), ["u"]).columns) == {"o.o": (1, *CERTAIN)}
    nothing = impact(view, ds("t"), ["v"])
    assert (nothing.columns, nothing.datasets, nothing.jobs) == ((), (), ())


def test_each_name_that_is_reached_keeps_its_own_edges() -> None:
    both = [copy("to_a", "s.v", "a.x"), copy("to_b", "s.v", "b.x"), same("a", "b"), copy("on", "a.x", "z.k")]
    down = walk_columns(View(memory(*both)), column("s.v"), "down")
    assert [(e.src.name, e.dst.name) for e in down.edges] == [("a", "z"), ("b", "z"), ("s", "a"), ("s", "b")]
    uses = mapped("use", "z", {"k": [source("a.x"), source("b.x")]})
    up = walk_columns(View(memory(*both[:3], uses)), column("z.k"), "up", depth=1)
    assert [(e.src.name, e.dst.name) for e in up.edges] == [("a", "z"), ("b", "z")]


def test_an_edge_that_is_stated_both_ways_is_direct() -> None:
    load = mapped("load", "b", {"x": [source("a.v")]}, [source("a.v", direct=False)], inputs=["a"])
    view = View(memory(load))
    for start, way in (("a.v", "down"), ("b.x", "up")):
        assert [edge.direct for edge in walk_columns(view, column(start), way).edges] == [True]


# What the graph ends in


def typed(job: str, src: str, dst: str | None, **job_type: str) -> Json:
    """A job of that type that reads a dataset, and may write another."""
    outputs = [table(dst)] if dst else []
    return event(job, inputs=[table(src)], outputs=outputs, job_facets={"jobType": facet(**job_type)})


def ends(*events: Json) -> dict[str, tuple[int, bool, bool]]:
    """What a change of `a` goes down to."""
    return told(impact(View(memory(*events)), ds("a"), ["x"]).exposures)


def test_the_ends_are_tables_that_nobody_reads_on_and_jobs_that_write_nothing() -> None:
    chain = [
        copy("j1", "a.x", "b.y"),
        copy("j2", "b.y", "c.z"),
        silent("j3", "b", "d"),
        event("show", inputs=[table("d")]),
    ]
    assert ends(*chain) == {"c": (2, *CERTAIN), "show": (3, *POSSIBLE)}


def test_tests_are_no_end_and_do_not_read_on() -> None:
    tested = typed("test.unique", "b", None, processingType="BATCH", integration="DBT", jobType="TEST")
    assert ends(copy("j1", "a.x", "b.y"), tested) == {"b": (1, *CERTAIN)}


def test_what_a_facet_calls_a_dashboard_or_a_model_is_an_end_whoever_reads_on() -> None:
    board = copy("j1", "a.x", "board.y")
    board["outputs"][0]["facets"]["datasetType"] = facet(datasetType="DASHBOARD")
    trained = typed("train", "board", "weights", processingType="BATCH", integration="MLFLOW", jobType="MODEL")
    found = ends(board, trained, silent("serve", "weights", "scores"))
    assert found == {"board": (1, *CERTAIN), "train": (2, *POSSIBLE), "scores": (3, *POSSIBLE)}


def test_a_dbt_model_is_a_query_and_no_end() -> None:
    model = typed("model.stg", "a", "b", processingType="BATCH", integration="DBT", jobType="MODEL")
    assert ends(model, silent("on", "b", "c")) == {"c": (2, *POSSIBLE)}


def test_a_table_that_is_read_on_under_another_name_is_no_end() -> None:
    view = View(memory(copy("j1", "a.x", "b.y"), same("b", "b_alias"), silent("on", "b_alias", "c")))
    assert set(told(impact(view, ds("a"), ["x"]).exposures)) == {"c"}


@pytest.mark.parametrize("walk", [lambda v: impact(v, ds("raw"), ["id"]), lambda v: walk_columns(v, ds("raw"), "down")])
def test_a_walk_ends_between_two_reads_where_it_is_told_to(walk: Callable[[View], object]) -> None:
    class OverError(Exception):
        pass

    def over() -> None:
        raise OverError

    copied = [table(f"t{n}", columnLineage=column_lineage({"id": [("raw", "id")]})) for n in range(3)]
    store = memory(event("copy", inputs=[table("raw", schema=schema("id"))], outputs=copied))
    with pytest.raises(OverError):
        walk(View(store, over))
