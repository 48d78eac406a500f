"""How complete the lineage is, measured over the whole index.

Memory is bounded by the namespaces, and by `DEPTH_NODES` for the depth, which is left out above that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from processor.detect.coverage import NO_COLUMNS, Coverage, Surveyed, Tally, depth_of
from processor.index.aliases import holds, symlinked
from processor.index.depth import DEPTH_NODES, depths
from processor.index.parents import column_parents
from processor.index.view import Link
from processor.index.writers import written
from processor.judging.scope import Scope, all_jobs, all_nodes, spared
from processor.model.alert import Finding
from processor.model.history import JobHistory, NodeRecord
from processor.model.identity import Kind
from processor.model.observation import EdgeType

_IN_MEMORY = "inmemory://"


def measure(scope: Scope, tell_edges: Callable[[Mapping[EdgeType, int]], None] = lambda _: None) -> Surveyed:
    """How complete the lineage is now. What cannot be read of a dataset or a job costs only itself.

    `tell_edges` is told how many edges of each type there are.
    """
    survey = _Survey(scope)
    for histories in all_jobs(scope):
        spared(scope, histories, survey.take_jobs, lambda history: history.job)
    for records in all_nodes(scope, Kind.DATASET):
        live = [r for r in records if not (r.dropped or r.node.namespace.startswith(_IN_MEMORY))]
        spared(scope, live, survey.take_datasets, lambda record: record.node)
    survey.measure_depth()
    tell_edges(survey.edges)
    return Surveyed(survey.tally.overall, survey.tally.namespaces(), frozenset(scope.stumbled))


class _Survey:
    """Takes datasets and jobs in page by page."""

    def __init__(self, scope: Scope) -> None:
        self.tally = Tally(scope.policy)
        self._view = scope.view
        self._breathe = scope.breathe
        self._places: dict[bytes, Coverage] = {}
        self._sources: set[bytes] = set()
        self._twins: dict[bytes, set[bytes]] = {}
        self._first_jobs: list[bytes] = []
        self._nodes = 0
        self.edges: Counter[EdgeType] = Counter()

    def take_jobs(self, histories: Sequence[JobHistory]) -> Iterable[Finding]:
        into = self._view.in_links([history.job.id for history in histories])
        self._count_edges(into)
        for history in histories:
            self.tally.add_job(history)
            self._nodes += 1
            if not any(link.type is EdgeType.READS for link in into[history.job.id]) and self._is_measured():
                self._first_jobs.append(history.job.id)
        return ()

    def take_datasets(self, records: Sequence[NodeRecord]) -> Iterable[Finding]:
        into = self._view.in_links([record.node.id for record in records])
        self._count_edges(into)
        known = written(self._view, into)
        groups = {r.node: [r.node] for r in records if r.node.id in known}
        columns = column_parents(self._view, groups)
        for record in records:
            is_written = record.node.id in known
            self.tally.add_dataset(record.node, is_written=is_written, columns=columns.get(record.node, NO_COLUMNS))
        self._nodes += len(records)
        if self._is_measured():
            self._take_places(records, into, known)
        return ()

    def _is_measured(self) -> bool:
        return self._nodes <= DEPTH_NODES

    def _take_places(self, records: Sequence[NodeRecord], into: dict[bytes, list[Link]], known: set[bytes]) -> None:
        for record in records:
            self._places[record.node.id] = self.tally.namespace(record.node.namespace)
        self._sources |= into.keys() - known
        symlinks = [(link, i) for i, links in into.items() for link in links if link.type is EdgeType.SYMLINK]
        stating = self._view.nodes({link.other for link, _ in symlinks})
        for link, target in symlinks:
            if link.other in stating and holds(link, symlinked(stating[link.other]), target):
                self._twins.setdefault(target, set()).add(link.other)
                self._twins.setdefault(link.other, set()).add(target)

    def _count_edges(self, into: Mapping[bytes, Sequence[Link]]) -> None:
        self.edges.update(link.type for links in into.values() for link in links)

    def measure_depth(self) -> None:
        if not self._is_measured():
            return
        found = depths(self._view, self._sources, self._first_jobs, self._twins, self._breathe)
        known = [(self._places[i], depth) for i, depth in found.items() if i in self._places]
        self.tally.overall.depth = depth_of(depth for _, depth in known)
        by_namespace: dict[str, list[int]] = {}
        for place, depth in known:
            by_namespace.setdefault(place.namespace, []).append(depth)
        for place in self.tally.namespaces():
            place.depth = depth_of(by_namespace.get(place.namespace, ()))
