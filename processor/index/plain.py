"""The walk where nothing but inputs and outputs says what flows, over what was read around its start in one go.

Most questions are so, and it takes a third of what the walk by levels does (`traverse`), whose answer it gives or none:
where another name, a drop or explicit lineage is met, or what was not read, or too much, that one decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from processor.index.graph import Edges, Graph, graph_of
from processor.index.layout import CALLED, LINK_LETTERS, unpack_identities
from processor.index.neighborhood import Neighborhood
from processor.index.records import is_own, sightings
from processor.index.steps import is_read_inferred, is_write_inferred
from processor.model.identity import Kind, Node
from processor.model.observation import EdgeType

__all__ = ["plain_graph"]

_READS, _WRITES, _SYMLINK, _DERIVES = (
    LINK_LETTERS[type_][0] for type_ in (EdgeType.READS, EdgeType.WRITES, EdgeType.SYMLINK, EdgeType.DERIVES)
)
_FLOWS: Final = {
    _READS: (EdgeType.READS, is_read_inferred),
    _WRITES: (EdgeType.WRITES, is_write_inferred),
}
"""By letter: what such a link is, and what tells whether inputs and outputs were enough to know it."""
_CALLED: Final = CALLED[0]
_DECIDING: Final = frozenset({_READS, _WRITES, _SYMLINK})


def plain_graph(around: Neighborhood, start: Node, way: str, *, depth: int, limit: int) -> Graph | None:
    """As `traverse.lineage`; None where that has to walk. `way`: the record whose links lead there, `o` or `i`."""
    if around.aliases or around.drops or depth < 1:
        return None
    is_job = start.kind is Kind.JOB
    letters = (_READS, _WRITES) if is_job is (way == "i") else (_WRITES, _READS)
    plain, level, farthest = _Plain(around.links, way, limit, {start.id: 0}), [start.id], 2 * depth - is_job
    for away in range(farthest + 1):
        level = plain.follow(level, letters[away % 2], (away + 2 + is_job) // 2 if away < farthest else None)
        if not level:
            break
    edges = plain.edges() if plain.is_known else None
    return None if edges is None else graph_of(plain.depths, plain.nodes(), edges)


class _Links(NamedTuple):
    """Links that were followed: from whom, to whom, and the sighting of each, as it is stored."""

    nearer: list[bytes]
    farther: list[bytes]
    values: list[bytes]


@dataclass(slots=True)
class _Plain:
    """What was found so far, level by level. `limit`: most nodes.

    `depths`: of the nodes that were met, in turn; `called`: who they are, as it is stored; `flows`: by their letter the
    links that were followed. `is_known`: whether all is known of them, and plain.
    """

    links: Mapping[bytes, Sequence[bytes]]
    way: str
    limit: int
    depths: dict[bytes, int]
    called: list[bytes] = field(default_factory=list)
    flows: dict[int, _Links] = field(default_factory=lambda: {each: _Links([], [], []) for each in _FLOWS})
    is_known: bool = True

    def follow(self, level: Sequence[bytes], letter: int, depth: int | None) -> list[bytes]:
        """Go along the links of these nodes that have this letter, unless it is too far; who is met first, so deep."""
        met, called, fresh = self.depths, self.called, list[bytes]()
        nearer, farther, values = self.flows[letter]
        known = len(called) + len(level)
        for i in level:
            there = self.links.get(i, ())
            for at in range(0, len(there), 2):
                name = there[at]
                kind = name[0]
                if kind == letter:
                    if depth is None:
                        continue
                    other = name[1:]
                    nearer.append(i)
                    farther.append(other)
                    values.append(there[at + 1])
                    if other not in met:
                        met[other] = depth
                        fresh.append(other)
                elif kind == _CALLED:
                    called.append(there[at + 1])
                elif (kind == _DERIVES and is_own(self.way, i, name)) or kind in _DECIDING:
                    self.is_known = False
        self.is_known = self.is_known and len(called) == known and len(met) <= self.limit
        return fresh if self.is_known else []

    def nodes(self) -> dict[bytes, Node]:
        """Who was met."""
        return dict(zip(self.depths, unpack_identities(self.called), strict=True))

    def edges(self) -> Edges | None:
        """What was followed; None where inputs and outputs were not enough to know it."""
        found: Edges = {}
        for letter, (nearer, farther, values) in self.flows.items():
            type_, is_inferred = _FLOWS[letter]
            seen = sightings(values)
            if not all(map(is_inferred, {evidence for evidence, _, _ in seen})):
                return None
            ends = (nearer, farther) if self.way == "o" else (farther, nearer)
            found[type_] = list(zip(*ends, seen, strict=True))
        return found
