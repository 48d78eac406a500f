"""Walking the lineage: what is upstream, what is downstream, by datasets and jobs or by columns.

Rules kept here:
- breadth first, a few round trips a level; a level is one job, so depth 1 is the next datasets
  (of a job: its own);
- where a job stated explicitly what an output derives from, nothing beyond that is followed; else
  every input of a job leads to every output;
- aliases (symlinks, renames) are one dataset; cycles end by themselves; a dropped dataset is not
  walked through;
- parents and dependencies of jobs are no data flow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from processor.index import steps
from processor.index.aliases import find_aliases
from processor.index.graph import Edges, Graph, graph_of
from processor.index.neighborhood import BACK, Ahead
from processor.index.plain import plain_graph
from processor.index.records import Link, Standing
from processor.index.remembered import WHO, aliases
from processor.index.steps import Step
from processor.index.view import View
from processor.model.identity import Kind, Node
from processor.model.observation import EdgeType, Evidence

DEPTH = 20
LIMIT = 10_000
_AT_ONCE = 1_024
"""Nodes that are read ahead: for so long the server does nothing else."""


class Direction(StrEnum):
    """Which way to walk."""

    UP = "up"
    DOWN = "down"


_WAYS = {Direction.UP: "i", Direction.DOWN: "o"}
"""The record whose links lead there."""


@dataclass(frozen=True, slots=True)
class Only:
    """What a walk keeps to; what is empty does not matter. The start is always there.

    `namespaces`: of datasets and columns. `jobs`: ids of those that carry the data. `evidence`: each edge has some of
    it. `direct`: of columns, only where the value itself flows.
    """

    namespaces: frozenset[str] = frozenset()
    jobs: frozenset[bytes] = frozenset()
    evidence: Evidence | None = None
    direct: bool = False

    def has(self, node: Node) -> bool:
        """Whether a node lies within."""
        return not self.namespaces or node.kind is Kind.JOB or node.namespace in self.namespaces

    def carries(self, job: bytes | None, *evidence: Evidence) -> bool:
        """Whether data may take a step through a job, known by this evidence."""
        is_job = not self.jobs or job in self.jobs
        return is_job and (not self.evidence or all(each & self.evidence for each in evidence))


EVERYTHING = Only()
_EdgeKey = tuple[EdgeType, bytes, bytes]
"""What an edge is, and the ids of its ends."""


def lineage(
    view: View,
    start: Node,
    direction: Direction | str,
    *,
    depth: int = DEPTH,
    limit: int = LIMIT,
    only: Only = EVERYTHING,
) -> Graph:
    """Datasets and jobs upstream or downstream of a dataset or a job."""
    view, direction = view.walking(), Direction(direction)
    if only == EVERYTHING:
        look_around(view, [start], direction, depth=depth, limit=limit)
        way = _WAYS[direction]
        plain = plain_graph(view.around(way), start, way, depth=depth, limit=limit)
        if plain is not None:
            return plain
    walk = _Walk(view, direction, depth, limit, None if only == EVERYTHING else only)
    frontier = walk.begin(start)
    first = 1 if start.kind is Kind.DATASET else 2
    for level in range(first, depth + 1):
        frontier = walk.level(frontier, level)
        if not frontier or walk.truncated:
            break
    return walk.graph()


def look_around(view: View, starts: Sequence[Node], direction: Direction | str, *, depth: int, limit: int) -> None:
    """Read in one round trip who of these is there, and what `lineage` will ask on its way from there."""
    most = min(limit + len(starts), _AT_ONCE)  # those that are not there count as well
    view.look_around([start.id for start in starts], Ahead(_WAYS[Direction(direction)], most, 2 * depth))


@dataclass(slots=True)
class _Walk:
    view: View
    direction: Direction
    depth: int
    limit: int
    only: Only | None
    depths: dict[bytes, int] = field(default_factory=dict)
    records: dict[bytes, Standing] = field(default_factory=dict)
    edges: dict[_EdgeKey, Link] = field(default_factory=dict)
    truncated: bool = False

    @property
    def links(self) -> tuple[str, str]:
        """What the next step asks of a dataset: its links that way, and by which other names it goes."""
        way = _WAYS[self.direction]
        return way, aliases(BACK[way])

    def begin(self, start: Node) -> set[bytes]:
        """Where the walk starts; a job's first step is to its own outputs or inputs."""
        self.reach({start.id}, 0, *self.links)
        if start.kind is Kind.DATASET:
            return self.aliased({start.id}, 0)
        links = [link for link in self.beside(start.id) if not self.only or self.only.carries(start.id, link.evidence)]
        for link in links:
            self.note_job(start.id, link)
        return self.aliased(self.reach({link.other for link in links}, 1, *self.links), 1)

    def beside(self, job: bytes) -> list[Link]:
        if self.direction is Direction.DOWN:
            links = self.view.out_links([job])[job]
            return [link for link in links if link.type is EdgeType.WRITES]
        links = self.view.in_links([job])[job]
        return [link for link in links if link.type is EdgeType.READS]

    def level(self, frontier: set[bytes], depth: int) -> set[bytes]:
        """One job further; the datasets that were not known before."""
        walk = steps.down if self.direction is Direction.DOWN else steps.up
        steps_there = walk(self.view, sorted(frontier))
        found = [step for step in steps_there if not self.only or self.is_kept(step, self.only)]
        self.reach({step.job for step in found if step.job}, depth)
        fresh = self.reach({step.target for step in found if step.target}, depth, *self.links)
        for step in found:
            self.note(step)
        return self.aliased(fresh, depth)

    def reach(self, ids: Iterable[bytes], depth: int, *also: str) -> set[bytes]:
        """Take in nodes; those that are new, alive and within the limit. `also`: records that are asked for next."""
        fresh = sorted(set(ids) - self.depths.keys())
        room = max(0, self.limit - len(self.depths))
        self.truncated = self.truncated or len(fresh) > room
        taken = fresh[:room]
        if also and not self.only:
            self.view.look_around(taken, Ahead(also[0], min(room, _AT_ONCE), 2 * (self.depth - depth)))
        self.view.look_ahead(taken, WHO, *also)
        self.records |= self.view.standing(taken)
        alive = [i for i in taken if i in self.records and (not depth or self.is_wanted(self.records[i]))]
        self.depths |= dict.fromkeys(alive, depth)
        return set(alive)

    def is_wanted(self, record: Standing) -> bool:
        return not record.dropped and (not self.only or self.only.has(record.node))

    def aliased(self, datasets: set[bytes], depth: int) -> set[bytes]:
        """The datasets with all their other names, which are as far away as they are."""
        if not datasets:
            return datasets
        found = find_aliases(self.view, datasets)
        if not found.links:
            return datasets
        for (source, target), link in found.links.items():
            self.edges[EdgeType.SYMLINK, source, target] = link
        every = {name for names in found.names.values() for name in names}
        return datasets | self.reach(every - datasets, depth, *self.links)

    @staticmethod
    def is_kept(step: Step, only: Only) -> bool:
        return only.carries(step.job, *(link.evidence for link in step.links))

    def note(self, step: Step) -> None:
        """Reads lead from a dataset to the job, writes from the job to a dataset; else it leads by itself."""
        ends = (step.origin, step.target) if self.direction is Direction.DOWN else (step.target, step.origin)
        src, job, dst = ends[0] or b"", step.job or b"", ends[1] or b""
        for link in step.links:
            if link.type is EdgeType.READS:
                self.edges[link.type, src, job] = link
            elif link.type is EdgeType.WRITES:
                self.edges[link.type, job, dst] = link
            else:
                self.edges[link.type, src, dst] = link

    def note_job(self, job: bytes, link: Link) -> None:
        src, dst = (job, link.other) if link.type is EdgeType.WRITES else (link.other, job)
        self.edges[link.type, src, dst] = link

    def graph(self) -> Graph:
        """What was found, sorted; without edges that end at what was not reached."""
        edges: Edges = {}
        for (type_, src, dst), link in self.edges.items():
            if src in self.depths and dst in self.depths:
                edges.setdefault(type_, []).append((src, dst, (link.evidence, link.first_us, link.last_us)))
        nodes = {i: standing.node for i, standing in self.records.items()}
        return graph_of(self.depths, nodes, edges, truncated=self.truncated)
