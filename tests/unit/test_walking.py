"""A view for one walk: the same answers, each thing read once, and few round trips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.alerter.sweep.reach import reaching
from processor.detect.policy import Policy
from processor.index import remembered as remembering
from processor.index import traverse
from processor.index import view as viewing
from processor.index.impact import impact, stale
from processor.index.keys import Key
from processor.index.layout import key_of
from processor.index.memory import MemoryStore
from processor.index.past import PastView
from processor.index.portion import Portion
from processor.index.remembered import WHO, aliases
from processor.index.resolve import identities, resolve
from processor.index.traverse import lineage, look_around
from processor.index.view import View
from processor.judging.scope import Scope
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.identity import Kind
from processor.model.mapping import Mapping, decode_mapping
from tests.support.events import Json, column_lineage, ds, event, fill, jb, table, us
from tests.support.histories import events


class Counted(MemoryStore):
    """Counts round trips, and how often each hash is read."""

    def __init__(self) -> None:
        super().__init__()
        self.trips = 0
        self.reads = Counter[Key]()

    def fetch_records(self, ids: Sequence[bytes], portions: Sequence[Portion]) -> list[list[dict[bytes, bytes]]]:
        self.trips += 1
        self.reads.update(key_of(portion.record, i, self.buckets) for portion in portions for i in ids)
        return super().fetch_records(ids, portions)


def chain(length: int) -> list[Json]:
    return [
        event(f"j{n}", run=n, inputs=[table(f"t{n}")], outputs=[table(f"t{n + 1}"), table(f"beside{n}")])
        for n in range(length)
    ]


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_level_of_a_walk_costs_two_round_trips_and_nothing_is_read_twice(direction: str) -> None:
    store = Counted()
    fill(store, *chain(10))
    start = ds("t0") if direction == "down" else ds("t10")
    store.trips, store.reads = 0, Counter()
    assert max(reached.depth for reached in lineage(View(store), start, direction).nodes) == 10
    assert store.trips <= 2 * 10 + 4
    assert set(store.reads.values()) == {1}


@pytest.mark.parametrize("direction", ["up", "down"])
def test_who_is_asked_about_is_read_with_all_that_its_walk_asks_for(direction: str) -> None:
    store = Counted()
    fill(store, *chain(3))
    wanted = ds("t0") if direction == "down" else ds("t3")
    for limit in (1, 1000):
        view = View(store).walking()
        look_around(view, identities(str(wanted)), direction, depth=20, limit=limit)
        store.trips = 0
        walked = lineage(view, resolve(view, str(wanted)), direction, limit=limit)
        assert store.trips == 0
        assert walked == lineage(View(store), wanted, direction, limit=limit)
        assert walked.truncated is (limit == 1)


def test_what_was_read_ahead_is_not_read_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Counted()
    first = [table(f"t{n}") for n in range(5)]
    back = [event(f"j{n}", run=n, inputs=[table(f"t{n}")], outputs=[table(f"t{n + 1}"), *first]) for n in range(40)]
    fill(store, *back)
    whole = lineage(View(store), ds("t0"), "down")
    monkeypatch.setattr(traverse, "_AT_ONCE", 8)
    store.reads = Counter()
    assert lineage(View(store), ds("t0"), "down") == whole
    assert store.reads.total() <= 2 * len(store.reads)


def test_what_a_view_and_its_walks_remember_of_mappings_is_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    store, sizes = MemoryStore(), list[int]()
    made = (table(f"t{n}", columnLineage=column_lineage({f"c{n}": [("raw", f"c{n}")]})) for n in range(20))
    fill(store, *(event(f"j{n}", run=n, outputs=[output]) for n, output in enumerate(made)))

    def counted(content: bytes) -> Mapping:
        sizes.append(len(content))
        return decode_mapping(content)

    monkeypatch.setattr(viewing, "decode_mapping", counted)
    monkeypatch.setattr(viewing, "_MAPPINGS_BYTES", 1000)
    view = View(store)
    for _ in range(2):
        for n in range(20):
            assert view.walking().mappings([jb(f"j{n}").id])
    assert min(sizes) * 20 > 1000
    assert len(sizes) == 2 * 20


@settings(max_examples=40, deadline=None)
@given(st.lists(events(), min_size=1, max_size=6), st.sampled_from(["now", "then"]), st.sampled_from([1, 5, 50_000]))
def test_what_a_walk_is_told_is_what_the_view_tells(values: list[Json], when: str, remembered: int) -> None:
    store = MemoryStore()
    fill(store, *values)
    view = View(store) if when == "now" else PastView(store, us(90))
    ids = [i for kind in (Kind.DATASET, Kind.JOB) for i in view.ids(kind)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remembering, "MOST_REMEMBERED", remembered)
        walk = view.walking()
        walk.look_ahead(ids[::2], "n", "o")
        walk.look_ahead(ids[::3], WHO, "i", aliases("o"))
        for _ in range(2):
            assert walk.nodes(ids) == view.nodes(ids)
            assert walk.standing(ids) == view.standing(ids)
            assert walk.symlinks(ids) == view.symlinks(ids)
            assert walk.out_links(ids) == view.out_links(ids)
            assert walk.in_links(ids) == view.in_links(ids)
            assert walk.mappings(ids) == view.mappings(ids)


def test_what_is_behind_several_silent_jobs_is_not_read_for_each_of_them() -> None:
    store, marts = Counted(), [table(f"t{n}") for n in range(20)]
    fill(store, *(event(f"load{n}", run=n, outputs=[table(f"raw{n}")]) for n in range(20)))
    fill(store, event("merge", run=50, inputs=[table(f"raw{n}") for n in range(20)], outputs=marts), *chain(5))
    jobs = [jb(f"load{n}") for n in range(20)]
    findings = [Finding(str(job), AlertKind.SILENT_JOB, Severity.WARNING, job, "It is silent.", 0) for job in jobs]
    store.reads.clear()
    told = list(reaching(Scope(View(store), Policy(), 0, lambda: None, set()), findings))
    assert {finding.impact.total for finding in told} == {2 + 20 + 10}
    assert max(store.reads[key_of("o", ds(f"t{n}").id, store.buckets)] for n in range(20)) <= 2


@settings(max_examples=40, deadline=None)
@given(st.lists(events(), min_size=1, max_size=8), st.integers(1, 4))
def test_what_is_behind_several_is_the_same_whether_they_are_walked_together_or_alone(
    values: list[Json], limit: int
) -> None:
    store = MemoryStore()
    fill(store, *values)
    together = View(store).walking()
    for node in [record.node for kind in (Kind.DATASET, Kind.JOB) for record in View(store).all_nodes(kind)]:
        for most in (limit, 1000):
            assert stale(together, node, limit=most) == stale(View(store), node, limit=most)
        if node.kind is Kind.DATASET:
            assert impact(together, node, None) == impact(View(store), node, None)
