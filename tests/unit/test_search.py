"""Search: whole names first, by prefix, owner, tag; a catalog and a stream answer alike."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.api import forms
from processor.api.names import Names, Reader
from processor.index.memory import MemoryStore
from processor.index.search import Catalog, Entry, Query, catalog_of, entries, pick
from processor.index.view import View
from processor.model.errors import IndexVersionError
from processor.model.identity import Kind, job
from tests.support.api import served
from tests.support.events import event, facet, fill, memory, table
from tests.waiting import eventually

OWNED = facet(owners=[{"name": "team:ml", "type": "OWNER"}])
TAGGED = facet(tags=[{"key": "PII", "value": "high", "source": "x"}, {"key": "money", "value": "", "field": "total"}])
WORLD = (
    event(
        "shop.load_orders",
        outputs=[table("raw.orders", ownership=OWNED), table("raw.pre_orders", tags=TAGGED), table("orders")],
        job_facets={"ownership": facet(owners=[{"name": "Ann"}])},
    ),
    event("ordersync", outputs=[table("orders", "s3://lake"), table("x")]),
)


def names(store: MemoryStore, **asked: Any) -> list[str]:  # noqa: ANN401
    return [node.name for node in pick(entries(View(store)), Query(**asked), 100).nodes]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"text": "ORDERS"}, ["orders", "orders", "raw.orders", "ordersync", "raw.pre_orders", "shop.load_orders"]),
        ({"text": "pre"}, ["raw.pre_orders"]),
        ({"text": "ord", "prefix": True}, ["orders", "orders", "ordersync", "raw.orders"]),
        ({"text": "lake"}, ["orders"]),
        ({"text": "orders", "namespace": "S3://Lake"}, ["orders"]),
        ({"text": "orders", "kind": Kind.JOB}, ["ordersync", "shop.load_orders"]),
        ({"owner": "ML"}, ["raw.orders"]),
        ({"owner": "team:ml"}, ["raw.orders"]),
        ({"owner": "ann"}, ["shop.load_orders"]),
        ({"owner": "team"}, []),
        ({"tag": "pii"}, ["raw.pre_orders"]),
        ({"tag": "pii=HIGH"}, ["raw.pre_orders"]),
        ({"tag": "pii=low"}, []),
        ({"text": "orders", "tag": "money"}, ["raw.pre_orders"]),
        ({"text": "nowhere"}, []),
    ],
)
def test_what_is_found_and_in_which_order(asked: dict[str, Any], found: list[str]) -> None:
    store = memory(*WORLD)
    assert sorted(names(store, **asked)) == sorted(found)
    if asked.get("text"):
        exact = [name for name in found if name == asked["text"].lower()]
        assert names(store, **asked)[: len(exact)] == exact


LETTERS = st.text("ab.A", max_size=4)
NAMES = st.text("ab.A", min_size=1, max_size=4)
NODES = st.lists(
    st.tuples(st.sampled_from((Kind.DATASET, Kind.JOB)), st.sampled_from(("n", "n\0", "s3://b")), NAMES), unique=True
)


@given(
    NODES,
    LETTERS,
    st.sampled_from((None, Kind.DATASET, Kind.JOB)),
    st.sampled_from((None, "n", "s3://b", "n\0", "none")),
    st.sampled_from((None, "ml")),
    st.booleans(),
    st.integers(0, 3),
)
def test_a_catalog_answers_as_a_stream_does_page_by_page(  # noqa: PLR0913, PLR0917
    nodes: list[tuple[Kind, str, str]],
    text: str,
    kind: Kind | None,
    namespace: str | None,
    owner: str | None,
    prefix: bool,  # noqa: FBT001
    split: int,
) -> None:
    store = MemoryStore()
    for node_kind, space, name in nodes:
        owned = {"ownership": OWNED} if len(name) % 2 else {}
        if node_kind is Kind.JOB:
            fill(store, {**event(name, job_facets=owned), "job": {"namespace": space, "name": name, "facets": owned}})
        else:
            fill(store, event("j", outputs=[table(name, space, **owned)]))
    there = {entry.node.id: entry for entry in entries(View(store))}
    some = dict(list(there.items())[:split])
    catalog = catalog_of(there, catalog_of(some))
    query = Query(text, kind, namespace, owner, None, prefix)
    whole = pick(there.values(), query, 1000)
    assert catalog.search(query, 1000) == whole
    assert catalog.search(query, 2, 1).nodes == whole.nodes[1:3]


def test_near_names_are_found_among_very_many() -> None:
    there = {f"{i}".encode(): _entry(f"table_{i}") for i in range(6_000)}
    there[b"o"] = _entry("orders")
    assert [node.name for node in catalog_of(there).near("ordres")] == ["orders"]
    assert Catalog().near("anything") == ()


@pytest.mark.parametrize("count", [3, 600])
@pytest.mark.parametrize("odd", ["", "\0"], ids=["as one text", "each by itself"])
def test_near_names_of_a_kind_are_found_however_many_of_another_are_nearer(count: int, odd: str) -> None:
    there = [_entry(f"orders_{i}{odd}") for i in range(count)]
    there += [_entry(name)._replace(node=job("n", name)) for name in ("load_orders", "order")]
    catalog = catalog_of({entry.node.id: entry for entry in there})
    assert [node.name for node in catalog.near("orders", Kind.JOB)] == ["order", "load_orders"]
    assert {node.kind for node in catalog.near("orders_7", Kind.DATASET)} == {Kind.DATASET}


@pytest.mark.parametrize("odd", ["", "\0"], ids=["as one text", "each by itself"])
@pytest.mark.parametrize("wanted", ["orderz", "0rders", "od", "x" * 500 + "orders", "n:orderz"])
def test_near_names_are_those_that_difflib_finds_and_of_many_the_likeliest_at_least(wanted: str, odd: str) -> None:
    names = ["orders", "orders_by_day", "order", "customers", "borders", f"odd{odd}"]
    few = catalog_of({name.encode(): _entry(name) for name in names})
    padding = {f"{i}".encode(): _entry("zzz") for i in range(600)}
    many = catalog_of({name.encode(): _entry(name) for name in names} | padding)
    known = dict.fromkeys(names)
    alike = difflib.get_close_matches(wanted.rpartition(":")[2], known, n=5, cutoff=0.6)
    assert [node.name for node in few.near(wanted)] == alike
    found = [node.name for node in many.near(wanted)]
    assert (found[:1], set(found) - set(alike)) == (alike[:1], set())


@pytest.mark.parametrize(
    "asked",
    [
        lambda catalog, breathe: catalog.search(Query("table"), 9, 0, breathe),
        lambda catalog, breathe: catalog.search(Query("able", kind=Kind.DATASET), 9, 0, breathe),
        lambda catalog, breathe: catalog.search(Query("ta", prefix=True), 9, 0, breathe),
        lambda catalog, breathe: catalog.search(Query(owner="ml"), 9, 0, breathe),
        lambda catalog, breathe: catalog.near("tible_1", breathe=breathe),
        lambda catalog, breathe: catalog.namespaces(breathe=breathe),
    ],
    ids=["of most", "within", "prefix", "owner", "near", "namespaces"],
)
def test_what_goes_over_many_names_ends_when_its_time_is_over(
    asked: Callable[[Catalog, Callable[[], None]], Any],
) -> None:
    entry = _entry("table_1")
    catalog = catalog_of({f"{i}".encode(): entry for i in range(600)})
    assert asked(catalog, lambda: None)

    def over() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        asked(catalog, over)


def _entry(name: str) -> Entry:
    [entry] = [e for e in entries(View(memory(event("j", outputs=[table(name)])))) if e.node.kind is Kind.DATASET]
    return entry


def test_only_what_is_new_is_read_and_owners_that_change_are_noticed() -> None:
    store, reads = _Counting(), 0
    fill(store, *WORLD)
    reader, view = Reader(), View(store)
    first = reader.read(view)
    assert len(first.nodes) == 7
    reads = store.scanned
    reader.read(view)
    assert store.scanned == reads
    fill(store, event("another", minutes=5, outputs=[table("raw.orders", ownership=facet(owners=[{"name": "eve"}]))]))
    found = reader.read(view)
    assert [node.name for node in found.search(Query(owner="eve"), 9).nodes] == ["raw.orders"]
    assert [node.name for node in found.search(Query("another"), 9).nodes] == ["another"]


class _Counting(MemoryStore):
    scanned = 0

    def scan(self, record: str, buckets: Any = None) -> Any:  # noqa: ANN401  as the store has it
        for page in super().scan(record, buckets):
            self.scanned += 1
            yield page


def test_no_question_but_the_first_waits_for_names_to_be_read() -> None:
    store = _Waiting()
    fill(store, *WORLD)
    kept = Names(0.01, lambda: View(store))
    try:
        assert len(kept.catalog(View(store)).nodes) == 7
        store.gate.clear()
        fill(store, event("another"))
        assert len(kept.catalog(View(store)).nodes) == 7  # a reading is under way, or will be, and holds up nobody
        store.gate.set()
        assert eventually(lambda: len(kept.catalog(View(store)).nodes) == 8)
    finally:
        store.gate.set()
        kept.close()


def test_who_waits_no_longer_leaves_the_first_reading_to_go_on() -> None:
    store, stops = _Waiting(), threading.Event()
    fill(store, *WORLD)
    store.gate.clear()

    def breathe() -> None:
        if stops.wait(0.02):
            raise TimeoutError

    kept = Names(60, lambda: View(store))
    try:
        stops.set()
        with pytest.raises(TimeoutError):
            kept.catalog(View(store, breathe))
        stops.clear()
        store.gate.set()
        assert len(kept.catalog(View(store, breathe)).nodes) == 7
        assert store.asked == 2, "of datasets and of jobs, once"
    finally:
        store.gate.set()
        kept.close()


@pytest.mark.parametrize("wrong", [IndexVersionError("a newer version wrote it"), ValueError("a record is damaged")])
def test_a_first_reading_that_fails_is_told_and_tried_again_by_who_asks_next(wrong: Exception) -> None:
    store = _TakenOver(wrong)
    fill(store, *WORLD)
    store.is_taken = True
    kept = Names(60, lambda: View(store))
    try:
        for _ in range(2):
            with pytest.raises(type(wrong)):
                kept.catalog(View(store, _patient(600)))
        store.is_taken = False
        assert len(kept.catalog(View(store)).nodes) == 7
    finally:
        kept.close()


def test_names_are_read_again_once_another_version_has_given_the_index_back() -> None:
    store = _TakenOver()
    fill(store, *WORLD)
    kept = Names(0.01, lambda: View(store))
    try:
        assert len(kept.catalog(View(store)).nodes) == 7
        store.is_taken = True
        assert eventually(lambda: store.refused > 1)
        store.is_taken = False
        fill(store, event("another"))
        assert eventually(lambda: len(kept.catalog(View(store)).nodes) == 8)
    finally:
        kept.close()


def _patient(times: int) -> Callable[[], None]:
    """A breath that may be drawn so often."""
    left = iter(range(times))

    def breathe() -> None:
        if next(left, None) is None:
            raise TimeoutError

    return breathe


class _TakenOver(MemoryStore):
    def __init__(self, wrong: Exception | None = None) -> None:
        super().__init__()
        self.is_taken, self.refused, self._wrong = False, 0, wrong or IndexVersionError("a newer version wrote it")

    def refresh(self) -> bool:
        if self.is_taken:
            self.refused += 1
            raise self._wrong
        return super().refresh()


class _Waiting(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.asked = 0

    def sizes(self, record: str) -> list[int]:
        self.asked += 1
        self.gate.wait()
        return super().sizes(record)


def test_over_http() -> None:
    with served(memory(*WORLD)) as api:
        answer = api.client.get("/api/v2/search", params={"owner": "ml"})
        assert [node["name"] for node in answer.json()["nodes"]] == ["raw.orders"]
        none = api.client.get("/api/v2/search", params={"q": "ordrs"}).json()
        assert (none["total"], "orders" in str(none["near"])) == (0, True)
        prefix = api.client.get("/api/v2/search", params={"q": "ord", "prefix": "true", "kind": "job"}).json()
        assert [node["name"] for node in prefix["nodes"]] == ["ordersync"]
        assert forms.SearchPage.__struct_fields__ == tuple(prefix)
