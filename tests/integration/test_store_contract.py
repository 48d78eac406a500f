"""What every store of the index must do, on the in-memory twin, on Valkey, and on a Valkey Cluster."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from processor.index.announce import change_of
from processor.index.connect import connect
from processor.index.digest import digest
from processor.index.keys import Key
from processor.index.layout import MARKS, key_of
from processor.index.memory import MemoryStore
from processor.index.neighborhood import ALIASES, BACK, STANDING, Ahead
from processor.index.portion import Portion
from processor.index.redis import RedisStore
from processor.index.reduce import reduce
from processor.index.store import Covered, Store
from processor.index.traverse import lineage
from processor.index.view import View
from processor.index.written import Written
from processor.local import Valkey
from processor.model.change import ItemKind
from processor.model.errors import DependencyError, IndexVersionError, StoreWentBackError
from processor.model.identity import Kind, dataset
from processor.model.observation import EdgeType, RunState
from processor.model.tables import ColumnChange, ColumnChangeKind
from tests.support.events import (
    PRODUCER,
    at,
    column_lineage,
    ds,
    event,
    facet,
    fill,
    jb,
    memory,
    observe,
    schema,
    table,
)

HISTORY = [
    event("ingest", "START", 0, run=1, outputs=[table("raw.orders")]),
    event(
        "ingest",
        "COMPLETE",
        5,
        run=1,
        inputs=[table("shop.orders")],
        outputs=[
            table(
                "raw.orders",
                schema=schema("id", "amount:int"),
                columnLineage=column_lineage({"id": [("shop.orders", "id")]}),
                documentation=facet(description="the orders"),
            )
        ],
        job_facets={"ownership": facet(owners=[{"name": "team-a"}])},
    ),
    event("stage", "START", 10, run=2, inputs=[table("raw.orders", schema=schema("id"))]),
    event("stage", "FAIL", 12, run=2, run_facets={"errorMessage": facet(message="boom", programmingLanguage="SQL")}),
    event("ingest", "COMPLETE", 65, run=3, outputs=[table("raw.orders", schema=schema("id"))]),
]


def test_a_store_holds_what_the_twin_holds_and_announces_the_same(store: Store) -> None:
    twin = MemoryStore()
    for value in HISTORY:
        assert sorted(fill(store, value)) == sorted(fill(twin, value))
    assert digest(store) == digest(twin)


def test_order_batches_and_repetition_do_not_matter(store: Store) -> None:
    shuffled = HISTORY * 2
    random.Random(5).shuffle(shuffled)
    for value in shuffled:
        fill(store, value)
    assert digest(store) == digest(memory(*HISTORY))


def test_many_hashes_are_fetched_in_order_absent_ones_as_empty(store: Store) -> None:
    names = [f"t{number}" for number in range(700)]
    fill(store, event("wide", outputs=[table(name) for name in names]))
    wanted = [key_of("n", ds(name).id, store.buckets) for name in (*names, "absent", *names[:3])]
    found = store.fetch(wanted)
    assert [bool(there) for there in found] == [True] * 700 + [False] + [True] * 3
    assert [store.fetch([key])[0] for key in wanted[:5]] == found[:5]
    assert found[-3:] == found[:3]
    assert {each.node.name for each in View(store).nodes(ds(name).id for name in names).values()} == set(names)


def test_portions_of_the_records_of_many_nodes_are_what_is_in_the_whole_of_them(store: Store) -> None:
    names = [f"t{number}" for number in range(600)]
    fill(store, event("wide", outputs=[table(name) for name in names]))
    ids = [ds(name).id for name in (*names, "absent", *names[:3])]
    portions = [
        Portion("o"),
        Portion("n", fields=(b"i", b"d", b"t")),
        Portion("n", fields=(b"w",)),
        Portion("i", prefix=b"w"),
        Portion("i", prefix=b"*"),
        Portion("n", prefix=b"T"),
    ]
    for some in (ids, ids[:1], ids[600:]):
        found = store.fetch_records(some, portions)
        whole = {of: store.fetch([key_of(of, i, store.buckets) for i in some]) for of in "oni"}
        assert found == [[portion.of(there) for there in whole[portion.record]] for portion in portions]
    assert len(store.fetch_records(ids, portions)[2][0]) == 1
    assert store.fetch_records([], portions) == [[] for _ in portions]


def test_a_portion_of_a_large_record_is_all_of_it(store: Store) -> None:
    fill(store, event("wide", outputs=[table(f"t{number}") for number in range(2500)]))
    writes, others = store.fetch_records(
        [jb("wide").id, ds("t1").id], [Portion("o", prefix=b"w"), Portion("o", prefix=b"r")]
    )
    assert (len(writes[0]), writes[1], others) == (2500, {}, [{}, {}])


@pytest.mark.parametrize("way", ["o", "i"])
def test_what_lies_around_a_node_is_what_the_records_there_say(store: Store, way: str) -> None:
    names = facet(identifiers=[{"namespace": "db://prod", "name": "other", "type": "TABLE"}])
    chain = [
        event(f"j{n}", run=n, inputs=[table(f"t{n}")], outputs=[table(f"t{n + 1}", symlinks=names), table(f"b{n}")])
        for n in range(5)
    ]
    dropped = table("t3", lifecycleStateChange=facet(lifecycleStateChange="DROP"))
    fill(store, *chain, event("back", run=9, inputs=[table("t5")], outputs=[table("t0"), dropped]))
    every = [i for kind in (Kind.DATASET, Kind.JOB) for i in View(store).ids(kind)]
    start = ds("t2").id

    def around(nodes: int, links: int) -> set[bytes]:
        found = store.fetch_neighborhood([start], Ahead(way, nodes, links))
        ids = list(found.links)
        told = [[of(i) for i in ids] for of in (found.standing_of, found.links_of, found.aliases_of)]
        standings, every_link, aliases = store.fetch_records(ids, [STANDING, Portion(way), ALIASES[BACK[way]]])
        ways = [{name: value for name, value in there.items() if name not in MARKS} for there in every_link]
        who = [there if b"d" in there else {b"i": there[b"i"]} for there in standings]
        assert told == [who, ways, aliases]
        return set(ids)

    beside = {ds(f"b{n}").id for n in range(5)} if way == "i" else set()
    assert around(100, 100) == set(every) - beside - {dataset("db://prod", "other").id}
    assert around(100, 1) == {start, jb("j2" if way == "o" else "j1").id}
    assert [len(around(nodes, 100)) for nodes in (1, 4, 7)] == [1, 4, 7]
    assert around(7, 100) >= around(100, 2)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_walk_is_told_the_same_by_every_store(store: Store, direction: str) -> None:
    chance = random.Random(7)
    names = [f"t{number}" for number in range(60)]
    values = [
        event(
            f"j{number}",
            run=number,
            inputs=[table(name) for name in chance.sample(names, 2)],
            outputs=[table(name) for name in chance.sample(names, 3)],
        )
        for number in range(80)
    ]
    twin = MemoryStore()
    for each in (store, twin):
        fill(each, *values)
    for limit in (5, 90, 1000):
        told = lineage(View(store), ds("t0"), direction, limit=limit)
        assert told == lineage(View(twin), ds("t0"), direction, limit=limit)
        assert told.truncated is (limit < 100)


def test_around_a_node_that_is_not_there_is_nothing(store: Store) -> None:
    there = store.fetch_neighborhood([ds("absent").id], Ahead("o", 10, 10))
    assert there == ({ds("absent").id: ()}, {}, {})


def test_how_many_there_are_by_bucket_and_which(store: Store) -> None:
    fill(store, event("wide", outputs=[table(f"t{number}") for number in range(50)]))
    view = View(store)
    sizes = view.sizes(Kind.DATASET)
    assert (len(sizes), sum(sizes), view.count(Kind.DATASET)) == (store.buckets, 50, 50)
    some = [bucket for bucket, size in enumerate(sizes) if size][:2]
    ids = list(view.ids_in(Kind.DATASET, some))
    assert len(ids) == sum(sizes[bucket] for bucket in some)
    assert {key_of("n", i, store.buckets).bucket for i in ids} == set(some)


def test_an_index_survives_being_closed(make_store: Callable[[], Store]) -> None:
    first = make_store()
    fill(first, *HISTORY)
    before = digest(first)
    first.close()
    assert digest(make_store()) == before


def test_what_was_announced_stays_in_the_outbox_until_it_is_confirmed(store: Store) -> None:
    entries = fill(store, *HISTORY)
    assert sorted(store.outbox()) == sorted(entries)
    store.confirm(entries[:2])
    assert sorted(store.outbox()) == sorted(entries[2:])
    store.confirm(entries)
    assert store.outbox() == []


def test_known_facts_are_not_announced_again(store: Store) -> None:
    fill(store, *HISTORY)
    assert fill(store, *HISTORY) == []


PARTITION = b"lineage.events:0"


def test_known_statements_of_which_no_run_has_written_anything_change_nothing_but_the_runs(store: Store) -> None:
    """Two statements share a hash, and say what only a run that has not failed makes true."""
    written, offset = Written(), 0
    for hour in range(2):
        ends = [
            event("stage", "FAIL", 2 * hour + number, run=hour, inputs=read, outputs=[table("raw.orders")])
            for number, read in enumerate(([], [table("shop.orders")]))
        ]
        known = written.of(store.generation, store.buckets)
        batch = reduce([(observe(each), None) for each in ends], store.buckets, written=known)
        covers = {b"t:0": Covered(offset, offset := offset + len(ends))}
        store.confirm(store.apply(batch, covers))
        written.learn()
    (node,) = store.fetch([key_of("n", ds("raw.orders").id, store.buckets)])
    assert sorted(node) == [b"i", b"t"]


def test_every_bucket_is_told_how_far_the_index_has_read_and_only_moves_forward(store: Store) -> None:
    batch = reduce([(observe(HISTORY[0]), None)], store.buckets)
    for start, stop in ((0, 5), (5, 9), (3, 7)):
        store.apply(batch, {PARTITION: Covered(start, stop)})
    assert store.offsets() == [{PARTITION: 9}] * store.buckets


def test_a_batch_beyond_what_a_bucket_holds_is_refused_whole(store: Store) -> None:
    store.apply(reduce([(observe(HISTORY[0]), None)], store.buckets), {PARTITION: Covered(0, 5)})
    before = digest(store)
    with pytest.raises(StoreWentBackError):
        store.apply(reduce([(observe(HISTORY[1]), None)], store.buckets), {PARTITION: Covered(6, 9)})
    assert digest(store) == before
    assert store.offsets() == [{PARTITION: 5}] * store.buckets


def test_buckets_that_lost_nothing_are_written_while_others_are_behind(store: Store) -> None:
    store.apply({}, {PARTITION: Covered(0, 5)})
    store.forget_offsets([PARTITION])
    store.apply({}, {b"other:1": Covered(0, 2)})
    with pytest.raises(StoreWentBackError):
        store.apply({}, {PARTITION: Covered(5, 9), b"other:1": Covered(2, 4)})
    assert store.offsets() == [{b"other:1": 2}] * store.buckets


def test_offsets_beyond_32_bits_are_kept_exactly(store: Store) -> None:
    far = 2**52 + 1
    store.apply({}, {PARTITION: Covered(0, far)})
    store.apply({}, {PARTITION: Covered(far, far + 1)})
    assert store.offsets() == [{PARTITION: far + 1}] * store.buckets


def test_a_batch_with_very_many_fields_of_one_key_is_applied_whole(store: Store) -> None:
    readers = [event(f"reader_{n}", "START", n, run=n, inputs=[table("hub")]) for n in range(5_000)]
    fill(store, *readers)
    assert len(View(store).out_links([ds("hub").id])[ds("hub").id]) == 5_000


def test_pages_of_bucket_wide_records_hold_every_field_once(store: Store) -> None:
    fill(store, *(event(f"job_{n}", "START", run=n) for n in range(300)))
    ids = [name for _, page in store.scan("reg.job") for name, _ in page]
    assert len(ids) == len(set(ids)) == 300


def test_progress_is_kept_by_partition(store: Store) -> None:
    store.set_progress({b"lineage.events:0": b"a", b"lineage.events:1": b"b"})
    store.set_progress({b"lineage.events:0": b"c"})
    store.set_progress({})
    assert store.progress() == {b"lineage.events:0": b"c", b"lineage.events:1": b"b"}


def test_a_dropped_column_is_announced_with_what_it_was(store: Store) -> None:
    fill(store, *HISTORY[:-1])
    changes = [change_of(entry, store) for entry in fill(store, HISTORY[-1])]
    items = [item for change in changes for item in change.items if item.kind is ItemKind.SCHEMA_CHANGED]
    assert [change.node for change in changes if change.items == tuple(items)] == [ds("raw.orders")]
    assert items[0].schema is not None
    assert items[0].schema.columns == (ColumnChange("amount", ColumnChangeKind.REMOVED, "int", None),)
    assert items[0].cause.job == jb("ingest")


def test_an_edge_is_announced_though_another_event_of_the_batch_states_only_what_derives_from_it(store: Store) -> None:
    mapped = {**table("b"), "facets": {"columnLineage": column_lineage({"id": [("a", "id")]})}}
    derived = {"eventTime": at(0), "producer": PRODUCER, "dataset": mapped}
    entries = fill(store, derived, event("copy", "COMPLETE", 1, inputs=[table("a")], outputs=[table("b")]))
    items = [item for entry in entries for item in change_of(entry, store).items]
    assert {item.edge.type for item in items if item.edge} == {EdgeType.READS, EdgeType.WRITES}


def test_a_failed_run_and_one_whose_lineage_differs_are_announced_and_a_like_one_is_not(store: Store) -> None:
    def kinds(*values: dict[str, object]) -> set[ItemKind]:
        changes = (change_of(entry, store) for entry in fill(store, *values))
        return {item.kind for change in changes for item in change.items}

    orders = [table("raw.orders")]
    kinds(event("ingest", "COMPLETE", 0, run=1, outputs=orders))
    assert kinds(event("ingest", "COMPLETE", 60, run=2, outputs=orders)) == set()
    assert kinds(event("ingest", "COMPLETE", 120, run=3)) == {ItemKind.RUN_DIFFERED}
    assert kinds(event("ingest", "FAIL", 180, run=4, outputs=orders)) == {ItemKind.RUN_FAILED}


def test_runs_and_jobs_read_the_same(store: Store) -> None:
    fill(store, *HISTORY)
    history = View(store).jobs([jb("stage").id])[jb("stage").id]
    assert [run.state for run in history.finished] == [RunState.FAIL]
    assert {record.node for record in View(store).all_nodes(Kind.DATASET)} == {ds("raw.orders"), ds("shop.orders")}


def test_reading_an_absent_record_is_empty(store: Store) -> None:
    key = Key(3, "n", "00" * 12)
    assert store.fetch([key]) == [{}]
    assert store.fetch_fields(key, [b"i", b"t"]) == [None, None]


def test_a_redis_that_is_not_there_is_a_dependency_failure() -> None:
    with Valkey() as server:
        store = RedisStore(connect(server.url, timeout_s=1))
        server.kill()
        with pytest.raises(DependencyError, match="Redis"):
            fill(store, HISTORY[0])
        with pytest.raises(DependencyError):
            store.ping()


def test_scripts_are_loaded_again_after_the_server_forgot_them(redis_url: str) -> None:
    store = RedisStore(connect(redis_url))
    fill(store, HISTORY[0])
    store.client.script_flush()
    fill(store, *HISTORY[1:])
    assert digest(store) == digest(memory(*HISTORY))


def test_an_index_of_another_format_is_refused_with_what_to_do(redis_url: str) -> None:
    client = connect(redis_url)
    client.hset("lineage:{meta}:index", mapping={"format": 99, "generation": 1, "buckets": 8})
    with pytest.raises(IndexVersionError, match="format 99"):
        RedisStore(client)


def test_a_prefix_is_taken_literally(redis_url: str) -> None:
    store = RedisStore(connect(redis_url), prefix="team*[a]?")
    other = RedisStore(connect(redis_url), prefix="teamXa!")
    fill(store, *HISTORY)
    fill(other, HISTORY[0])
    assert digest(store) == digest(memory(*HISTORY))


def test_a_server_that_forgot_its_scripts_costs_no_news(redis_url: str) -> None:
    store = RedisStore(connect(redis_url))
    store.client.script_flush()
    assert sorted(fill(store, *HISTORY)) == sorted(fill(MemoryStore(), *HISTORY))


def test_the_number_of_buckets_is_fixed_when_the_index_is_created(redis_url: str) -> None:
    RedisStore(connect(redis_url), buckets=8)
    assert RedisStore(connect(redis_url), buckets=64).buckets == 8
