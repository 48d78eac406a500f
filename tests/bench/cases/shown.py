"""Shown beside the marks: what else makes an event dearer or cheaper."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import msgspec

from processor.index.traverse import Direction, lineage
from processor.index.view import View
from tests.bench.cases.running import spread
from tests.bench.cases.throughput import one_round
from tests.bench.company import COLUMNS, Company, Sent, Shape, Templates, complete, templates
from tests.bench.figures import Findings, Mark
from tests.bench.seeding import seed
from tests.bench.site import Room, Site, Worker
from tests.chaos.run.records import single
from tests.support.events import ds, event, facet, table

JOBS = 500
EVENTS = 10_000
READERS = 100_000
_ROWS = b"123456789"
WIDE_JOB_COLUMNS = 5_000


def announce(site: Site, found: Findings) -> None:
    """The announce path: every COMPLETE brings a new schema of a known table, which is told on its topic."""
    jobs = site.sized(JOBS, 40)
    with site.room() as room, room.worker() as worker:
        room.feed(_versions(jobs, 0), worker)
        before = worker.metric("lineage_processor_changes_total")
        measured = [room.measure(_versions(jobs, 1 + number), worker) for number in range(site.rounds)]
        changes = worker.metric("lineage_processor_changes_total") - before
    _tell(found, "announce", "that each bring a new schema", [cost.cpu_us for cost, _ in measured])
    found.add("announce", Mark("changes an event", ""), changes / sum(flood.events for _, flood in measured))


def _versions(jobs: int, version: int) -> Iterator[Sent]:
    for number, shape in enumerate(Company(jobs).shapes):
        newer = templates(shape._replace(columns=(*COLUMNS, f"added_{version}:integer")))
        yield newer.write("COMPLETE", (version << 32) + number, 10 * version + number / 1e4, 10 * version)


def formats(site: Site, found: Findings) -> None:
    """The same steady events as JSON and as Avro."""
    company = Company(site.sized(JOBS, 40))
    for name, encode in (("JSON", lambda value: value), ("Avro", lambda value: single(json.loads(value)))):
        with site.room() as room, room.worker() as worker:
            room.feed(company.each_once(), worker)
            events = [Sent(key, encode(value)) for key, value in company.events(site.sized(EVENTS // 2))]
            _tell(found, "formats", f"in {name}", [room.measure(events, worker)[0].cpu_us])


def sizes(site: Site, found: Findings) -> None:
    """Events of 300 B and of 150 KB, and those that tell other statistics in each run."""
    jobs = site.sized(JOBS, 40)
    for name, make, count in (("300 B", _small, EVENTS), ("150 KB", _huge, 400), ("with statistics", _telling, EVENTS)):
        with site.room() as room, room.worker() as worker:
            known = 10 if make is _huge else jobs
            room.feed(make(known, known), worker)
            rounds = [one_round(room, worker, make(site.sized(count), known)) for _ in range(site.rounds)]
        size = len(next(iter(make(1, 1))).value)
        found.add("sizes", Mark(f"events {name}: bytes", "bytes"), size)
        found.add("sizes", Mark(f"events {name}: CPU an event ÷ Y2's", "ratio"), *(each.cpu_ratio for each in rounds))
        _tell(found, "sizes", name, [each.ours.cpu_us for each in rounds])


def _small(count: int, jobs: int) -> Iterator[Sent]:
    for number in range(count):
        value = event(
            f"task_{number % jobs}", run=number, minutes=number / 100, outputs=[{"namespace": "db", "name": "t"}]
        )
        yield Sent(b"%d" % number, msgspec.json.encode(value))


def _huge(count: int, jobs: int) -> Iterator[Sent]:
    columns = tuple(f"column_{number:04}:varchar(64)" for number in range(640))
    made = [
        templates(Shape(f"wide_{job}", "wide", (f"wide.in_{job}",), f"wide.out_{job}", columns)) for job in range(jobs)
    ]
    return (made[number % jobs].write("COMPLETE", number, number / 100, 0) for number in range(count))


def _telling(count: int, jobs: int) -> Iterator[Sent]:
    """As steady, and the output says how many rows were written: its bytes are new each time."""
    made = [_with_statistics(shape) for shape in Company(jobs).shapes]
    for number in range(count):
        sent = made[number % jobs].write("COMPLETE", number, number / 100, 0)
        yield Sent(sent.key, sent.value.replace(_ROWS, b"%d" % (10**8 + number)))


def _with_statistics(shape: Shape) -> Templates:
    value = complete(shape)
    value["outputs"][0]["outputFacets"] = {"outputStatistics": facet(rowCount=int(_ROWS), size=4096)}
    return replace(templates(shape), complete=msgspec.json.encode(value))


def partitions(site: Site, found: Findings) -> None:
    """One hot partition, as a dbt project makes it with its one key, against an even load."""
    company = Company(site.sized(JOBS, 40))
    with site.room() as room, room.worker() as worker:
        room.feed(company.each_once(), worker)
        for which, keyed in (("spread evenly", spread), ("in one hot partition", _one_key)):
            floods = (keyed(company.events(site.sized(EVENTS))) for _ in range(site.rounds))
            _tell(found, "partitions", which, [room.measure(flood, worker)[0].cpu_us for flood in floods])


def _one_key(events: Iterable[Sent]) -> Iterator[Sent]:
    return (Sent(b"one", each.value) for each in events)


def hubs(site: Site, found: Findings) -> None:
    """A dataset with 100,000 readers, and a job with 5,000 columns."""
    readers = site.sized(READERS, 500)
    with site.room() as room, room.worker() as worker:
        seed(room, (_reader(number) for number in range(readers)))
        runs = [Sent(b"hub", _reader(number % readers, run=number)) for number in range(site.sized(EVENTS))]
        _tell(found, "hubs", f"of readers of a dataset with {readers:,}", [room.measure(runs, worker)[0].cpu_us])
        _ask_hub(found, room, readers)
        _wide_job(site, found, room, worker)


def _reader(number: int, run: int = 0) -> bytes:
    return msgspec.json.encode(
        event(f"reader_{number}", run=number + (run << 32), inputs=[table("hub.t")], minutes=run / 100)
    )


def _ask_hub(found: Findings, room: Room, readers: int) -> None:
    with room.store() as store:
        begun_s = time.perf_counter()
        lineage(View(store), ds("hub.t"), Direction.DOWN, limit=1000)
        name = f"the first 1,000 nodes downstream of {readers:,} readers"
        found.add("hubs", Mark(name, "ms"), 1000 * (time.perf_counter() - begun_s))


def _wide_job(site: Site, found: Findings, room: Room, worker: Worker) -> None:
    columns = tuple(f"column_{number:04}:varchar(64)" for number in range(site.sized(WIDE_JOB_COLUMNS, 100)))
    job = templates(Shape("widest", "wide", ("widest.in",), "widest.out", columns))
    runs = [job.write("COMPLETE", number, number, number) for number in range(1, 41)]
    first, later = (room.measure(some, worker)[0].cpu_us for some in (islice(runs, 1), runs[1:]))
    found.add("hubs", Mark(f"first run of a job with {len(columns):,} columns: CPU", "ms"), first / 1000)
    found.add("hubs", Mark("each later run of it: CPU", "ms"), later / 1000)


def _tell(found: Findings, case: str, which: str, costs_us: Sequence[float]) -> None:
    found.add(case, Mark(f"events {which}: CPU an event", "µs"), *costs_us)
    for cost_us in costs_us:
        found.draw(case, "shown", which, (case, cost_us))
