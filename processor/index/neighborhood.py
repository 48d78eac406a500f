"""What a walk asks of nodes and of those that lie ahead of them, read in one go.

Rules kept here:
- the nearest first, and so many at most: what was not read is absent, and is read when a walk gets there;
- what was read is what the store has of it, whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from processor.index.layout import LINK_LETTERS
from processor.index.portion import Hash, Portion
from processor.model.identity import ID_BYTES
from processor.model.observation import EdgeType

__all__ = ["ALIASES", "BACK", "STANDING", "Ahead", "Neighborhood", "by_levels"]

BACK: Final = {"o": "i", "i": "o"}
"""The links of the other way."""
STANDING: Final = Portion("n", fields=(b"i", b"d", b"w"))
"""Of a node's record: who it is, and whether it is dropped."""
ALIASES: Final = {record: Portion(record, prefix=LINK_LETTERS[EdgeType.SYMLINK]) for record in BACK}
"""Of a node's links: those that are aliases."""

_FLOWS: Final = (LINK_LETTERS[EdgeType.READS], LINK_LETTERS[EdgeType.WRITES])


class Ahead(NamedTuple):
    """What is read. `way`: the record whose links are followed, `o` or `i`; `nodes`, `links`: how many, how far."""

    way: str
    nodes: int
    links: int


class Neighborhood(NamedTuple):
    """By node's id: its `STANDING`, its links that way, and its `ALIASES` of the other way."""

    standings: dict[bytes, Hash]
    links: dict[bytes, Hash]
    aliases: dict[bytes, Hash]


def by_levels(
    fetch: Callable[[Sequence[bytes], Sequence[Portion]], list[list[Hash]]], ids: Sequence[bytes], ahead: Ahead
) -> Neighborhood:
    """Read with a store's `fetch_records`, one round trip for each link that the farthest is away."""
    found, level = Neighborhood({}, {}, {}), list(dict.fromkeys(ids))
    portions = STANDING, Portion(ahead.way), ALIASES[BACK[ahead.way]]
    for _ in range(ahead.links + 1):
        level = level[: ahead.nodes - len(found.links)]
        if not level:
            break
        for into, read in zip(found, fetch(level, portions), strict=True):
            into.update(zip(level, read, strict=True))
        names = (name for i in level for name in found.links[i] if name.startswith(_FLOWS))
        level = [i for i in dict.fromkeys(name[1 : 1 + ID_BYTES] for name in names) if i not in found.links]
    return found
