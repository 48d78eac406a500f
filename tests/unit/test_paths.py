"""The ways from one node to another: all shortest ones, along the data, over other names."""

from __future__ import annotations

from processor.index.paths import Paths, paths
from processor.index.view import View
from processor.model.identity import Node
from tests.support.events import Json, column_lineage, ds, event, facet, jb, memory, schema, table


def step(job: str, inputs: list[str], outputs: list[str], **mapping: list[tuple[str, str]]) -> Json:
    made = [table(n, columnLineage=column_lineage(mapping)) if mapping else table(n) for n in outputs]
    return event(job, inputs=[table(n) for n in inputs], outputs=made)


def names(found: Paths) -> list[str]:
    return sorted({reached.node.name for reached in found.graph.nodes})


DIAMOND = View(
    memory(
        step("left", ["a"], ["l"], x=[("a", "id")]),
        step("right", ["a"], ["r"]),
        step("join", ["l", "r"], ["c"], total=[("l", "x")]),
        step("detour", ["a"], ["d1"]),
        step("more", ["d1"], ["d2"]),
        step("late", ["d2"], ["c"]),
    )
)


def test_all_shortest_ways_are_found_and_no_longer_one() -> None:
    assert names(paths(DIAMOND, ds("a"), ds("c"))) == ["a", "c", "join", "l", "left", "r", "right"]


def test_each_job_tells_the_columns_that_it_carries() -> None:
    carried = {(c.job.name, str(c.src.field), str(c.dst.field)) for c in paths(DIAMOND, ds("a"), ds("c")).carried}
    assert carried == {("left", "id", "x"), ("join", "x", "total")}


def test_a_job_may_stand_at_either_end() -> None:
    assert names(paths(DIAMOND, jb("left"), ds("c"))) == ["c", "join", "l", "left"]
    assert names(paths(DIAMOND, ds("a"), jb("more"))) == ["a", "d1", "detour", "more"]


def test_data_does_not_flow_back() -> None:
    found = paths(DIAMOND, ds("c"), ds("a"))
    assert (found.graph.nodes, found.graph.edges, found.carried) == ((), (), ())


def test_a_node_is_its_own_way() -> None:
    assert names(paths(DIAMOND, ds("a"), ds("a"))) == ["a"]


def test_columns_are_followed_by_columns() -> None:
    found = paths(DIAMOND, ds("a").column("id"), ds("c").column("total"))
    assert [_shown(reached.node) for reached in found.graph.nodes] == ["a.id", "l.x", "c.total"]
    assert _whole(paths(DIAMOND, ds("a").column("id"), ds("c"))) == _whole(found)
    assert not paths(DIAMOND, ds("a").column("other"), ds("c")).graph.nodes


def test_another_name_of_a_dataset_is_no_step() -> None:
    other = facet(identifiers=[{"namespace": "s3://lake", "name": "b", "type": "TABLE"}])
    view = View(
        memory(
            event("write", inputs=[table("a", schema=schema("id"))], outputs=[table("b", symlinks=other)]),
            event("read", inputs=[table("b", "s3://lake")], outputs=[table("c")]),
        )
    )
    found = paths(view, ds("a"), ds("c"))
    assert names(found) == ["a", "b", "c", "read", "write"]
    assert len(found.graph.edges) == 5


def test_a_name_that_no_way_leads_over_is_left_out() -> None:
    other = facet(identifiers=[{"namespace": "s3://lake", "name": "b2", "type": "TABLE"}])
    view = View(memory(event("one", inputs=[table("a")], outputs=[table("b", symlinks=other)])))
    assert names(paths(view, ds("a"), ds("b"))) == ["a", "b", "one"]


def test_what_lies_beyond_the_depth_is_not_found() -> None:
    assert not paths(DIAMOND, ds("a"), ds("c"), depth=1).graph.nodes
    assert paths(DIAMOND, ds("a"), ds("c"), limit=3).graph.truncated


def _shown(node: Node) -> str:
    return f"{node.name}.{node.field}"


def _whole(found: Paths) -> set[Node]:
    return {reached.node for reached in found.graph.nodes}
