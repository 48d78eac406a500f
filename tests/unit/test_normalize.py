"""What the processor makes of an event, seen through the edges, schemas and runs of an index."""

from __future__ import annotations

import msgspec
import pytest

from processor.decode.descriptions import KEPT_BYTES
from processor.index.edges import all_edges
from processor.index.view import View
from processor.model.observation import DESCRIPTIONS, Edge, EdgeType, Evidence, RunState
from processor.model.tables import Column
from tests.support.events import (
    NAMESPACE,
    Json,
    at,
    column_lineage,
    ds,
    event,
    facet,
    jb,
    memory,
    observe,
    run_id,
    schema,
    table,
    us,
)


def edges(*values: Json) -> set[tuple[str, str, str]]:
    found = all_edges(View(memory(*values)))
    return {(edge.type.value, _short(edge.src), _short(edge.dst)) for edge in found}


def _short(node: object) -> str:
    return str(node).replace(f"{NAMESPACE}:", "").replace("shop:", "")


def test_inputs_are_read_and_outputs_are_written() -> None:
    assert edges(event("load", inputs=[table("a")], outputs=[table("b")])) == {
        ("reads", "dataset:a", "job:load"),
        ("writes", "job:load", "dataset:b"),
    }


def test_column_lineage_is_an_edge_between_columns_and_its_source_is_read_even_if_not_listed() -> None:
    output = table("b", columnLineage=column_lineage({"total": [("a", "amount")]}))
    assert edges(event("load", outputs=[output])) == {
        ("reads", "dataset:a", "job:load"),
        ("writes", "job:load", "dataset:b"),
        ("derives", "column:a:amount", "column:b:total"),
    }


def test_dataset_level_column_lineage_reaches_every_column_of_the_output() -> None:
    lineage = facet(fields={}, dataset=[{"namespace": NAMESPACE, "name": "a", "field": "region"}])
    output = table("b", columnLineage=lineage, schema=schema("x", "y"))
    found = [e for e in all_edges(View(memory(event("load", outputs=[output])))) if e.type is EdgeType.DERIVES]
    assert {edge.dst.field for edge in found} == {"x", "y"}
    assert [edge.direct for edge in found] == [False, False]


def test_with_explicit_lineage_no_product_is_inferred() -> None:
    entries = [
        {
            "type": "DATASET",
            "namespace": NAMESPACE,
            "name": "x",
            "inputs": [{"type": "DATASET", "namespace": NAMESPACE, "name": "a"}],
        }
    ]
    value = event(
        "load",
        inputs=[table("a"), table("b")],
        outputs=[table("x"), table("y")],
        job_facets={"lineage": facet(entries=entries)},
    )
    observation = observe(value)
    stated = {fact.node: fact for fact in observation.datasets}
    assert stated[ds("x")].explicit
    mappings = {node.name: fact.mapping for node, fact in stated.items() if fact.mapping is not None}
    assert {name: {node.name for node in m.datasets()} for name, m in mappings.items()} == {"x": {"a"}}
    assert {edge.evidence for edge in observation.edges} == {Evidence.EXPLICIT}


def test_a_parent_contains_and_a_job_is_never_its_own_parent() -> None:
    parent = facet(run={"runId": run_id(9)}, job={"namespace": "shop", "name": "dag"})
    assert edges(event("task", run_facets={"parent": parent})) == {("parent", "job:dag", "job:task")}
    assert edges(event("dag", run_facets={"parent": parent})) == set()


def test_job_dependencies_are_no_edges() -> None:
    upstream = [{"job": {"namespace": "shop", "name": "other"}}]
    assert edges(event("task", run_facets={"jobDependencies": facet(upstream=upstream)})) == set()


def test_a_symlink_joins_two_datasets_until_it_is_taken_back() -> None:
    identifiers = [{"namespace": "s3://lake", "name": "orders", "type": "TABLE"}]
    linked = event("load", minutes=0, outputs=[table("orders", symlinks=facet(identifiers=identifiers))])
    parted = event("load", minutes=5, outputs=[table("orders", symlinks={**facet(), "_deleted": True})])
    link = ("symlink", "dataset:orders", "dataset:s3://lake:orders")
    assert link in edges(linked)
    assert link not in edges(linked, parted)
    assert link not in edges(parted, linked)


