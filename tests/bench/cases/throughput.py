"""What an event costs, against a consumer that merely parses it."""

from __future__ import annotations

import timeit
from collections.abc import Iterable
from typing import NamedTuple

from processor.indexer.report import stage
from tests.bench.company import Company, Sent, newcomers
from tests.bench.figures import Findings, Mark
from tests.bench.site import Cost, Room, Site, Worker

JOBS = 1000
STEADY_EVENTS = 40_000
COLD_EVENTS = 10_000


class Round(NamedTuple):
    """What one round cost: the indexer, and both yardsticks on the same records."""

    ours: Cost
    y1: Cost
    y2: Cost

    @property
    def cpu_ratio(self) -> float:
        """The indexer's CPU to Y2's."""
        return self.ours.cpu_us / self.y2.cpu_us

    @property
    def rate_ratio(self) -> float:
        """The indexer's events a second to Y2's."""
        return self.y2.wall_us / self.ours.wall_us


def one_round(room: Room, worker: Worker, events: Iterable[Sent]) -> Round:
    """Measure the indexer and the yardsticks over the same new records."""
    ours, flood = room.measure(events, worker)
    return Round(ours, room.yardstick(flood, parses=False), room.yardstick(flood))


def steady(site: Site, found: Findings) -> None:
    """Known jobs and datasets, new runs: CPU and rate against Y2, the store's CPU, the time of each stage, memory."""
    company = Company(site.sized(JOBS, 40))
    with site.room() as room, room.worker() as worker:
        room.feed(company.each_once(), worker)
        before = Stages.of(worker)
        count = site.sized(STEADY_EVENTS)
        rounds = [one_round(room, worker, company.events(count)) for _ in range(site.rounds)]
        spent = Stages.of(worker)
        found.add("steady", Mark("worker memory: resident", "MB", 300, 150), worker.rss_mb)
    _tell(found, "steady", rounds, (1.2, 0.7), (15, 5))
    found.add("steady", Mark("steady: events/s ÷ Y2's", "ratio", 0.8, 1.3, more=True), *(r.rate_ratio for r in rounds))
    found.add(
        "steady", Mark("steady: events/s of one worker", "1/s", more=True), *(1e6 / r.ours.wall_us for r in rounds)
    )
    _tell_stages(found, before, spent, rounds, count)


class Stages(NamedTuple):
    """What the worker's histogram says of each stage: how often, and how long in all."""

    counts: dict[str, float]
    sums: dict[str, float]

    @classmethod
    def of(cls, worker: Worker) -> Stages:
        """Read it."""
        counts, sums = (worker.samples(f"lineage_processor_stage_seconds_{each}") for each in ("count", "sum"))
        return cls(counts, sums)


def _tell_stages(found: Findings, before: Stages, after: Stages, rounds: list[Round], count: int) -> None:
    """Wall time of each stage, and what measuring them costs."""
    for label, seconds in after.sums.items():
        name = label.split('"')[1]
        each_us = 1e6 * (seconds - before.sums.get(label, 0)) / (count * len(rounds))
        found.add("steady", Mark(f"steady: wall time in {name}", "µs"), each_us)
        found.draw("steady", "stages", name, ("steady", each_us))
    observed = sum(after.counts.values()) - sum(before.counts.values())
    used_us = sum(each.ours.cpu_us for each in rounds) * count
    share = 100 * 1e6 * _observing_s() * observed / used_us
    found.add("steady", Mark("steady: CPU for the histogram of stages", "% of the worker's", 1, 1), share)


def _observing_s(times: int = 10_000) -> float:
    """What one observation costs."""

    def observe() -> None:
        with stage("decode"):
            pass

    return timeit.timeit(observe, number=times) / times


def cold(site: Site, found: Findings) -> None:
    """Every job, dataset and column new: CPU against Y2, the store's CPU."""
    rounds = []
    for number in range(site.rounds):
        with site.room() as room, room.worker() as worker:
            rounds.append(one_round(room, worker, newcomers(site.sized(COLD_EVENTS), seed=1 + number)))
    _tell(found, "cold", rounds, (5, 2.5), (150, 60))


def replay(site: Site, found: Findings) -> None:
    """Events that the index has already, read by a worker that starts anew: CPU against Y2."""
    company = Company(site.sized(JOBS, 40))
    with site.room() as room:
        events = [*company.each_once(), *company.events(site.sized(STEADY_EVENTS))]
        with room.worker() as worker:
            room.feed(events, worker)
        rounds = []
        for _ in range(site.rounds):
            with room.worker() as worker:
                rounds.append(one_round(room, worker, events))
    _tell(found, "replay", rounds, (1.0, 0.6), (None, None))


def _tell(
    found: Findings,
    name: str,
    rounds: list[Round],
    cpu: tuple[float, float],
    store: tuple[float | None, float | None],
) -> None:
    found.add(name, Mark(f"{name}: CPU an event ÷ Y2's", "ratio", *cpu), *(each.cpu_ratio for each in rounds))
    found.add(name, Mark(f"{name}: Redis CPU an event", "µs", *store), *(each.ours.store_us for each in rounds))
    found.add(name, Mark(f"{name}: CPU an event", "µs"), *(each.ours.cpu_us for each in rounds))
    for yardstick, costs in (("Y1", [each.y1 for each in rounds]), ("Y2", [each.y2 for each in rounds])):
        found.add(name, Mark(f"{name}: {yardstick}'s CPU an event", "µs"), *(each.cpu_us for each in costs))
    for each in rounds:
        for who, cost in zip(("indexer", "Y1", "Y2"), each, strict=True):
            found.draw(name, "cpu", who, (name, cost.cpu_us))
