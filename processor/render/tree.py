"""Lineage as a tree for the terminal.

A node is unfolded once, where it stands nearest to the start; everywhere else it is only named.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from processor.index.graph import Graph
from processor.index.paths import Carried
from processor.index.traverse import Direction
from processor.model.history import KnownEdge
from processor.model.identity import Kind, Node
from processor.model.observation import EdgeType
from processor.model.text import visible
from processor.render.graph import node_order
from processor.render.tables import folding_table
from processor.render.text import plain, short

_STYLES = {Kind.DATASET: "bold", Kind.JOB: "cyan", Kind.COLUMN: "green", Kind.RUN: "magenta"}
_Step = tuple[Node, KnownEdge]


def lineage_tree(start: Node, graph: Graph, direction: Direction) -> Tree:
    """The tree of what was reached from `start`; a dataset whose columns were walked has them as its branches."""
    steps = _steps(graph.edges, direction)
    root = Tree(title(start))
    unfolded, waiting = {start}, deque([(start, root)])
    for reached in graph.nodes:
        if reached.depth == 0 and reached.node.kind is Kind.COLUMN and reached.node != start:
            waiting.append((reached.node, root.add(title(reached.node))))
            unfolded.add(reached.node)
    while waiting:
        node, branch = waiting.popleft()
        for neighbor, edge in steps.get(node, ()):
            if edge.type is EdgeType.SYMLINK and neighbor in unfolded:
                continue  # the way back to the name that it was reached by
            child = branch.add(_line(neighbor, edge, again=neighbor in unfolded))
            if neighbor not in unfolded:
                unfolded.add(neighbor)
                waiting.append((neighbor, child))
    return root


def carried_table(carried: Iterable[Carried]) -> Table:
    """Which columns the jobs on a way carry on."""
    table = folding_table("job", "column", "becomes")
    for each in carried:
        how = "" if each.direct else "  (indirect)"
        table.add_row(*(plain(short(node)) for node in (each.job, each.src)), plain(f"{short(each.dst)}{how}"))
    return table


def title(node: Node) -> Text:
    """A node on a line of its own: name, then its kind and namespace in the background."""
    name = node.name if node.field is None else f"{node.name}.{node.field}"
    line = Text(visible(name), style=_STYLES[node.kind])
    return line.append(f"  {node.kind.value} in {visible(node.namespace)}", style="dim not bold")


def _steps(edges: Iterable[KnownEdge], direction: Direction) -> dict[Node, list[_Step]]:
    steps: dict[Node, list[_Step]] = {}
    for edge in edges:
        near, far = (edge.src, edge.dst) if direction is Direction.DOWN else (edge.dst, edge.src)
        steps.setdefault(near, []).append((far, edge))
        if edge.type is EdgeType.SYMLINK:
            steps.setdefault(far, []).append((near, edge))
    for found in steps.values():
        found.sort(key=lambda step: node_order(step[0]))
    return steps


def _line(node: Node, edge: KnownEdge, *, again: bool) -> Text:
    line = title(node)
    if edge.type is EdgeType.SYMLINK:
        line.append("  (same dataset)", style="dim")
    if edge.direct is False:
        line.append("  (indirect)", style="dim")
    if again:
        line.append("  …", style="dim")
    return line
