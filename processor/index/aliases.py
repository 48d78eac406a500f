"""Datasets that are one under several names: symlinks and renames, resolved on reading.

A symlink holds as long as the newest `symlinks` facet of the dataset that states it names the other;
taken back, the two part again. A rename holds for good.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from processor.index.facets import facet_reader
from processor.index.records import Link
from processor.index.view import View
from processor.model.history import NodeRecord
from processor.model.identity import dataset
from processor.model.observation import Evidence


class _Identifier(msgspec.Struct):
    namespace: str
    name: str


class _Symlinks(msgspec.Struct):
    identifiers: list[_Identifier] = []


_symlinks_of = facet_reader(_Symlinks)


Links = dict[tuple[bytes, bytes], Link]
"""Alias links by (source, target)."""


class Aliases(NamedTuple):
    """All names of each dataset that has several, its own included, and the links in force among them."""

    names: dict[bytes, frozenset[bytes]]
    links: Links


def aliases_of(view: View, ids: Iterable[bytes]) -> dict[bytes, frozenset[bytes]]:
    """Every name of each of these datasets, itself included. Cycle-safe."""
    wanted = frozenset(ids)
    several = find_aliases(view, wanted).names
    return {i: several.get(i) or frozenset((i,)) for i in wanted}


def find_aliases(view: View, ids: Iterable[bytes]) -> Aliases:
    """Every name of those of these datasets that have several, and what makes them one."""
    wanted, links = frozenset(ids), Links()
    met, frontier = set[bytes](), set(wanted)
    while frontier:
        met |= frontier
        found = _in_force(view, sorted(frontier))
        links |= found
        frontier = {name for pair in found for name in pair} - met
    neighbors = _neighbors(links)
    return Aliases({i: _component(i, neighbors) for i in wanted & neighbors.keys()}, links)


def symlinked(record: NodeRecord) -> frozenset[bytes]:
    """Ids of the datasets that a dataset's newest `symlinks` facet names."""
    facet = _symlinks_of(record.facets.get("symlinks"))
    return frozenset(dataset(s.namespace, s.name).id for s in facet.identifiers)


def holds(link: Link, stated: frozenset[bytes], target: bytes) -> bool:
    """Whether an alias link is in force: it is a rename, or the facet still names the other."""
    return Evidence.RENAME in link.evidence or target in stated


def _in_force(view: View, ids: list[bytes]) -> Links:
    """The links in force that begin or end at these datasets."""
    out, into = view.symlinks(ids)
    found = {(i, link.other): link for i, links in out.items() for link in links}
    found |= {(link.other, i): link for i, links in into.items() for link in links}
    if not found:
        return found
    records = view.nodes({source for source, _ in found})
    stated = {i: symlinked(record) for i, record in records.items()}
    return {(s, t): link for (s, t), link in found.items() if holds(link, stated.get(s, frozenset()), t)}


def _neighbors(links: Links) -> dict[bytes, set[bytes]]:
    neighbors: dict[bytes, set[bytes]] = {}
    for source, target in links:
        neighbors.setdefault(source, set()).add(target)
        neighbors.setdefault(target, set()).add(source)
    return neighbors


def _component(start: bytes, neighbors: dict[bytes, set[bytes]]) -> frozenset[bytes]:
    together, frontier = {start}, [start]
    while frontier:
        fresh = neighbors.get(frontier.pop(), set()) - together
        together |= fresh
        frontier += fresh
    return frozenset(together)