def test_a_rename_leads_from_the_former_name() -> None:
    change = facet(lifecycleStateChange="RENAME", previousIdentifier={"namespace": NAMESPACE, "name": "old"})
    found = edges(event("alter", outputs=[table("new", lifecycleStateChange=change)]))
    assert ("symlink", "dataset:old", "dataset:new") in found


def test_a_drop_puts_a_tombstone_and_a_later_write_revives() -> None:
    drop = table("t", lifecycleStateChange=facet(lifecycleStateChange="DROP"))
    dropped = event("cleanup", minutes=10, outputs=[drop])
    written = event("load", minutes=20, run=1, outputs=[table("t")])
    before = event("load", minutes=5, run=2, outputs=[table("t")])

    def is_dropped(*values: Json) -> bool:
        record = View(memory(*values)).node(ds("t"))
        assert record is not None
        return record.dropped

    assert is_dropped(before, dropped)
    assert is_dropped(dropped, before)
    assert not is_dropped(dropped, written)
    assert not is_dropped(written, dropped)


def test_a_drop_before_1970_of_what_nobody_writes_is_a_drop_and_a_failed_run_revives_nothing() -> None:
    drop = table("t", lifecycleStateChange=facet(lifecycleStateChange="DROP"))
    old = {**event("cleanup", "FAIL", outputs=[drop]), "eventTime": "1969-01-01T00:00:00Z"}
    late = event("load", "FAIL", 60, run=1, outputs=[table("t")])
    record = View(memory(old, late)).node(ds("t"))
    assert record is not None
    assert record.dropped


def test_truncate_is_no_drop() -> None:
    cut = table("t", lifecycleStateChange=facet(lifecycleStateChange="TRUNCATE"))
    record = View(memory(event("cleanup", outputs=[cut]))).node(ds("t"))
    assert record is not None
    assert not record.dropped


def test_nested_fields_count_by_path() -> None:
    fields = [{"name": "address", "type": "struct", "fields": [{"name": "city", "type": "string"}]}, {"name": "id"}]
    output = table("t", schema=facet(fields=fields))
    columns = View(memory(event("load", outputs=[output]))).columns(ds("t"))
    assert columns == (Column("address", "struct"), Column("address.city", "string"), Column("id", None))


def test_an_absent_schema_keeps_an_empty_one_clears_and_a_deleted_one_clears() -> None:
    stated = event("load", minutes=0, outputs=[table("t", schema=schema("id"))])
    silent = event("load", minutes=5, run=1, outputs=[table("t")])
    empty = event("load", minutes=5, run=1, outputs=[table("t", schema=facet(fields=[]))])
    deleted = event("load", minutes=5, run=1, outputs=[table("t", schema={"_deleted": True})])
    assert View(memory(stated, silent)).columns(ds("t")) == (Column("id", "string"),)
    assert View(memory(stated, empty)).columns(ds("t")) == ()
    assert View(memory(stated, deleted)).columns(ds("t")) == ()


def described(*values: Json) -> dict[str, str]:
    record = View(memory(*values)).node(ds("t"))
    assert record is not None
    return msgspec.json.decode(record.facets.get(DESCRIPTIONS, b"{}"), type=dict[str, str])


def test_what_a_schema_says_of_its_columns_is_kept_by_path_until_another_says_it_or_it_is_taken_back() -> None:
    part = {"name": "city", "description": "Where."}
    fields = [{"name": "id", "description": "Which."}, {"name": "address", "fields": [part]}]
    said = event("load", outputs=[table("t", schema=facet(fields=fields))])
    bare = event("scan", minutes=5, run=1, inputs=[table("t", schema=schema("id"))])
    other = event("load", minutes=5, run=1, outputs=[table("t", schema=facet(fields=[part]))])
    gone = event("load", minutes=5, run=1, outputs=[table("t", schema={"_deleted": True})])
    assert described(said) == described(said, bare) == {"id": "Which.", "address.city": "Where."}
    assert described(said, other) == described(other, said) == {"city": "Where."}
    assert described(said, gone) == {}


