from __future__ import annotations

from typing import Any

import pytest

from processor.index.columns import column_lineage as walk_columns
from processor.index.resolve import AmbiguousNodeError, UnknownNodeError, resolve
from processor.index.traverse import lineage
from processor.index.view import View
from processor.model.identity import Node, dataset
from tests.support.events import (
    NAMESPACE,
    PIPELINE,
    Json,
    ds,
    event,
    facet,
    jb,
    memory,
    table,
)


def step(job: str, inputs: list[str], outputs: list[str], minutes: float = 0) -> Json:
    return event(job, minutes=minutes, inputs=[table(n) for n in inputs], outputs=[table(n) for n in outputs])


def depths(view: View, start: Node, direction: str, **options: Any) -> dict[str, int]:  # noqa: ANN401  options of several types
    return {r.node.name: r.depth for r in lineage(view, start, direction, **options).nodes}


CHAIN = View(memory(step("j1", ["a"], ["b"]), step("j2", ["b"], ["c"]), step("j3", ["c", "z"], ["d"])))


def test_downstream_counts_jobs_on_the_way() -> None:
    assert depths(CHAIN, ds("a"), "down") == {"a": 0, "j1": 1, "b": 1, "j2": 2, "c": 2, "j3": 3, "d": 3}


def test_upstream_goes_the_other_way() -> None:
    assert depths(CHAIN, ds("d"), "up") == {"d": 0, "j3": 1, "c": 1, "z": 1, "j2": 2, "b": 2, "j1": 3, "a": 3}


def test_depth_and_limit_bound_the_walk() -> None:
    assert depths(CHAIN, ds("a"), "down", depth=1) == {"a": 0, "j1": 1, "b": 1}
    graph = lineage(CHAIN, ds("a"), "down", limit=4)
    assert len(graph.nodes) == 4
    assert graph.truncated
    assert not lineage(CHAIN, ds("a"), "down").truncated


def test_a_job_starts_with_its_own_outputs_or_inputs() -> None:
    assert depths(CHAIN, jb("j2"), "down") == {"j2": 0, "c": 1, "j3": 2, "d": 2}
    assert depths(CHAIN, jb("j2"), "up") == {"j2": 0, "b": 1, "j1": 2, "a": 2}


def test_edges_follow_the_data() -> None:
    graph = lineage(CHAIN, ds("c"), "up", depth=1)
    assert [(e.type.value, e.src.name, e.dst.name) for e in graph.edges] == [
        ("reads", "b", "j2"),
        ("writes", "j2", "c"),
    ]


def test_cycles_end_by_themselves() -> None:
    view = View(memory(step("j1", ["a"], ["b"]), step("j2", ["b"], ["a"])))
    assert depths(view, ds("a"), "down") == {"a": 0, "j1": 1, "b": 1, "j2": 2}


def test_aliases_are_one_dataset() -> None:
    identifiers = [{"namespace": "s3://lake", "name": "t", "type": "TABLE"}]
    writer = event("w", inputs=[table("src")], outputs=[table("t", symlinks=facet(identifiers=identifiers))])
    reader = event("r", inputs=[table("t", "s3://lake")], outputs=[table("end")])
    view = View(memory(writer, reader))
    assert depths(view, ds("src"), "down") == {"src": 0, "w": 1, "t": 1, "r": 2, "end": 2}
    assert "src" in depths(view, ds("end"), "up")
    assert "end" in depths(view, dataset(NAMESPACE, "t"), "down")


def test_a_dropped_dataset_is_not_walked_through() -> None:
    drop = event("x", minutes=60, outputs=[table("b", lifecycleStateChange=facet(lifecycleStateChange="DROP"))])
    view = View(memory(step("j1", ["a"], ["b"]), step("j2", ["b"], ["c"]), drop))
    assert depths(view, ds("a"), "down") == {"a": 0, "j1": 1}


