"""The ways that data takes from one node to another.

Rules kept here:
- data flows downstream: a path leads from what is read to what is written, never back;
- all shortest ways are found, by the number of jobs on them; another name of a dataset is no step;
- between two columns, or where one end is a column, the way goes by columns;
- between datasets, each job on the way is asked which columns it carries; one that does not say carries none.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from processor.index.aliases import aliases_of
from processor.index.columns import column_lineage
from processor.index.graph import Graph
from processor.index.traverse import DEPTH, LIMIT, Direction, lineage
from processor.index.view import View
from processor.model.history import KnownEdge, KnownMapping
from processor.model.identity import Kind, Node
from processor.model.observation import EdgeType


class Carried(NamedTuple):
    """A column of a dataset on the way that a job carries into the next dataset."""

    job: Node
    src: Node
    dst: Node
    direct: bool


@dataclass(frozen=True, slots=True)
class Paths:
    """All shortest ways as one graph, empty when there is none. `truncated`: not everything could be walked."""

    graph: Graph
    carried: tuple[Carried, ...] = ()


def paths(view: View, start: Node, goal: Node, *, depth: int = DEPTH, limit: int = LIMIT) -> Paths:
    """The shortest ways from `start` downstream to `goal`."""
    by_column = Kind.COLUMN in {start.kind, goal.kind}
    walk = column_lineage if by_column else lineage
    walked = walk(view, start, Direction.DOWN, depth=depth, limit=limit)
    starts = {reached.node for reached in walked.nodes if reached.depth == 0}
    # Amid columns, a dataset stands for all of its columns.
    goals = {reached.node for reached in walked.nodes if goal in (reached.node, reached.node.dataset)}
    graph = _shortest(walked, starts, goals)
    return Paths(graph, () if by_column else tuple(_carried(view, graph)))


def _shortest(walked: Graph, starts: set[Node], goals: set[Node]) -> Graph:
    """What lies on a shortest way from any start to the nearest goals."""
    distances = _distances(walked.edges, starts)
    there = {goal for goal in goals if goal in distances}
    if not there:
        return Graph((), (), walked.truncated)
    nearest = min(distances[goal] for goal in there)
    ends = {goal for goal in there if distances[goal] == nearest}
    edges = _without_other_names(_backwards(walked.edges, distances, ends), ends | starts)
    nodes = {end for edge in edges for end in (edge.src, edge.dst)} | (there & starts)
    kept = tuple(reached for reached in walked.nodes if reached.node in nodes)
    return Graph(kept, tuple(edge for edge in walked.edges if edge in edges), walked.truncated)


def _ways(edges: Iterable[KnownEdge]) -> Iterator[tuple[Node, Node, int, KnownEdge]]:
    """Each edge as (from, to, length): the names of one dataset lie at one place."""
    for edge in edges:
        is_name = edge.type is EdgeType.SYMLINK
        yield edge.src, edge.dst, 0 if is_name else 1, edge
        if is_name:
            yield edge.dst, edge.src, 0, edge


def _distances(edges: Iterable[KnownEdge], starts: set[Node]) -> dict[Node, int]:
    following: dict[Node, list[tuple[Node, int]]] = {}
    for src, dst, length, _ in _ways(edges):
        following.setdefault(src, []).append((dst, length))
    distances = dict.fromkeys(starts, 0)
    waiting = deque(starts)
    while waiting:
        node = waiting.popleft()
        for other, length in following.get(node, ()):
            if distances[node] + length < distances.get(other, 1 << 62):
                distances[other] = distances[node] + length
                (waiting.append if length else waiting.appendleft)(other)
    return distances


def _backwards(edges: Iterable[KnownEdge], distances: dict[Node, int], goals: set[Node]) -> set[KnownEdge]:
    before: dict[Node, list[tuple[Node, KnownEdge]]] = {}
    for src, dst, length, edge in _ways(edges):
        if src in distances and distances[src] + length == distances.get(dst):
            before.setdefault(dst, []).append((src, edge))
    found, known, waiting = set[KnownEdge](), set(goals), list(goals)
    while waiting:
        for src, edge in before.get(waiting.pop(), ()):
            found.add(edge)
            if src not in known:
                known.add(src)
                waiting.append(src)
    return found


def _without_other_names(edges: set[KnownEdge], ends: set[Node]) -> set[KnownEdge]:
    """Without the names of datasets that no way leads over."""
    while True:
        touched = Counter(end for edge in edges for end in {edge.src, edge.dst})
        idle = {node for node, count in touched.items() if count == 1} - ends
        beside = {e for e in edges if e.type is EdgeType.SYMLINK and idle & {e.src, e.dst}}
        if not beside:
            return edges
        edges = edges - beside


def _carried(view: View, graph: Graph) -> Iterator[Carried]:
    """The columns that the jobs on the way carry from what they read to what they write, as far as they say."""
    depths = {reached.node: reached.depth for reached in graph.nodes}
    reads = sorted((e for e in graph.edges if e.type is EdgeType.READS), key=lambda e: depths[e.src])
    current = view.current_mappings(sorted({edge.dst.id for edge in reads}))
    names = aliases_of(view, {edge.src.id for edge in reads})
    for read in reads:
        for write in graph.edges:
            if write.type is EdgeType.WRITES and write.src == read.dst:
                known = current.get(read.dst.id, {}).get(write.dst.id)
                yield from _through(read, names[read.src.id], known) if known else ()


def _through(read: KnownEdge, names: frozenset[bytes], known: KnownMapping) -> Iterator[Carried]:
    for output in known.mapping.fields:
        for source in output.sources:
            if source.field is not None and source.node.dataset.id in names:
                src = read.src.column(source.field)
                yield Carried(read.dst, src, known.output.column(output.field), source.direct)
