"""What is announced, once and with its cause."""

from __future__ import annotations

import itertools

from processor.index.announce import ITEMS, change_of, parts
from processor.index.memory import MemoryStore
from processor.indexer.outbox import Outbox
from processor.indexer.publisher import Outgoing
from processor.model.change import Change, ChangeItem, ItemKind
from processor.model.codec import decode_change, encode_change
from processor.model.history import RECENT_RUNS
from processor.model.tables import ColumnChange, ColumnChangeKind
from tests.support.events import Json, ds, event, facet, fill, jb, run_id, schema, table, us


def announced(store: MemoryStore, *values: Json) -> list[Change]:
    return [change_of(entry, store) for entry in fill(store, *values)]


def items(store: MemoryStore, kind: ItemKind, *values: Json) -> list[ChangeItem]:
    return [item for change in announced(store, *values) for item in change.items if item.kind is kind]


def test_reordered_columns_and_other_spellings_of_a_type_are_no_change() -> None:
    store = MemoryStore()
    fill(store, event(minutes=0, outputs=[table("t", schema=schema("id:INT", "note:varchar(10)"))]))
    again = event(minutes=5, run=1, outputs=[table("t", schema=schema("note:VARCHAR (10)", "id:int"))])
    assert items(store, ItemKind.SCHEMA_CHANGED, again) == []


def test_a_schema_change_names_columns_and_the_run_that_brought_it() -> None:
    store = MemoryStore()
    fill(store, event("load", minutes=0, outputs=[table("t", schema=schema("id", "amount:int"))]))
    found = items(
        store, ItemKind.SCHEMA_CHANGED, event("load", minutes=5, run=7, outputs=[table("t", schema=schema("id"))])
    )
    assert found[0].schema is not None
    assert found[0].schema.columns == (ColumnChange("amount", ColumnChangeKind.REMOVED, "int", None),)
    assert (found[0].cause.job, found[0].cause.run_id) == (jb("load"), run_id(7))


def test_every_drop_is_news_and_a_truncate_after_a_truncate_is_not() -> None:
    def changed(state: str, minutes: int) -> Json:
        output = table("t", lifecycleStateChange=facet(lifecycleStateChange=state))
        return event("cleanup", minutes=minutes, run=minutes, outputs=[output])

    store = MemoryStore()
    assert len(items(store, ItemKind.LIFECYCLE_CHANGED, changed("DROP", 0))) == 1
    fill(store, event("load", minutes=10, run=99, outputs=[table("t")]))
    assert [item.detail for item in items(store, ItemKind.LIFECYCLE_CHANGED, changed("DROP", 20))] == ["DROP"]
    assert len(items(store, ItemKind.LIFECYCLE_CHANGED, changed("TRUNCATE", 30))) == 1
    assert items(store, ItemKind.LIFECYCLE_CHANGED, changed("TRUNCATE", 40)) == []


def test_a_dropped_dataset_that_is_written_again_is_news_once() -> None:
    def load(minutes: int, state: str = "COMPLETE") -> Json:
        return event("load", state, minutes, run=minutes, outputs=[table("t")])

    drop = event("cleanup", minutes=20, outputs=[table("t", lifecycleStateChange=facet(lifecycleStateChange="DROP"))])
    store = MemoryStore()
    fill(store, load(0), drop)
    assert items(store, ItemKind.LIFECYCLE_CHANGED, load(10), load(30, "FAIL")) == []
    assert [item.detail for item in items(store, ItemKind.LIFECYCLE_CHANGED, load(40))] == ["REVIVED"]
    assert items(store, ItemKind.LIFECYCLE_CHANGED, load(50), drop) == []


def test_a_run_older_than_all_that_its_job_keeps_is_no_news() -> None:
    store, kept = MemoryStore(), range(RECENT_RUNS)
    old = event("load", "FAIL", 0, run=999, outputs=[table("t")])
    fill(store, event("load", "COMPLETE", 0, run=998), *(event("load", minutes=1 + n, run=n) for n in kept))
    assert items(store, ItemKind.RUN_FAILED, old) == []
    assert announced(store, old) == []


