"""What is wrong now, read from the index: all of it in one stream, or what concerns a few nodes.

Rules kept here:
- findings are a function of the index, the policy and the time; nothing is remembered between passes;
- a subject whose judgement fails, whatever the reason, costs only itself: it is logged and counted, its alerts stay
  as they are, and the pass goes on;
- memory is bounded by the folders of datasets and by the datasets that are read but never written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

import structlog

from processor.detect import kinds, orphan_dataset
from processor.detect.policy import Policy
from processor.detect.profile import DatasetProfile, Folder, folder_of
from processor.detect.words import shown
from processor.index.aliases import aliases_of
from processor.index.impact import impact
from processor.index.view import Link, View
from processor.model.alert import Finding, Impact
from processor.model.errors import LineageError
from processor.model.history import JobHistory, NodeRecord
from processor.model.identity import Kind, Node
from processor.model.observation import EdgeType
from processor.telemetry import metrics

_PAGE = 500
_READERS_NAMED = 4
_WRITING = frozenset({EdgeType.WRITES, EdgeType.DERIVES})
"""Links into a dataset that say where its data comes from; `derives` without a job counts too."""

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)


class Scope(NamedTuple):
    """What every judgement needs: the index, the policy, the time.

    `breathe` is called again and again while a pass goes on; what it raises ends the pass. `stumbled` collects the
    subjects whose judgement failed: nothing is known of them in this pass.
    """

    view: View
    policy: Policy
    now_us: int
    breathe: Callable[[], None]
    stumbled: set[Node]


class _Unwritten(NamedTuple):
    """A dataset that is read, and that nobody is known to write under this name."""

    record: NodeRecord
    readers: tuple[bytes, ...]


_J = TypeVar("_J", Node, JobHistory, _Unwritten)


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


def everything(scope: Scope) -> Iterator[Finding]:
    """Every finding, streamed, each once."""
    yield from of_jobs(scope, scope.view.all_jobs())
    tally, unwritten = _Tally(), list[_Unwritten]()
    for page in _pages(scope.view.all_nodes(Kind.DATASET)):
        scope.breathe()
        live = [record for record in page if not record.dropped]
        yield from _drift(scope, [record.node for record in live])
        unwritten += _read_but_unwritten(scope.view, live, tally)
    for some in _pages(unwritten):
        scope.breathe()
        yield from _orphans(scope, some, tally)


def of_jobs(scope: Scope, histories: Iterable[JobHistory]) -> Iterator[Finding]:
    """What is wrong with these jobs."""
    for history in histories:
        scope.breathe()
        yield from _spared(scope, [history], lambda some: _of_job(scope, some[0]))


def of_schemas(scope: Scope, datasets: Sequence[Node]) -> Iterator[Finding]:
    """What is wrong with what observers state of these datasets."""
    records = scope.view.nodes(dataset.id for dataset in datasets)
    yield from _drift(scope, [r.node for r in records.values() if not r.dropped])


def excused(scope: Scope, datasets: Sequence[Node]) -> frozenset[Node]:
    """Those of these datasets that are no orphans, whatever their siblings are."""
    records = list(scope.view.nodes(dataset.id for dataset in datasets).values())
    unwritten = _read_but_unwritten(scope.view, [r for r in records if not r.dropped], _Tally())
    profiles = _profiles(scope.view, unwritten, _Tally())
    suspects = {p.dataset for p in profiles if not orphan_dataset.is_excused(p, scope.policy)}
    return frozenset(datasets) - suspects


def _of_job(scope: Scope, history: JobHistory) -> Iterable[Finding]:
    return kinds.of_job(history, scope.policy, scope.now_us)


def _drift(scope: Scope, datasets: Sequence[Node]) -> Iterable[Finding]:
    return _spared(scope, datasets, lambda some: _drift_of(scope, some))


def _drift_of(scope: Scope, datasets: Sequence[Node]) -> Iterator[Finding]:
    for dataset, lanes in scope.view.lanes_of(datasets).items():
        yield from kinds.of_lanes(lanes, scope.policy, scope.now_us, _impact_of(scope.view, dataset))


def _impact_of(view: View, dataset: Node) -> Callable[[frozenset[str]], Impact]:
    return lambda columns: impact(view, dataset, columns)


def _read_but_unwritten(view: View, records: Sequence[NodeRecord], tally: _Tally) -> list[_Unwritten]:
    ids = [record.node.id for record in records]
    into, out = view.in_links(ids), view.out_links(ids)
    found = []
    for record in records:
        is_written = _is_written(into[record.node.id])
        tally.add(record.node, is_written=is_written)
        readers = tuple(link.other for link in out[record.node.id] if link.type is EdgeType.READS)
        if readers and not is_written:
            found.append(_Unwritten(record, readers))
    return found


def _is_written(links: Iterable[Link]) -> bool:
    return any(link.type in _WRITING for link in links)


def _spared(scope: Scope, judged: Sequence[_J], judge: Callable[[Sequence[_J]], Iterable[Finding]]) -> list[Finding]:
    """What a judgement says; where it fails, each is judged by itself, and the one that fails is left out."""
    try:
        return list(judge(judged)) if judged else []
    except LineageError:
        raise
    except Exception:  # noqa: BLE001  outermost for what is judged here: see the rules above
        if len(judged) > 1:
            return [finding for one in judged for finding in _spared(scope, [one], judge)]
        subject = _subject_of(judged[0])
        scope.stumbled.add(subject)
        metrics.JUDGEMENTS_FAILED.inc()
        _log.exception("judgement.failed", subject=shown(str(subject)))
        return []


def _subject_of(judged: Node | JobHistory | _Unwritten) -> Node:
    if isinstance(judged, JobHistory):
        return judged.job
    return judged if isinstance(judged, Node) else judged.record.node


def _orphans(scope: Scope, unwritten: Sequence[_Unwritten], tally: _Tally) -> Iterable[Finding]:
    return _spared(scope, unwritten, lambda some: _orphans_of(scope, some, tally))


def _orphans_of(scope: Scope, unwritten: Sequence[_Unwritten], tally: _Tally) -> Iterator[Finding]:
    for profile in _profiles(scope.view, unwritten, tally):
        yield from kinds.of_profile(profile, scope.policy, scope.now_us)


def _profiles(view: View, unwritten: Sequence[_Unwritten], tally: _Tally) -> Iterator[DatasetProfile]:
    written = _written_elsewhere(view, [u.record.node.id for u in unwritten])
    named = view.nodes(r for u in unwritten for r in u.readers[:_READERS_NAMED])
    for record, readers in unwritten:
        siblings, with_writer = tally.siblings(record.node)
        yield DatasetProfile(
            dataset=record.node,
            readers=tuple(named[r].node for r in readers[:_READERS_NAMED] if r in named),
            reader_count=len(readers),
            writers=int(record.node.id in written),
            first_seen_us=record.first_seen_us,
            siblings=siblings,
            siblings_with_writer=with_writer,
        )


def _written_elsewhere(view: View, ids: Sequence[bytes]) -> set[bytes]:
    """Those of these datasets that have a writer under another of their names."""
    names = {i: others - {i} for i, others in aliases_of(view, ids).items() if len(others) > 1}
    others = sorted({other for alias in names.values() for other in alias})
    written = {other for other, links in view.in_links(others).items() if _is_written(links)}
    return {i for i, alias in names.items() if alias & written}


def _pages(items: Iterable[_T]) -> Iterator[list[_T]]:
    iterator = iter(items)
    while page := list(islice(iterator, _PAGE)):
        yield page
