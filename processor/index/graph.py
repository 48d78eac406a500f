"""What a walk found: nodes and the edges between them, in an order that does not depend on how it went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from processor.model.history import KnownEdge
from processor.model.identity import Node
from processor.model.observation import EdgeType, Evidence

__all__ = ["Edges", "Graph", "Reached", "Sighting", "graph_of"]

Sighting = tuple[Evidence, int, int]
"""On what evidence an edge stands, and when it was seen first and last, in µs since 1970."""
Edges = dict[EdgeType, list[tuple[bytes, bytes, Sighting]]]
"""Edges by what they are: the ids of their ends, and the sighting."""


class Reached(msgspec.Struct, frozen=True, gc=False):
    """A node and how many jobs lie between it and the start; the job that leads there included."""

    node: Node
    depth: int


@dataclass(frozen=True, slots=True)
class Graph:
    """What a walk found, start included. `truncated`: more was there than the limit of nodes."""

    nodes: tuple[Reached, ...]
    edges: tuple[KnownEdge, ...]
    truncated: bool = False


def graph_of(
    depths: Mapping[bytes, int], nodes: Mapping[bytes, Node], edges: Edges, *, truncated: bool = False
) -> Graph:
    """The nearest nodes first, then by their names; of edges the places of their ends are compared, which cost less.

    `depths`: of all that was reached, by id; `nodes`: who these are. No two edges of a type have the same ends.
    """
    by_name = _by_name(depths, nodes)
    place = dict(zip(by_name, range(len(by_name)), strict=True))
    ordered = [nodes[i] for i in by_name]
    known: list[KnownEdge] = []
    for type_ in sorted(edges):
        placed = sorted([(place[src], place[dst], sighting) for src, dst, sighting in edges[type_]])
        known += [
            KnownEdge(type_, ordered[src], ordered[dst], evidence, first_us, last_us)
            for src, dst, (evidence, first_us, last_us) in placed
        ]
    nearest = sorted(by_name, key=depths.__getitem__)
    return Graph(tuple([Reached(nodes[i], depths[i]) for i in nearest]), tuple(known), truncated)


def _by_name(ids: Iterable[bytes], nodes: Mapping[bytes, Node]) -> list[bytes]:
    """By kind, namespace and name: few kinds and namespaces, of many names each."""
    found = defaultdict[tuple[str, ...], list[tuple[str, bytes]]](list)
    for i in ids:
        node = nodes[i]
        found[node[:2]].append((node[2], i))
    return [i for _, names in sorted(found.items()) for _, i in sorted(names)]
