"""Datasets that are only read, and what may be the same under another name.

Candidates are those whose name ends in the same word, as the index finds them; a word that hundreds of names end in
tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from processor.detect import kinds
from processor.detect.fragmented_namespace import Named, Strength, likeness
from processor.index.layout import last_word, word_id
from processor.index.view import View, current_columns
from processor.index.writers import is_written
from processor.judging.scope import Scope
from processor.model.alert import Finding
from processor.model.history import NodeRecord
from processor.model.identity import Kind, Node
from processor.model.observation import EdgeType

_MOST = 200


def of_names(scope: Scope, unwritten: Sequence[NodeRecord]) -> Iterator[Finding]:
    """What of these datasets, read and not written under any known name, is very likely written under another."""
    alike = _alike(scope.view, unwritten)
    named = _named(scope.view, alike)
    for node, others in alike.items():
        yield from kinds.of_names(named[node], [named[other] for other in others], scope.policy, scope.now_us)


def _alike(view: View, unwritten: Sequence[NodeRecord]) -> dict[Node, list[Node]]:
    """Datasets whose names are like those of others."""
    words = {record.node: word_id(last_word(record.node.name)) for record in unwritten}
    ids = {word: found for word, found in view.found_by_any(list(set(words.values()))).items() if len(found) <= _MOST}
    records = view.nodes(id_ for found in ids.values() for id_ in found)
    alike = {node: list(_like(node, ids.get(word, ()), records)) for node, word in words.items()}
    return {node: others for node, others in alike.items() if others}


def _like(node: Node, ids: Sequence[bytes], records: Mapping[bytes, NodeRecord]) -> Iterator[Node]:
    for record in (records[id_] for id_ in ids if id_ in records):
        is_live = record.node.kind is Kind.DATASET and not record.dropped
        if is_live and likeness(node, record.node).strength is not Strength.NONE:
            yield record.node


def _named(view: View, alike: Mapping[Node, Sequence[Node]]) -> dict[Node, Named]:
    nodes = list(dict.fromkeys([*alike, *(other for others in alike.values() for other in others)]))
    ids = [node.id for node in nodes]
    records = view.nodes(ids)
    into, out, lanes = view.in_links(ids), view.out_links(ids), view.lanes_of(nodes)
    return {
        node: Named(
            node,
            frozenset(column.path for column in current_columns(lanes[node])),
            records[node.id].first_seen_us,
            is_read=any(link.type is EdgeType.READS for link in out[node.id]),
            is_written=is_written(into[node.id]),
        )
        for node in nodes
    }
