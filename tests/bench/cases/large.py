"""An index of a million edges: does an event cost what it cost before."""

from __future__ import annotations

from tests.bench.company import Company
from tests.bench.figures import Findings, Mark
from tests.bench.seeding import EDGES_OF_JOB, completed, forest, seed
from tests.bench.site import Room, Site, Worker

SMALL_EDGES = 10_000
STEADY_EVENTS = 10_000
AGING_EVENTS = 30_000
"""Five days, after which hourly jobs keep as much of their past as they ever do: a young job costs less at any size."""
SIZES = (1_000_000, 10_000_000)


def growth(site: Site, found: Findings) -> None:
    """An index of 10⁴ edges that grows to 10⁶ (10⁷ with --large): throughput kept, memory of the worker."""
    company = Company(site.sized(SMALL_EDGES // EDGES_OF_JOB, 40))
    with site.room() as room, room.worker() as worker:
        room.feed(company.each_once(), worker)
        room.feed(company.events(site.sized(AGING_EVENTS)), worker)
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
