"""What lies upstream of a node, how far, and on which way the data comes from there.

Rules kept here:
- upstream is what the index says now and what it said at an earlier time: what broke may be upstream no longer;
- a column is walked by columns, as far as any are known, and only its own ancestors count of each dataset; else
  everything of a dataset counts;
- distance is in jobs; another name of a dataset is no step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from processor.index.columns import column_lineage
from processor.index.graph import Graph
from processor.index.traverse import DEPTH, LIMIT, Direction, lineage
from processor.index.view import View
from processor.model.history import KnownEdge
from processor.model.identity import Kind, Node
from processor.model.observation import EdgeType

__all__ = ["Ancestry", "Place", "ancestry"]


class Place(NamedTuple):
    """How many jobs away something is, and the way that data takes from it to the subject, both included."""

    distance: int
    way: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Ancestry:
    """All that is upstream of `subject`, itself included.

    `distances`: datasets, jobs and, where it was walked by columns, those. `following`: the next on the shortest way to
    the subject. `columns`: by dataset, those that count; empty where all do.
    """

    subject: Node
    distances: dict[Node, int]
    following: dict[Node, Node]
    columns: dict[Node, dict[str, Node]]
    truncated: bool

    def of(self, kind: Kind) -> list[Node]:
        """The datasets or the jobs among them, in a stable order."""
        return sorted(node for node in self.distances if node.kind is kind)

    def counts(self, dataset: Node, path: str) -> bool:
        """Whether a column of a dataset is upstream of the subject, as far as that is known."""
        return not self.columns or path in self.columns.get(dataset, {})

    def place(self, node: Node) -> Place:
        """Where a node of it is."""
        return Place(self.distances[node], tuple(self._way(node)))

    def _way(self, node: Node) -> Iterator[Node]:
        at: Node | None = node
        while at is not None:
            yield at
            at = self.following.get(at)


def ancestry(view: View, before: View, subject: Node, *, depth: int = DEPTH, limit: int = LIMIT) -> Ancestry:
    """What is upstream of a dataset, a job or a column, by either of the two views."""
    if subject.kind is Kind.COLUMN:
        graphs = [column_lineage(each, subject, Direction.UP, depth=depth, limit=limit) for each in (view, before)]
        if any(graph.edges for graph in graphs):
            return _by_columns(subject, graphs)
    start = subject.dataset
    graphs = [lineage(each, start, Direction.UP, depth=depth, limit=limit) for each in (view, before)]
    distances = _distances(graphs)
    return Ancestry(start, distances, _following(start, _steps(graphs)), {}, _is_cut(graphs))


def _by_columns(subject: Node, graphs: list[Graph]) -> Ancestry:
    distances, columns = _distances(graphs), dict[Node, dict[str, Node]]()
    following = _following(subject, _steps(graphs))
    for column in sorted(distances, key=lambda node: (distances[node], node[:3], node.field or "")):
        columns.setdefault(column.dataset, {})[column.field or ""] = column
    for dataset, of in columns.items():
        nearest = next(iter(of.values()))
        distances[dataset] = distances[nearest]
        if nearest in following:
            following[dataset] = following[nearest]
    for edge in (edge for graph in graphs for edge in graph.edges if edge.job):
        _add_job(edge, distances, following)
    return Ancestry(subject, distances, following, columns, _is_cut(graphs))


def _add_job(edge: KnownEdge, distances: dict[Node, int], following: dict[Node, Node]) -> None:
    distance = distances[edge.dst] + 1
    if edge.job is not None and distance < distances.get(edge.job, 1 << 62):
        distances[edge.job], following[edge.job] = distance, edge.dst


def _distances(graphs: Iterable[Graph]) -> dict[Node, int]:
    found: dict[Node, int] = {}
    for reached in (reached for graph in graphs for reached in graph.nodes):
        found[reached.node] = min(reached.depth, found.get(reached.node, reached.depth))
    return found


def _is_cut(graphs: Iterable[Graph]) -> bool:
    return any(graph.truncated for graph in graphs)


class _Step(NamedTuple):
    far: Node
    length: int


def _steps(graphs: Iterable[Graph]) -> dict[Node, list[_Step]]:
    """The steps away from the subject, by where they begin."""
    steps: dict[Node, list[_Step]] = {}
    for edge in (edge for graph in graphs for edge in graph.edges):
        is_name = edge.type is EdgeType.SYMLINK
        steps.setdefault(edge.dst, []).append(_Step(edge.src, 0 if is_name else 1))
        if is_name:
            steps.setdefault(edge.src, []).append(_Step(edge.dst, 0))
    return steps


def _following(subject: Node, steps: dict[Node, list[_Step]]) -> dict[Node, Node]:
    """The next node on a shortest way to the subject, of each but itself."""
    lengths, following, waiting = {subject: 0}, dict[Node, Node](), deque([subject])
    while waiting:
        near = waiting.popleft()
        for far, length in sorted(steps.get(near, ()), key=lambda step: step.far[:3]):
            if lengths[near] + length < lengths.get(far, 1 << 62):
                lengths[far], following[far] = lengths[near] + length, near
                (waiting.append if length else waiting.appendleft)(far)
    return following
