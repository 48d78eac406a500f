"""What a walk found: nodes and the edges between them, in an order that does not depend on how it went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from processor.model.history import KnownEdge
from processor.model.identity import Kind, Node
from processor.model.observation import EdgeType, Evidence

__all__ = ["Found", "Graph", "Reached", "graph_of"]

Found = tuple[EdgeType, bytes, bytes, Evidence, int, int]
"""An edge: what it is, the ids of its ends, on what evidence, and when it was seen first and last, in µs since 1970."""


class Reached(NamedTuple):
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
    depths: Mapping[bytes, int], nodes: Mapping[bytes, Node], edges: Iterable[Found], *, truncated: bool = False
) -> Graph:
    """The nearest nodes first, then by their names; of edges the places of their ends are compared, which cost less.

    `depths`: of all that was reached, by id; `nodes`: who these are. No two edges of a type have the same ends; one
    that ends at what was not reached is left out.
    """
    by_name = _by_name(depths, nodes)
    place = dict(zip(by_name, range(len(by_name)), strict=True))
    ordered = [nodes[i] for i in by_name]
    placed = [
        (type_, place[src], place[dst], evidence, first_us, last_us)
        for type_, src, dst, evidence, first_us, last_us in edges
        if src in place and dst in place
    ]
    placed.sort()
    nearest = sorted(by_name, key=depths.__getitem__)
    return Graph(
        nodes=tuple([Reached(ordered[place[i]], depths[i]) for i in nearest]),
        edges=tuple(
            [
                KnownEdge(type_, ordered[src], ordered[dst], evidence, first_us, last_us)
                for type_, src, dst, evidence, first_us, last_us in placed
            ]
        ),
        truncated=truncated,
    )


def _by_name(ids: Iterable[bytes], nodes: Mapping[bytes, Node]) -> list[bytes]:
    """By kind, namespace and name: few kinds and namespaces, of many names each."""
    found: dict[tuple[Kind, str], list[tuple[str, bytes]]] = {}
    for i in ids:
        kind, namespace, name, _ = nodes[i]
        found.setdefault((kind, namespace), []).append((name, i))
    return [i for _, names in sorted(found.items()) for _, i in sorted(names)]
