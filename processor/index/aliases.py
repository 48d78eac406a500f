"""Datasets that are one under several names: symlinks and renames, resolved on reading.

A symlink holds as long as the newest `symlinks` facet of the dataset that states it names the other;
taken back, the two part again. A rename holds for good.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from processor.index.facets import read_facet
from processor.index.view import Link, View
from processor.model.history import NodeRecord
from processor.model.identity import dataset
from processor.model.observation import EdgeType, Evidence


class _Identifier(msgspec.Struct):
    namespace: str
    name: str


class _Symlinks(msgspec.Struct):
    identifiers: list[_Identifier] = []


def aliases_of(view: View, ids: Iterable[bytes]) -> dict[bytes, frozenset[bytes]]:
    """Every name of each of these datasets, itself included. Cycle-safe."""
    neighbors: dict[bytes, set[bytes]] = {}
    frontier = set(ids)
    wanted = frozenset(frontier)
    while frontier:
        found = _neighbors(view, frontier)
        neighbors |= found
        frontier = {other for others in found.values() for other in others} - neighbors.keys()
    return {i: _component(i, neighbors) for i in wanted}


def holds(link: Link, stating: NodeRecord | None, other: bytes) -> bool:
    """Whether a symlink edge is in force: it is a rename, or the facet still names the other."""
    if Evidence.RENAME in link.evidence:
        return True
    return stating is not None and other in _named(stating)


def _neighbors(view: View, ids: set[bytes]) -> dict[bytes, set[bytes]]:
    order = sorted(ids)
    out, into = view.out_links(order), view.in_links(order)
    links = [(i, link, True) for i in order for link in out[i] if link.type is EdgeType.SYMLINK]
    links += [(i, link, False) for i in order for link in into[i] if link.type is EdgeType.SYMLINK]
    stating = view.nodes(i if outward else link.other for i, link, outward in links)
    found: dict[bytes, set[bytes]] = {i: set() for i in order}
    for i, link, outward in links:
        source, target = (i, link.other) if outward else (link.other, i)
        if holds(link, stating.get(source), target):
            found[i].add(link.other)
    return found


def _named(record: NodeRecord) -> set[bytes]:
    symlinks = read_facet(record.facets.get("symlinks"), _Symlinks, _Symlinks())
    return {dataset(s.namespace, s.name).id for s in symlinks.identifiers}


def _component(start: bytes, neighbors: dict[bytes, set[bytes]]) -> frozenset[bytes]:
    together, frontier = {start}, [start]
    while frontier:
        fresh = neighbors[frontier.pop()] - together
        together |= fresh
        frontier += fresh
    return frozenset(together)
