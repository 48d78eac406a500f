"""A worker as it lives: its start, its idle hours, and two that share the work."""

from __future__ import annotations

import time
from collections.abc import Iterable

import msgspec

from processor.settings_sources import environment_for_child
from tests.bench.company import Company, Sent
from tests.bench.figures import Findings, Mark
from tests.bench.site import Room, Site, Worker

JOBS = 500
EVENTS = 20_000
IDLE_S = 10.0


def start(site: Site, found: Findings) -> None:
    """From the start of the process until its first event is indexed and committed, with Kafka and Redis warm."""
    company = Company(10)
    with site.room() as room:
        with room.worker() as worker:
            room.feed(company.each_once(), worker)
        found.add(
            "start", Mark("start to first event", "s", 3, 1), *(_start(room, company) for _ in range(site.rounds))
        )


def _start(room: Room, company: Company) -> float:
    with room.held(company.events(1)):
        pass
    begun_s = time.perf_counter()
    with Worker(["run", "--role", "indexer"], environment_for_child(room.settings.to_environment())) as worker:
        room.catch_up(worker)
        spent_s = time.perf_counter() - begun_s
        worker.leave()
    return spent_s


def idle(site: Site, found: Findings) -> None:
    """A worker that has nothing to do, on an index with something in it."""
    with site.room() as room, room.worker() as worker:
        room.feed(Company(site.sized(JOBS, 40)).each_once(), worker)
        shares = [_share(worker, 1.0 if site.quick else IDLE_S) for _ in range(site.rounds)]
    found.add("idle", Mark("idle: CPU of a worker", "% of a core", 2, 0.5), *shares)


def _share(worker: Worker, wait_s: float) -> float:
    before_s = worker.cpu_s
    time.sleep(wait_s)
    return round(100 * (worker.cpu_s - before_s) / wait_s, 3)  # the kernel's books are in ticks


def scale_out(site: Site, found: Findings) -> None:
    """Two workers against one, on partitions of equal load: CPU an event kept."""
    jobs, kept = site.sized(JOBS, 40), []
    with site.room() as one, site.room() as two, one.workers(1) as single, two.workers(2) as pair:
        for room, company, workers in ((one, Company(jobs), single), (two, Company(jobs), pair)):
            room.feed(spread(company.each_once()), *workers)
        alone, together = Company(jobs), Company(jobs)
        for _ in range(site.rounds):
            events = site.sized(EVENTS)
            costs = (
                one.measure(spread(alone.events(events)), *single)[0],
                two.measure(spread(together.events(events)), *pair)[0],
            )
            kept.append(costs[0].cpu_us / costs[1].cpu_us)
    found.add("scale-out", Mark("two workers against one: CPU an event kept", "ratio", 0.95, 1.0, more=True), *kept)


def spread(events: Iterable[Sent]) -> Iterable[Sent]:
    """The same with a key for each job: hundreds of them load the partitions alike, and none has its runs in two."""
    return (Sent(_job_of(event.value).job.name.encode(), event.value) for event in events)


class _Job(msgspec.Struct):
    name: str


class _OfJob(msgspec.Struct):
    job: _Job


_job_of = msgspec.json.Decoder(_OfJob).decode