def test_a_failed_run_is_told_with_the_event_that_ended_it_whatever_else_the_batch_holds() -> None:
    end, late = event("load", "FAIL", 10), event("load", "OTHER", 2)
    for order in itertools.permutations((end, late)):
        found = items(MemoryStore(), ItemKind.RUN_FAILED, *order)
        assert [item.event_time_us for item in found] == [us(10)]


def test_the_same_news_has_the_same_id_in_whichever_index() -> None:
    first, second = (announced(MemoryStore(), event("load", outputs=[table("t")])) for _ in range(2))
    assert [change.change_id for change in first] == [change.change_id for change in second]


def test_very_many_news_of_one_node_are_told_in_records_that_a_broker_takes() -> None:
    readers = [event(f"reader_{number}", "START", run=number, inputs=[table("hub")]) for number in range(3_000)]
    store = MemoryStore()
    hub = next(change for change in announced(store, *readers) if change.node == ds("hub"))
    told = parts(hub)
    assert [len(part.items) for part in told[:-1]] == [ITEMS] * (len(told) - 1)
    assert tuple(item for part in told for item in part.items) == hub.items
    assert len({part.change_id for part in told}) == len(told)
    assert max(len(encode_change(part)) for part in told) < 1_000_000


def test_a_small_change_is_one_record_under_its_own_id() -> None:
    store = MemoryStore()
    change = announced(store, event("load", "START"))[0]
    assert parts(change) == [change]


def test_an_index_that_was_emptied_meanwhile_invents_no_columns() -> None:
    store = MemoryStore()
    fill(store, event("load", minutes=0, outputs=[table("t", schema=schema("id", "amount:int"))]))
    entries = fill(store, event("load", minutes=5, run=7, outputs=[table("t", schema=schema("id"))]))
    schemas = [item.schema for entry in entries for item in change_of(entry, MemoryStore()).items if item.schema]
    assert [each.columns for each in schemas] == [()]
    assert schemas[0].from_fingerprint != schemas[0].to_fingerprint


def outgoing(*values: Json) -> list[Outgoing]:
    store = MemoryStore()
    return Outbox(store, "changes").outgoing(fill(store, *values))


def test_news_with_long_names_are_told_in_records_that_a_broker_takes_whatever_their_number() -> None:
    long = "n" * 4000
    readers = [event(f"{long}{number}", "START", run=number, inputs=[table(long)]) for number in range(120)]
    told = [decode_change(record.value or b"") for record in outgoing(*readers)]
    assert max(len(record.value or b"") for record in outgoing(*readers)) < 1_000_000
    edges = [item.edge for change in told if change.node == ds(long) for item in change.items if item.edge]
    assert len(edges) == 120
    assert len({change.change_id for change in told}) == len(told)


def test_a_change_of_very_many_columns_has_one_beside_it_that_names_none() -> None:
    store = MemoryStore()
    fill(store, event(outputs=[table("t", schema=schema("id"))]))
    wide = schema("id", *(f"a_column_with_a_long_name_{number}" for number in range(20_000)))
    entries = fill(store, event(minutes=5, run=1, outputs=[table("t", schema=wide)]))
    wide_one = max(Outbox(store, "changes").outgoing(entries), key=lambda record: len(record.value or b""))
    assert wide_one.smaller is not None
    whole, smaller = decode_change(wide_one.value or b""), decode_change(wide_one.smaller.value or b"")
    assert len(wide_one.smaller.value or b"") < 10_000
    assert smaller.change_id == whole.change_id
    assert [len(item.schema.columns) for item in whole.items if item.schema] == [20_000]
    assert [item.schema.columns for item in smaller.items if item.schema] == [()]
