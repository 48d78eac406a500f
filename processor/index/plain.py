"""The walk where nothing but inputs and outputs says what flows, over what was read around its start in one go.

Most questions are so, and it takes a third of what the walk by levels does (`traverse`), whose answer it gives or none:
where another name, a drop or explicit lineage is met, or what was not read, or too much, that one decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from processor.index.graph import Found, Graph, graph_of
from processor.index.layout import CALLED, LINK_LETTERS, unpack_identity
from processor.index.neighborhood import Neighborhood
from processor.index.records import is_own, sighting
from processor.index.steps import is_read_inferred, is_write_inferred
from processor.model.identity import ID_BYTES, Kind, Node
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
_DECIDING: Final = frozenset({_READS, _WRITES, _SYMLINK})
_END: Final = 1 + ID_BYTES


def plain_graph(around: Neighborhood, start: Node, way: str, *, depth: int, limit: int) -> Graph | None:
    """As `traverse.lineage`; None where that has to walk. `way`: the record whose links lead there, `o` or `i`."""
    if around.aliases or around.drops or depth < 1:
        return None
    is_job = start.kind is Kind.JOB
    plain = _Plain(around.links, way, limit, 2 * depth - is_job, [start.id], {start.id: 0})
    letters = (_READS, _WRITES) if is_job is (way == "i") else (_WRITES, _READS)
    if not all(plain.follow(i, letters[plain.links_away[i] % 2]) for i in plain.queue):
        return None
    depths = {i: away // 2 + 1 if is_job and away else (away + 1) // 2 for i, away in plain.links_away.items()}
    return graph_of(depths, plain.nodes, plain.edges)


@dataclass(slots=True)
class _Plain:
    """What was found so far. `queue`: the nodes that were met, in turn; `links_away`: how far each is.

    `limit`: most nodes; `farthest`: how far away the last ones are, whose links are not followed.
    """

    links: Mapping[bytes, Sequence[bytes]]
    way: str
    limit: int
    farthest: int
    queue: list[bytes]
    links_away: dict[bytes, int]
    nodes: dict[bytes, Node] = field(default_factory=dict)
    edges: list[Found] = field(default_factory=list)

    def follow(self, i: bytes, letter: int) -> bool:
        """Go along the links of a node that have this letter. Whether all is known of it, and plain."""
        type_, is_inferred = _FLOWS[letter]
        farther, met = self.links_away[i] + 1, self.links_away
        pairs = iter(self.links.get(i, ()))
        for name, value in zip(pairs, pairs, strict=True):
            kind = name[0]
            if kind == letter:
                if farther > self.farthest:
                    continue
                seen, other = sighting(value), name[1:_END]
                if not is_inferred(seen[0]):
                    return False
                if other not in met:
                    met[other] = farther
                    self.queue.append(other)
                ends = (i, other) if self.way == "o" else (other, i)
                self.edges.append((type_, *ends, *seen))
            elif name == CALLED:
                self.nodes[i] = unpack_identity(value)
            elif kind in _DECIDING or (kind == _DERIVES and is_own(self.way, i, name)):
                return False
        return i in self.nodes and len(met) <= self.limit
