"""The `lineage` facet: what it says counts, what it does not say is not made up, and nothing else is lost."""

from __future__ import annotations

from processor.index.edges import all_edges
from processor.index.traverse import lineage
from processor.index.view import View
from processor.model.identity import Node
from processor.model.observation import EdgeType
from tests.support.events import NAMESPACE, Json, ds, event, facet, jb, memory, run_id, table


def source(name: str, kind: str = "DATASET", namespace: str = NAMESPACE) -> Json:
    return {"type": kind, "namespace": namespace, "name": name}


def entry(output: str, *inputs: Json) -> Json:
    return {**source(output), "inputs": list(inputs)}


def stating(*entries: Json) -> Json:
    return {"lineage": facet(entries=list(entries))}


def names(view: View, start: Node, direction: str) -> set[str]:
    return {reached.node.name for reached in lineage(view, start, direction).nodes} - {start.name}


def test_runs_without_the_facet_still_lead_from_what_they_read_to_what_they_write() -> None:
    explicit = event("j", minutes=0, run=1, inputs=[table("a")], outputs=[table("out")])
    explicit["job"]["facets"] = stating(entry("out", source("a")))
    plain = event("j", minutes=9, run=2, inputs=[table("b")], outputs=[table("out")])
    view = View(memory(explicit, plain))
    assert names(view, ds("out"), "up") == {"j", "a", "b"}
    assert names(view, ds("b"), "down") == {"j", "out"}


def test_what_one_job_says_of_another_takes_nothing_from_what_that_one_says_itself() -> None:
    told = event("j1", run=1, job_facets=stating(entry("out", source("j2", "JOB", "shop"))))
    own = event("j2", run=2, inputs=[table("x")], outputs=[table("out")])
    view = View(memory(told, own))
    assert names(view, ds("x"), "down") == {"j2", "out"}
    assert names(view, ds("out"), "up") == {"j2", "x"}
    writers = {edge.src for edge in all_edges(view) if edge.type is EdgeType.WRITES}
    assert writers == {jb("j2")}


def test_what_a_run_says_of_other_jobs_is_none_of_its_own_inputs_and_outputs() -> None:
    reads = {**source("j2", "JOB", "shop"), "inputs": [source("theirs")]}
    told = event("j1", inputs=[table("mine")], job_facets=stating(reads, entry("out", source("j3", "JOB", "shop"))))
    run = View(memory(told)).run(jb("j1"), run_id(0))
    assert run is not None
    assert (run.inputs, run.outputs) == ((ds("mine").id,), ())


def test_parts_that_one_run_states_count_together_and_those_of_an_earlier_run_do_not() -> None:
    old = event("j", "COMPLETE", 0, run=1, job_facets=stating(entry("out", source("old"))))
    first = event("j", "START", 10, run=2, job_facets=stating(entry("out", source("a"))))
    second = event("j", "COMPLETE", 12, run=2, job_facets=stating(entry("out", source("b"))))
    for order in ((old, first, second), (second, first, old)):
        view = View(memory(*order))
        assert names(view, ds("out"), "up") == {"j", "a", "b"}
        assert names(view, ds("old"), "down") == set()


def test_an_output_without_an_entry_keeps_what_the_run_stated_before() -> None:
    start = event("j", "START", 0, job_facets=stating(entry("out", source("a"))))
    end = event("j", "COMPLETE", 5, outputs=[table("out")], job_facets=stating(entry("other", source("z"))))
    view = View(memory(start, end))
    assert names(view, ds("out"), "up") == {"j", "a"}


def test_a_dataset_s_own_facet_counts_beside_the_job_s() -> None:
    own = table("second", lineage=facet(inputs=[source("b")]))
    value = event("j", outputs=[table("first"), own], job_facets=stating(entry("first", source("a"))))
    view = View(memory(value))
    assert names(view, ds("second"), "up") == {"j", "b"}
    assert names(view, ds("first"), "up") == {"j", "a"}


def test_a_dataset_event_s_lineage_replaces_what_it_said_before() -> None:
    def told(minute: int, name: str) -> Json:
        value = {**event(minutes=minute), "dataset": table("out", lineage=facet(inputs=[source(name)]))}
        return {key: value[key] for key in ("eventTime", "producer", "dataset")}

    view = View(memory(told(0, "a"), told(5, "b")))
    assert names(view, ds("out"), "up") == {"b"}
    assert names(view, ds("a"), "down") == set()
    assert names(view, ds("b"), "down") == {"out"}
