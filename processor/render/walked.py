"""The JSON form of walked graphs and of the ways between two nodes."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from processor.index.graph import Graph
from processor.index.paths import Paths
from processor.index.traverse import Direction
from processor.model.history import KnownEdge
from processor.model.identity import Kind, Node
from processor.model.observation import EdgeType
from processor.render.records import Record, edge, evidence_names, node
from processor.render.times import rfc3339


def paths_document(start: Node, goal: Node, ways: Paths) -> Record:
    """The ways between two nodes, and the columns that are carried on them."""
    return {
        "from": node(start),
        "to": node(goal),
        "nodes": [reached_record(ways.graph, at) for at in range(len(ways.graph.nodes))],
        "edges": [edge(each) for each in ways.graph.edges],
        "columns": [
            {"job": node(each.job), "from": node(each.src), "to": node(each.dst), "direct": each.direct}
            for each in ways.carried
        ],
        "truncated": ways.graph.truncated,
    }


class _Told(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """As `records.node`; of thousands, a dict each costs a walk as much as reading them.

    Here and below, what stands behind a default has one only so that all is given by place, which costs less.
    """

    kind: Kind
    namespace: str
    name: str
    field: str | None = None


class _Reached(_Told, frozen=True, gc=False, omit_defaults=True):
    depth: int | None = None


class _Edge(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, rename={"source": "from", "target": "to"}):
    """As `records.edge`."""

    type: EdgeType
    source: _Told
    target: _Told
    job: _Told | None = None
    direct: bool | None = None
    evidence: tuple[str, ...] | None = None
    first_seen: str | None = None
    last_seen: str | None = None


class _Nodes(dict[Node, _Told]):
    """Each once, for it stands in several edges."""

    def __missing__(self, of: Node) -> _Told:
        told = self[of] = _Told(*of)
        return told


def graph_document(start: Node, graph: Graph, direction: Direction) -> Record:
    """What is up or down of a node, nearest first; to be encoded."""
    told = _Nodes((reached.node, _Told(*reached.node)) for reached in graph.nodes)
    return {
        "start": node(start),
        "direction": direction.value,
        "nodes": [_Reached(*reached.node, reached.depth) for reached in graph.nodes],
        "edges": [_edge(each, told) for each in graph.edges],
        "truncated": graph.truncated,
    }


_hour = lru_cache(maxsize=4_096)(rfc3339)
"""As `rfc3339`, of times that are kept to the hour: few are different."""


def _edge(of: KnownEdge, told: _Nodes) -> _Edge:
    first_seen = rfc3339(of.first_seen_us)
    return _Edge(
        of.type,
        told[of.src],
        told[of.dst],
        None if of.job is None else told[of.job],
        of.direct,
        evidence_names(of.evidence),
        first_seen,
        first_seen if of.last_seen_us == of.first_seen_us else _hour(of.last_seen_us),
    )


def reached_record(graph: Graph, position: int) -> Record:
    """One node of it, and how far it is."""
    reached = graph.nodes[position]
    return {**node(reached.node), "depth": reached.depth}
