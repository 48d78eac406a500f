"""The JSON form of walked graphs and of the ways between two nodes."""

from __future__ import annotations

from functools import cache

from processor.index.paths import Paths
from processor.index.traverse import Direction, Graph
from processor.model.identity import Node
from processor.render.records import Record, edge, node


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


def graph_document(start: Node, graph: Graph, direction: Direction) -> Record:
    """What is up or down of a node, nearest first."""
    told = cache(node)  # each stands in several edges
    return {
        "start": node(start),
        "direction": direction.value,
        "nodes": [{**told(reached.node), "depth": reached.depth} for reached in graph.nodes],
        "edges": [edge(each, told) for each in graph.edges],
        "truncated": graph.truncated,
    }


def reached_record(graph: Graph, position: int) -> Record:
    """One node of it, and how far it is."""
    reached = graph.nodes[position]
    return {**node(reached.node), "depth": reached.depth}
