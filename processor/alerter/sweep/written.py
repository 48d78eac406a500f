"""What is wrong with datasets that were written, and are not any more.

Who writes and reads a dataset is looked up only of those that are late by themselves, or were not written lately.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from processor.alerter.sweep.jobs import Told
from processor.detect import kinds
from processor.detect.profile import Writer, WrittenDataset
from processor.detect.rotation import turn_of
from processor.index.aliases import aliases_of
from processor.index.view import Link, View
from processor.judging.scope import Scope, spared
from processor.model.alert import Finding
from processor.model.history import NodeRecord
from processor.model.identity import Node
from processor.model.observation import EdgeType

_NEWEST = 8
_NAMED = 4
_NEXT_MAX = 500


class _Around(NamedTuple):
    """A dataset with the links of those who write it, newest first, and of those who read it."""

    record: NodeRecord
    writes: tuple[Link, ...]
    reads: tuple[Link, ...]


def of_written(scope: Scope, live: Sequence[NodeRecord], told: Told) -> Iterable[Finding]:
    """What is wrong with these datasets; `told`: what keeps jobs from writing."""
    return spared(scope, live, lambda some: _judged(scope, some, told), lambda record: record.node)


def _judged(scope: Scope, records: Sequence[NodeRecord], told: Told) -> Iterator[Finding]:
    suspects = [r for r in records if kinds.may_be_written_no_more(r, scope.policy, scope.now_us)]
    for dataset in _datasets(scope.view, list(_around(scope.view, suspects)), told):
        yield from kinds.of_written(dataset, scope.policy, scope.now_us)


def _around(view: View, records: Sequence[NodeRecord]) -> Iterator[_Around]:
    ids = [record.node.id for record in records]
    into, out = view.in_links(ids), view.out_links(ids)
    for record in records:
        writes = (link for link in into[record.node.id] if link.type is EdgeType.WRITES)
        reads = tuple(link for link in out[record.node.id] if link.type is EdgeType.READS)
        yield _Around(record, tuple(sorted(writes, key=lambda link: link.last_us, reverse=True)), reads)


def _datasets(view: View, suspects: Sequence[_Around], told: Told) -> Iterator[WrittenDataset]:
    if not suspects:
        return
    histories = view.jobs([link.other for around in suspects for link in around.writes[:_NEWEST]])
    readers = view.nodes(link.other for around in suspects for link in around.reads[:_NAMED])
    moved = _moved_on(view, suspects)
    for around in suspects:
        known = [link for link in around.writes[:_NEWEST] if link.other in histories]
        writers = tuple(Writer(histories[link.other], link.last_us) for link in known)
        yield WrittenDataset(
            record=around.record,
            writers=writers,
            writer_count=len(around.writes),
            told=frozenset(kind for writer in writers for kind in told.get(writer.history.job, ())),
            has_moved_on=around.record.node in moved,
            readers=tuple(readers[link.other].node for link in around.reads[:_NAMED] if link.other in readers),
            reader_count=len(around.reads),
            read_us=max((link.last_us for link in around.reads), default=0),
        )


def _moved_on(view: View, suspects: Sequence[_Around]) -> set[Node]:
    """Those that are written since under another name of theirs, or whose writers write the next one in turn."""
    names = aliases_of(view, [around.record.node.id for around in suspects])
    outputs = view.out_links(sorted({link.other for around in suspects for link in around.writes[:_NEWEST]}))
    newer = {around.record.node: sorted(_newer(around, names[around.record.node.id], outputs)) for around in suspects}
    records = view.nodes(id_ for ids in newer.values() for id_ in ids)
    return {
        node
        for node, ids in newer.items()
        if any(_goes_on(node, records[id_], names[node.id]) for id_ in ids if id_ in records)
    }


def _newer(around: _Around, names: frozenset[bytes], outputs: Mapping[bytes, Sequence[Link]]) -> set[bytes]:
    """Other names of the dataset, and what its writers have written since."""
    written_us = max((link.last_us for link in around.writes), default=0)
    links = (link for writer in around.writes[:_NEWEST] for link in outputs.get(writer.other, ()))
    since = [link.other for link in links if link.type is EdgeType.WRITES and link.last_us > written_us]
    return (set(since[:_NEXT_MAX]) | names) - {around.record.node.id}


def _goes_on(node: Node, other: NodeRecord, names: frozenset[bytes]) -> bool:
    return (other.node.id in names and bool(other.written_hours)) or turn_of(other.node) == turn_of(node)
