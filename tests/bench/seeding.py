"""Filling an index quickly, by the product's own way into the store: what `lineage load` does, in this process."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator

from processor.load.into_index import load_into
from processor.load.reader import Entry
from processor.model.errors import Rejected
from processor.wiring import observers
from tests.bench.company import NAMES, Sent, Shape, templates
from tests.bench.site import Room

_SAY_AGAIN_S = 10.0
EDGES_OF_JOB = len(NAMES) + 3
"""One read, one write, one parent, and one edge for each column."""


def seed(room: Room, values: Iterable[bytes]) -> int:
    """Index these, and say now and then how far it is; how many they were."""
    observe = observers(room.settings)[room.settings.topics.events]
    entries = (Entry("seed", number, value) for number, value in enumerate(_told(values)))
    with room.store() as store:
        return load_into(store, observe, entries, _refuse).values


def _told(values: Iterable[bytes]) -> Iterator[bytes]:
    said_s = time.monotonic()
    for number, value in enumerate(values):
        if time.monotonic() - said_s > _SAY_AGAIN_S:
            sys.stderr.write(f"    {number:,} events in the index so far\n")
            said_s = time.monotonic()
        yield value


def _refuse(entry: Entry, rejected: Rejected) -> None:
    raise RuntimeError(f"{entry.place}: {rejected}")


def tree(name: str, branching: int, depth: int) -> Iterator[Shape]:
    """Jobs that spread one root over a tree of tables; the root is `NAME.t`, its first child `NAME.t.0`."""
    if depth == 0:
        return
    for child in range(branching):
        below = f"{name}.{child}"
        yield Shape(f"{below}.job", name.partition(".")[0], (f"{name}.t",), f"{below}.t")
        yield from tree(below, branching, depth - 1)


def forest(edges: int, name: str = "wood", branching: int = 4, depth: int = 4) -> Iterator[Shape]:
    """Trees of 340 jobs, until there are so many edges."""
    left, number = edges // EDGES_OF_JOB, 0
    while left > 0:
        for shape in tree(f"{name}{number}", branching, depth):
            if left <= 0:
                return
            left -= 1
            yield shape
        number += 1


def completed(shapes: Iterable[Shape], first_run: int = 1 << 40) -> Iterator[Sent]:
    """One COMPLETE of each job."""
    for number, shape in enumerate(shapes):
        yield templates(shape).write("COMPLETE", first_run + number, number / 1000, number / 1000)