def test_of_very_many_and_long_descriptions_as_many_are_kept_as_other_facets_may_take() -> None:
    fields = [{"name": f"c{number}", "description": "\u00e9\n" * 2_000} for number in range(200)]
    said = observe(event("load", outputs=[table("t", schema=facet(fields=fields))]))
    kept = said.datasets[0].facets[DESCRIPTIONS]
    assert kept is not None
    assert KEPT_BYTES - 3_000 < len(kept) <= KEPT_BYTES
    assert set(msgspec.json.decode(kept, type=dict[str, str]).values()) == {"\u00e9\n" * 500}
    assert said.problems == ()


def test_schema_lanes_keep_observers_apart_and_writers_are_the_authority() -> None:
    writer = event("load", outputs=[table("t", schema=schema("id", "amount:int"))])
    reader = event("report", minutes=9, run=1, inputs=[table("t", schema=schema("id"))])
    view = View(memory(writer, reader))
    assert [lane.observer.name for lane in view.lanes(ds("t"))] == ["load", "report"]
    assert [column.path for column in view.columns(ds("t"))] == ["id", "amount"]


def test_facets_are_replaced_by_name_and_the_latest_event_wins() -> None:
    first = event(minutes=0, outputs=[table("t", documentation=facet(description="old"), ownership=facet(owners=[]))])
    second = event(minutes=9, run=1, outputs=[table("t", documentation=facet(description="new"))])
    for order in ([first, second], [second, first]):
        record = View(memory(*order)).node(ds("t"))
        assert record is not None
        assert b"new" in record.facets["documentation"]
        assert "ownership" in record.facets


def test_a_facet_no_schema_describes_is_kept_as_it_came() -> None:
    record = View(memory(event(outputs=[table("t", acme=facet(shelf=[1, {"b": 2}]))]))).node(ds("t"))
    assert record is not None
    assert b'"shelf":[1,{"b":2}]' in record.facets["acme"]


@pytest.mark.parametrize("name", [DESCRIPTIONS, "dataQualityAssertions@shop:load"])
def test_a_facet_under_a_name_of_the_processor_s_own_is_told_and_not_kept(name: str) -> None:
    stated = {**table("t"), "facets": {"documentation": facet(description="x"), name: facet(id="forged")}}
    said = observe(event(outputs=[stated]))
    assert set(said.datasets[0].facets) == {"documentation"}
    assert [(problem.pointer, problem.facet) for problem in said.problems] == [
        (f"/outputs/0/facets/{name}", name),
    ]


def checked(job: str, minutes: float, *assertions: Json, among: str = "inputFacets") -> Json:
    part = table("t")
    part.setdefault(among, {})["dataQualityAssertions"] = facet(assertions=list(assertions))
    return event(job, minutes=minutes, run=int(minutes), inputs=[part])


def kept_checks(*values: Json) -> dict[str, Json]:
    record = View(memory(*values)).node(ds("t"))
    assert record is not None
    found = {name: data for name, data in record.facets.items() if name.startswith("dataQualityAssertions@")}
    return {name.partition("@")[2]: msgspec.json.decode(data) for name, data in found.items()}


PASSED = {"assertion": "unique", "success": True}
FAILED = {"assertion": "not_null", "column": "id", "success": False, "severity": "error"}
WARNED = {"assertion": "fresh", "success": False, "severity": "warn"}


@pytest.mark.parametrize("among", ["inputFacets", "facets"])
def test_what_a_check_of_an_input_found_is_kept_that_blocks_first(among: str) -> None:
    assert kept_checks(checked("test", 0, WARNED, FAILED, PASSED, among=among)) == {
        "shop:test": {
            "checks": 3,
            "failed": [
                {"assertion": "not_null", "column": "id", "blocks": True},
                {"assertion": "fresh", "blocks": False},
            ],
            "job": {"namespace": "shop", "name": "test"},
        }
    }


def test_a_check_takes_back_what_the_same_job_had_found_and_no_others() -> None:
    story = [checked("one", 0, FAILED), checked("two", 1, FAILED), checked("one", 2, PASSED)]
    for order in (story, story[::-1]):
        found = kept_checks(*order)
        assert (found["shop:one"]["failed"], len(found["shop:two"]["failed"])) == ([], 1)


