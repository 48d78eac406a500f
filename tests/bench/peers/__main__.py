"""`make bench-peers`: what an event costs others, by what it costs us, on the same records of the same topic.

CPU of the consumer and of its store together: data-rentgen with PostgreSQL, the indexer with Valkey. Kafka is the same
for both and not counted. Neither store waits for its disk.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import NamedTuple

from rich.console import Console

from processor.local import KafkaCluster
from processor.telemetry.logs import configure
from tests.bench import page, plots, report
from tests.bench.company import Company, Sent, newcomers
from tests.bench.figures import Findings, Mark
from tests.bench.peers.postgres import Postgres
from tests.bench.peers.rentgen import GROUP, Rentgen, install
from tests.bench.site import Room, Site, Worker, until

CASE = "peers"
JOBS = 200
STEADY_EVENTS = 4000
COLD_EVENTS = 1000
FINE, USAGE = 0, 2


class Both(NamedTuple):
    """CPU of an event in µs, stores included."""

    theirs: float
    ours: float


def main() -> int:
    """Measure, show, and add it to what `make bench` found."""
    options = _options()
    configure("warning", "json")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        found = _measure(options)
    except FileNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    report.show(Console(width=None if sys.stdout.isatty() else 150), found, CASE)
    report.write(found)
    if options.docs:
        page.rewrite(found, plots.draw(found))
    return FINE


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("make bench-peers", description=__doc__)
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="rounds of each case (3)")
    parser.add_argument("--quick", action="store_true", help="tiny cases, once: to see that all works")
    parser.add_argument(
        "--docs", action="store_true", help="write it into docs/performance.md, with all that was found"
    )
    return parser.parse_args()


def _measure(options: argparse.Namespace) -> Findings:
    python = install()
    found = report.earlier()
    found.forget([CASE])
    report.date(found, CASE)
    with KafkaCluster() as kafka:
        site = Site(kafka, options.repeat, quick=options.quick)
        cases: dict[str, Callable[[Site, Room, Rentgen, Worker], list[Both]]] = {"steady": _steady, "cold": _cold}
        for (name, measure), marks in zip(cases.items(), ((50, 150), (20, 60)), strict=True):
            sys.stderr.write(f"data-rentgen, {name} …\n")
            with ExitStack() as stack:
                room, database = stack.enter_context(site.room()), stack.enter_context(Postgres())
                peer, worker = stack.enter_context(Rentgen(python, database, room)), stack.enter_context(room.worker())
                _tell(found, name, measure(site, room, peer, worker), marks)
    return found


def _tell(found: Findings, name: str, rounds: list[Both], marks: tuple[float, float]) -> None:
    mark = Mark(f"data-rentgen {name}: CPU an event, theirs ÷ ours", "ratio", *marks, more=True)
    found.add(CASE, mark, *(each.theirs / each.ours for each in rounds))
    found.add(CASE, Mark(f"data-rentgen {name}: theirs, with PostgreSQL", "µs"), *(each.theirs for each in rounds))
    found.add(CASE, Mark(f"data-rentgen {name}: ours, with Valkey", "µs"), *(each.ours for each in rounds))


def _steady(site: Site, room: Room, peer: Rentgen, worker: Worker) -> list[Both]:
    company = Company(site.sized(JOBS, 20))
    _both(room, peer, worker, company.each_once())
    return [_both(room, peer, worker, company.events(site.sized(STEADY_EVENTS, 100))) for _ in range(site.rounds)]


def _cold(site: Site, room: Room, peer: Rentgen, worker: Worker) -> list[Both]:
    _both(room, peer, worker, newcomers(20, seed=1))
    seeds = range(2, 2 + site.rounds)
    return [_both(room, peer, worker, newcomers(site.sized(COLD_EVENTS, 100), seed)) for seed in seeds]


def _both(room: Room, peer: Rentgen, worker: Worker, events: Iterable[Sent]) -> Both:
    """The same records by the one, then by the other."""
    peer.pause()
    ours, flood = room.measure(events, worker)
    before_s = peer.spent_s
    peer.resume()
    until(lambda: room.has_caught_up(GROUP), worker, peer)
    theirs_us = 1e6 * (peer.spent_s - before_s) / flood.events
    _refuse_letters(room, peer)
    return Both(theirs_us, ours.cpu_us + ours.store_us)


def _refuse_letters(room: Room, peer: Rentgen) -> None:
    """What it does not take costs it little: then the comparison would mean nothing."""
    refused = room.dead_letters()
    if refused:
        raise RuntimeError(f"{refused} records were not taken:\n{peer.text()}")


if __name__ == "__main__":
    sys.exit(main())
