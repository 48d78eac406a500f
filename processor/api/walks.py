"""A walk over the graph in parts: each part is told with how to go on.

Rules kept here:
- a walk of a smaller limit finds part of what one of a larger limit finds: so the next part is the difference of two,
  and nothing is kept between questions;
- a cursor is of one question; it says how many nodes were told, and to whom.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from processor.api.pages import SortKey, mark_of, no_cursor, other_cursor, read_cursor, written_cursor
from processor.index.graph import Graph

__all__ = ["MOST_NODES", "Part", "next_part"]

MOST_NODES: Final = 100_000
"""Of one walk, in all its parts."""

_Walk = Callable[[int], Graph]
"""A walk of at most so many nodes."""


class Part(NamedTuple):
    """What was not told before. `next`: the cursor of the part that follows, if one does."""

    graph: Graph
    next: str | None
    complete_to_depth: int | None


def next_part(walk: _Walk, limit: int, cursor: str | None, question: object) -> Part:
    """The part of a walk that follows the cursor. Raises `ProblemError` for one that is none, or of another walk."""
    mark = mark_of(question)
    told = 0 if cursor is None else _told(read_cursor(cursor), mark)
    whole = walk(told + limit)
    goes_on = whole.truncated and told + limit < MOST_NODES
    deepest = max((reached.depth for reached in whole.nodes), default=0)
    return Part(
        _without(whole, walk(told)) if told else whole,
        written_cursor((mark, told + limit)) if goes_on else None,
        max(0, deepest - 1) if whole.truncated else None,
    )


def _told(key: SortKey, mark: str) -> int:
    match key:
        case (str(of), int(told)) if 0 < told < MOST_NODES:
            if of == mark:
                return told
            raise other_cursor()
    raise no_cursor()


def _without(graph: Graph, told: Graph) -> Graph:
    nodes, edges = {reached.node for reached in told.nodes}, {(e.type, e.src, e.dst, e.job) for e in told.edges}
    return Graph(
        tuple(reached for reached in graph.nodes if reached.node not in nodes),
        tuple(e for e in graph.edges if (e.type, e.src, e.dst, e.job) not in edges),
        graph.truncated,
    )
