"""A walked graph in the form that was asked for."""

from __future__ import annotations

from collections import Counter

from processor.cli.drawing import drawn
from processor.cli.guard import say
from processor.cli.options import GraphOutput
from processor.index.graph import Graph
from processor.index.paths import Paths
from processor.index.traverse import Direction
from processor.model.identity import Node
from processor.render import console
from processor.render.graph import dot, mermaid
from processor.render.tree import carried_table, lineage_tree
from processor.render.walked import graph_document, paths_document, reached_record


def print_graph(start: Node, graph: Graph, direction: Direction, output: GraphOutput) -> None:
    """Print the graph to standard output, what was left out to standard error."""
    if output is GraphOutput.TABLE:
        console.print_out(lineage_tree(start, graph, direction))
    elif output is GraphOutput.JSON:
        console.write_json(graph_document(start, graph, direction))
    else:
        _print_other(graph, output)
    _talk(start, graph, direction)


def _print_other(graph: Graph, output: GraphOutput) -> None:
    """Print a graph in a form that knows no start."""
    nodes = [reached.node for reached in graph.nodes]
    if output is GraphOutput.DOT:
        console.write_text(dot(nodes, graph.edges))
    elif output in (GraphOutput.SVG, GraphOutput.PNG):
        console.write_bytes(drawn(dot(nodes, graph.edges), output.value))
    elif output is GraphOutput.MERMAID:
        console.write_text(mermaid(nodes, graph.edges))
    else:
        console.write_ndjson([reached_record(graph, at) for at in range(len(graph.nodes))])


def print_paths(start: Node, goal: Node, ways: Paths, output: GraphOutput) -> None:
    """Print the ways between two nodes."""
    graph = ways.graph
    if output is GraphOutput.TABLE:
        console.print_out(lineage_tree(start, graph, Direction.DOWN))
        if ways.carried:
            console.print_out(carried_table(ways.carried))
    elif output is GraphOutput.JSON:
        console.write_json(paths_document(start, goal, ways))
    else:
        _print_other(graph, output)
    if graph.truncated:
        say("cut short: there may be more ways; a smaller --depth is looked at whole")


def _talk(start: Node, graph: Graph, direction: Direction) -> None:
    counts = Counter(reached.node.kind.value for reached in graph.nodes if reached.node != start and reached.depth)
    where = f"{direction.value}stream"
    if not counts:
        say(f"nothing is known {where} of {start}")
    if graph.truncated:
        deepest = max((reached.depth for reached in graph.nodes), default=0)
        more = f"more: --limit {10 * len(graph.nodes)}, or all of less: --depth {max(1, deepest - 1)}"
        say(f"cut short: only the nearest {len(graph.nodes)} are shown; {more}")
