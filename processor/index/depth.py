"""How deep each dataset lies: how many jobs, one after the other, its data passed through on the shortest way.

Rules kept here:
- a dataset that nobody writes, or that a job writes which reads nothing, has depth 0; each job adds one;
- aliases are one dataset; datasets of a cycle that no source leads to have no depth;
- every link is read once, level by level; kept are the depth of each dataset and the ids of the jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from processor.index.view import View
from processor.model.observation import EdgeType
from processor.model.pages import pages

DEPTH_NODES = 300_000
"""With more datasets and jobs than this, depth is not measured: about 100 bytes are kept of each."""


Twins = Mapping[bytes, Iterable[bytes]]
"""Other names of a dataset that are in force, in both directions; of those that have any."""


def depths(
    view: View, sources: Iterable[bytes], first_jobs: Iterable[bytes], twins: Twins, breathe: Callable[[], None]
) -> dict[bytes, int]:
    """The depth of every dataset that can be reached; `first_jobs` read nothing."""
    jobs = set(first_jobs)
    found: dict[bytes, int] = {}
    frontier = _reach([*sources, *_written(view, sorted(jobs), breathe)], 0, found, twins)
    depth = 0
    while frontier:
        depth += 1
        targets: list[bytes] = []
        fresh: set[bytes] = set()
        for other, type_ in _beyond(view, frontier, breathe):
            if type_ is EdgeType.READS:
                fresh.add(other)
            else:
                targets.append(other)
        fresh -= jobs
        jobs |= fresh
        frontier = _reach([*targets, *_written(view, sorted(fresh), breathe)], depth, found, twins)
    return found


def _reach(targets: Iterable[bytes], depth: int, found: dict[bytes, int], twins: Twins) -> list[bytes]:
    """Take in datasets with their other names; those that are new."""
    fresh, waiting = [], list(targets)
    while waiting:
        dataset = waiting.pop()
        if dataset not in found:
            found[dataset] = depth
            fresh.append(dataset)
            waiting += twins.get(dataset, ())
    return fresh


def _beyond(view: View, datasets: Iterable[bytes], breathe: Callable[[], None]) -> Iterator[tuple[bytes, EdgeType]]:
    """Jobs that read these datasets, and datasets that derive from them without a job."""
    for ids in pages(datasets):
        breathe()
        for links in view.out_links(ids).values():
            for link in links:
                if link.type is EdgeType.READS or (link.type is EdgeType.DERIVES and link.owner == link.other):
                    yield link.other, link.type


def _written(view: View, jobs: Iterable[bytes], breathe: Callable[[], None]) -> Iterator[bytes]:
    for ids in pages(jobs):
        breathe()
        for links in view.out_links(ids).values():
            yield from (link.other for link in links if link.type is EdgeType.WRITES)