def test_explicit_lineage_keeps_the_paths_through_one_job_apart() -> None:
    def entry(output: str, source: str) -> Json:
        inputs = [{"type": "DATASET", "namespace": NAMESPACE, "name": source}]
        return {"type": "DATASET", "namespace": NAMESPACE, "name": output, "inputs": inputs}

    value = event(
        "split",
        inputs=[table("a"), table("b")],
        outputs=[table("x"), table("y")],
        job_facets={"lineage": facet(entries=[entry("x", "a"), entry("y", "b")])},
    )
    view = View(memory(value))
    assert depths(view, ds("a"), "down") == {"a": 0, "split": 1, "x": 1}
    assert depths(view, ds("y"), "up") == {"y": 0, "split": 1, "b": 1}


def test_explicit_lineage_that_was_replaced_leads_on_no_more() -> None:
    def stated(source: str, minutes: float) -> Json:
        inputs = [{"type": "DATASET", "namespace": NAMESPACE, "name": source}]
        entry = {"type": "DATASET", "namespace": NAMESPACE, "name": "x", "inputs": inputs}
        lineage_facet = {"lineage": facet(entries=[entry])}
        return event("split", minutes=minutes, run=int(minutes), outputs=[table("x")], job_facets=lineage_facet)

    for order in ((stated("a", 0), stated("b", 9)), (stated("b", 9), stated("a", 0))):
        view = View(memory(*order))
        assert depths(view, ds("x"), "up") == {"x": 0, "split": 1, "b": 1}
        assert "x" not in depths(view, ds("a"), "down")
        assert "x" in depths(view, ds("b"), "down")


def test_columns_lead_to_the_columns_that_are_made_of_them() -> None:
    view = View(memory(*PIPELINE))
    down = walk_columns(view, ds("raw").column("amount"), "down")
    assert [(r.node.name, r.node.field, r.depth) for r in down.nodes] == [
        ("raw", "amount", 0),
        ("stg", "total", 1),
        ("mart", "revenue", 2),
    ]
    up = walk_columns(view, ds("mart").column("revenue"), "up")
    assert [(r.node.name, r.node.field) for r in up.nodes][-1] == ("raw", "amount")
    assert {edge.job for edge in down.edges} == {jb("stage"), jb("mart")}


NAMES = View(memory(step("jobs.load", ["public.orders", "sales.orders"], ["mart.revenue"]), *PIPELINE))


def test_a_node_is_found_by_identity_whatever_colons_its_namespace_has() -> None:
    assert resolve(NAMES, f"dataset:{NAMESPACE}:mart.revenue") == ds("mart.revenue")
    assert resolve(NAMES, "job:shop:jobs.load") == jb("jobs.load")
    assert resolve(NAMES, f"column:{NAMESPACE}:raw:amount") == ds("raw").column("amount")


def test_a_trailing_part_that_is_unique_will_do() -> None:
    assert resolve(NAMES, "revenue") == ds("mart.revenue")
    assert resolve(NAMES, "public.orders") == ds("public.orders")
    assert resolve(NAMES, "raw.amount") == ds("raw").column("amount")
    assert resolve(NAMES, "LOAD") == jb("jobs.load")


@pytest.mark.parametrize(
    ("name", "part"), [("dir\\orders", "orders"), ("a/b/trail/", "trail"), ("a/b/trail/", "b/trail")]
)
def test_whatever_parts_its_words_a_name_is_found_by_its_end(name: str, part: str) -> None:
    assert resolve(View(memory(step("j", [name], []))), part) == ds(name)


def test_several_fits_are_named() -> None:
    with pytest.raises(AmbiguousNodeError) as error:
        resolve(NAMES, "orders")
    assert error.value.candidates == (ds("public.orders"), ds("sales.orders"))


def test_an_unknown_name_comes_with_near_ones() -> None:
    with pytest.raises(UnknownNodeError) as error:
        resolve(NAMES, "public.ordres")
    assert ds("public.orders") in error.value.candidates
