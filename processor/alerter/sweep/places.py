"""What is wrong with the places of datasets in the graph: who writes and reads them, what stands beside them.

Memory is bounded by the folders of datasets and by the datasets that are read but never written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from processor.alerter.sweep.names import of_names
from processor.detect import kinds, orphan_dataset
from processor.detect.profile import DatasetProfile, Folder, folder_of
from processor.index.view import View
from processor.index.writers import written
from processor.judging.scope import Scope, spared
from processor.model.alert import Finding
from processor.model.history import NodeRecord
from processor.model.identity import Node
from processor.model.observation import EdgeType
from processor.model.pages import pages

_READERS_NAMED = 4


class Places:
    """The places of all datasets, taken in page by page, judged when all are known."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._tally = _Tally()
        self._unwritten: list[_Unwritten] = []

    def take(self, live: Sequence[NodeRecord]) -> None:
        """Take in datasets that are not dropped."""
        self._unwritten += _read_but_unwritten(self._scope.view, live, self._tally)

    def findings(self, since_us: int) -> Iterator[Finding]:
        """What is wrong with the places of those taken in; lineage has been coming in since `since_us`."""
        for some in pages(self._unwritten):
            self._scope.breathe()
            named = _names(self._scope, some)
            yield from named
            told = {finding.subject for finding in named}
            rest = [one for one in some if one.record.node not in told]
            yield from _orphans(self._scope, rest, self._tally, since_us)


def excused(scope: Scope, datasets: Sequence[Node]) -> frozenset[Node]:
    """Those of these datasets that are no orphans, whatever their siblings are."""
    records = list(scope.view.nodes(dataset.id for dataset in datasets).values())
    unwritten = _read_but_unwritten(scope.view, [r for r in records if not r.dropped], _Tally())
    profiles = _profiles(scope.view, unwritten, _Tally(), 0)
    suspects = {p.dataset for p in profiles if not orphan_dataset.is_excused(p, scope.policy)}
    return frozenset(datasets) - suspects


class _Unwritten(NamedTuple):
    """A dataset that is read, and that nobody is known to write under any of its names."""

    record: NodeRecord
    readers: tuple[bytes, ...]


class _Tally:
    """How many datasets of each folder there are, and how many of them have a writer."""

    def __init__(self) -> None:
        self._folders: dict[Folder, tuple[int, int]] = {}

    def add(self, dataset: Node, *, is_written: bool) -> None:
        folder = folder_of(dataset)
        there, written = self._folders.get(folder, (0, 0))
        self._folders[folder] = (there + 1, written + is_written)

    def siblings(self, dataset: Node) -> tuple[int, int]:
        """Siblings of a dataset that has no writer itself, and how many of them have one."""
        there, written = self._folders.get(folder_of(dataset), (1, 0))
        return there - 1, written


def _read_but_unwritten(view: View, records: Sequence[NodeRecord], tally: _Tally) -> list[_Unwritten]:
    ids = [record.node.id for record in records]
    known, out = written(view, view.in_links(ids)), view.out_links(ids)
    found = []
    for record in records:
        tally.add(record.node, is_written=record.node.id in known)
        readers = tuple(link.other for link in out[record.node.id] if link.type is EdgeType.READS)
        if readers and record.node.id not in known:
            found.append(_Unwritten(record, readers))
    return found


def _names(scope: Scope, unwritten: Sequence[_Unwritten]) -> list[Finding]:
    def judge(some: Sequence[_Unwritten]) -> Iterable[Finding]:
        return of_names(scope, [one.record for one in some])

    return spared(scope, unwritten, judge, lambda one: one.record.node)


def _orphans(scope: Scope, unwritten: Sequence[_Unwritten], tally: _Tally, since_us: int) -> Iterable[Finding]:
    def judge(some: Sequence[_Unwritten]) -> Iterable[Finding]:
        return _orphans_of(scope, some, tally, since_us)

    return spared(scope, unwritten, judge, lambda one: one.record.node)


def _orphans_of(scope: Scope, unwritten: Sequence[_Unwritten], tally: _Tally, since_us: int) -> Iterator[Finding]:
    for profile in _profiles(scope.view, unwritten, tally, since_us):
        yield from kinds.of_profile(profile, scope.policy, scope.now_us)


def _profiles(view: View, unwritten: Sequence[_Unwritten], tally: _Tally, since_us: int) -> Iterator[DatasetProfile]:
    named = view.nodes(r for u in unwritten for r in u.readers[:_READERS_NAMED])
    for record, readers in unwritten:
        siblings, with_writer = tally.siblings(record.node)
        yield DatasetProfile(
            dataset=record.node,
            readers=tuple(named[r].node for r in readers[:_READERS_NAMED] if r in named),
            reader_count=len(readers),
            first_seen_us=record.first_seen_us,
            lineage_since_us=since_us,
            siblings=siblings,
            siblings_with_writer=with_writer,
        )
