"""An index of a million edges: does an event cost what it cost before, and how long do answers take."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

from processor.index.impact import impact
from processor.index.traverse import Direction, lineage
from processor.index.view import View
from processor.model.identity import Node
from tests.bench.company import NAMES, Company, Shape
from tests.bench.figures import Findings, Mark
from tests.bench.seeding import EDGES_OF_JOB, completed, forest, seed, tree
from tests.bench.site import Room, Site, Worker
from tests.support.events import ds

SMALL_EDGES = 10_000
STEADY_EVENTS = 10_000
SIZES = (1_000_000, 10_000_000)
WIDE_COLUMNS = 100_000

T = TypeVar("T")


def growth(site: Site, found: Findings) -> None:
    """An index of 10⁴ edges that grows to 10⁶ (10⁷ with --large): throughput kept, memory of the worker."""
    company = Company(site.sized(SMALL_EDGES // EDGES_OF_JOB, 40))
    with site.room() as room, room.worker() as worker:
        room.feed(company.each_once(), worker)
        small = _costs(site, room, worker, company)
        _draw(found, SMALL_EDGES, small)
        for edges in SIZES[: 2 if site.large else 1]:
            seed(room, (sent.value for sent in completed(forest(site.sized(edges, 4600)))))
            grown = _costs(site, room, worker, company)
            _draw(found, edges, grown)
            mark = Mark(
                f"growth from {SMALL_EDGES:,} to {edges:,} edges: throughput kept", "ratio", 0.9, 0.98, more=True
            )
            found.add("growth", mark, *(before / after for before, after in zip(small, grown, strict=True)))
            found.add("growth", Mark(f"worker memory at {edges:,} edges: resident", "MB", 300, 150), worker.rss_mb)
            found.add("growth", Mark(f"Redis memory at {edges:,} edges", "MB"), room.store_bytes() / 1e6)


def _costs(site: Site, room: Room, worker: Worker, company: Company) -> list[float]:
    """CPU of worker and Redis together, µs an event: what bounds the throughput, without the noise of wall time."""
    costs = [room.measure(company.events(site.sized(STEADY_EVENTS)), worker)[0] for _ in range(site.rounds)]
    return [cost.cpu_us + cost.store_us for cost in costs]


def _draw(found: Findings, edges: int, costs: list[float]) -> None:
    for cost in costs:
        found.draw("growth", "growth", "CPU of worker and Redis", (edges, cost))


def reading(site: Site, found: Findings) -> None:
    """Answers about 10⁶ edges: downstream of a node, at most 1,000 nodes; full impact of a column over 10⁵ columns."""
    with site.room() as room:
        edges = site.sized(SIZES[0], 2 * 23 * 340)
        seed(room, (sent.value for sent in completed(forest(edges))))
        seed(room, (sent.value for sent in completed(_wide(site.sized(WIDE_COLUMNS, 400)), 1 << 50)))
        with room.store() as store:
            view = View(store)
            roots = [ds(f"wood{number}.t") for number in range(edges // EDGES_OF_JOB // 340)]
            random.Random(1).shuffle(roots)
            _ask_downstream(found, view, roots)
            _ask_impact(site, found, view)


def _wide(columns: int) -> Iterator[Shape]:
    """Tables with about so many columns, which all derive from the first one of `wide.t`."""
    shapes = islice(tree("wide", 17, 3), columns // len(NAMES) - 1)
    return (shape._replace(of=NAMES[0]) if shape.inputs == ("wide.t",) else shape for shape in shapes)


def _ask_downstream(found: Findings, view: View, roots: Sequence[Node]) -> None:
    asked = [_timed(partial(lineage, view, root, Direction.DOWN, limit=1000)) for root in [*roots, *roots]]
    times_ms = sorted(spent_ms for _, spent_ms in asked)
    nodes = max(len(graph.nodes) for graph, _ in asked)
    name = f"downstream of a node, {nodes} nodes"
    found.add("reading", Mark(f"{name}: p50", "ms"), times_ms[len(times_ms) // 2])
    found.add("reading", Mark(f"{name}: p99", "ms", 20, 5), times_ms[len(times_ms) * 99 // 100])
    for share in range(1, 100):
        found.draw("reading", "reading", name, (share, times_ms[len(times_ms) * share // 100]))


def _ask_impact(site: Site, found: Findings, view: View) -> None:
    spent, columns = [], 0
    for _ in range(site.rounds):
        reached, spent_ms = _timed(lambda: impact(view, ds("wide.t"), [NAMES[0]], limit=1_000_000))
        columns = len(reached.columns)
        spent.append(spent_ms / 1000)
    found.add("reading", Mark(f"full impact of a column ({columns:,} columns)", "s", 2, 0.5), *spent)


def _timed(ask: Callable[[], T]) -> tuple[T, float]:
    begun_s = time.perf_counter()
    answer = ask()
    return answer, 1000 * (time.perf_counter() - begun_s)