def test_of_very_many_checks_that_failed_those_that_block_are_kept() -> None:
    many = [{**WARNED, "column": f"c{n}"} for n in range(1000)]
    record = kept_checks(checked("test", 0, *many, FAILED))["shop:test"]
    assert (record["checks"], len(record["failed"]), record["failed"][0]["blocks"]) == (1001, 50, True)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_run_accumulates_inputs_and_its_end_sticks(order: tuple[int, int, int]) -> None:
    history = [
        event("load", "START", 0, inputs=[table("a")]),
        event("load", "COMPLETE", 5, outputs=[table("b")]),
        event("load", "OTHER", 7, inputs=[table("c")]),
    ]
    run = View(memory(*(history[i] for i in order))).run(jb("load"), run_id(0))
    assert run is not None
    assert run.state is RunState.COMPLETE
    assert (run.started_us, run.ended_us, run.last_event_us) == (us(0), us(5), us(7))
    assert set(run.inputs) == {ds("a").id, ds("c").id}
    assert run.outputs == (ds("b").id,)


def test_one_run_id_used_by_two_jobs_is_two_runs() -> None:
    view = View(memory(event("a", "START"), event("b", "COMPLETE", 1)))
    assert [job for job, _ in view.open_runs()] == [jb("a")]


def test_a_late_start_does_not_reopen() -> None:
    view = View(memory(event("load", "COMPLETE", 5), event("load", "START", 0), event("load", "RUNNING", 9)))
    history = view.jobs([jb("load").id])[jb("load").id]
    assert (len(history.finished), history.open) == (1, ())


def test_namespaces_compare_by_scheme_and_authority_whatever_their_case_and_names_do_not() -> None:
    upper = table("T", namespace="Postgres://Warehouse:5432/Db")
    lower = table("T", namespace="postgres://warehouse:5432/Db")
    other = table("t", namespace="postgres://warehouse:5432/db")
    found = edges(event("load", inputs=[upper, lower, other]))
    assert len(found) == 2


def test_a_dataset_event_states_a_schema_and_column_lineage_without_a_job() -> None:
    value = {
        "eventTime": at(0),
        "producer": "https://example.com/catalog",
        "dataset": table("b", schema=schema("x"), columnLineage=column_lineage({"x": [("a", "y")]})),
    }
    found = list(all_edges(View(memory(value))))
    assert [(e.src, e.dst, e.job) for e in found] == [(ds("a").column("y"), ds("b").column("x"), None)]
    assert found[0].evidence is Evidence.COLUMN


def test_a_job_event_declares_edges_without_a_run() -> None:
    value = {
        "eventTime": at(0),
        "producer": "https://example.com/catalog",
        "job": {"namespace": "shop", "name": "load"},
        "inputs": [table("a")],
        "outputs": [table("b")],
    }
    assert len(edges(value)) == 2
    assert View(memory(value)).jobs([jb("load").id])[jb("load").id].finished == ()


def test_a_job_that_says_the_same_again_is_heard_as_if_for_the_first_time() -> None:
    output = table("b", columnLineage=column_lineage({"total": [("a", "amount")]}), schema=schema("total"))
    parent = facet(run={"runId": run_id(7)}, job={"namespace": "shop", "name": "dag"})
    first = event("load", "START", inputs=[table("a")], outputs=[output])
    again = event("load", minutes=5, run=1, inputs=[table("a")], outputs=[output], run_facets={"parent": parent})
    one, other = observe(first), observe(again)
    assert (one.job, one.job_facets, one.datasets) == (other.job, other.job_facets, other.datasets)
    assert set(other.edges) - set(one.edges) == {Edge(EdgeType.PARENT, jb("dag"), jb("load"), Evidence.EXPLICIT)}
    assert (one.run and one.run.state, other.run and other.run.state) == (RunState.START, RunState.COMPLETE)
    assert one.digest != other.digest


def test_what_is_wrong_with_a_statement_is_told_each_time() -> None:
    bad = table("a", symlinks=facet(identifiers=[{"namespace": NAMESPACE, "name": " ", "type": "TABLE"}]))
    told = [observe(event("load", run=number, inputs=[bad])).problems for number in range(2)]
    assert told[0] == told[1] != ()


def test_the_same_datasets_in_other_roles_are_another_statement() -> None:
    read, written = event("load", inputs=[table("a")]), event("load", outputs=[table("a")])
    assert [e.type for each in (read, written) for e in observe(each).edges] == [EdgeType.READS, EdgeType.WRITES]
