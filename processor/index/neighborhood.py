"""What a walk asks of nodes and of those that lie ahead of them, read in one go.

Rules kept here:
- the nearest first, and so many at most: what was not read is absent, and is read when a walk gets there;
- what was read is what the store has of it, whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final, NamedTuple

from processor.index.layout import CALLED, HAS_ALIASES, LINK_LETTERS, MARKS, WAS_DROPPED
from processor.index.portion import Hash, Portion
from processor.model.identity import ID_BYTES
from processor.model.observation import EdgeType

__all__ = ["ALIASES", "BACK", "STANDING", "Ahead", "Neighborhood", "by_levels"]

BACK: Final = {"o": "i", "i": "o"}
"""The links of the other way."""
STANDING: Final = Portion("n", fields=(b"i", b"d", b"w"))
"""Of a node's record: who it is, and whether it is dropped."""
DROP: Final = Portion("n", fields=STANDING.fields[1:])
"""Of that: whether it is dropped."""
ALIASES: Final = {record: Portion(record, prefix=LINK_LETTERS[EdgeType.SYMLINK]) for record in BACK}
"""Of a node's links: those that are aliases."""

_IDENTITY: Final = STANDING.fields[0]
_FLOWS: Final = (LINK_LETTERS[EdgeType.READS], LINK_LETTERS[EdgeType.WRITES])


class Ahead(NamedTuple):
    """What is read. `way`: the record whose links are followed, `o` or `i`; `nodes`, `links`: how many, how far."""

    way: str
    nodes: int
    links: int


class Neighborhood(NamedTuple):
    """What was read, by node's id, the nearest first.

    `links`: fields and values in turn, with the `MARKS` beside them; nothing of who is not there. `aliases`: the
    `ALIASES` of the other way, of those that have any. `drops`: the `DROP` of those that were ever dropped.
    """

    links: dict[bytes, Sequence[bytes]]
    aliases: dict[bytes, Hash]
    drops: dict[bytes, Hash]

    def take_in(self, more: Neighborhood) -> None:
        """Add what was read besides."""
        self.links.update(more.links)
        self.aliases.update(more.aliases)
        self.drops.update(more.drops)

    def links_of(self, i: bytes) -> Hash:
        """Its links, as fields and values."""
        pairs = iter(self.links[i])
        return {name: value for name, value in zip(pairs, pairs, strict=True) if name not in MARKS}

    def standing_of(self, i: bytes) -> Hash:
        """Its `STANDING`; of what was never dropped only who it is."""
        links = self.links[i]
        return {_IDENTITY: links[links.index(CALLED) + 1], **self.drops.get(i, {})} if links else {}

    def aliases_of(self, i: bytes) -> Hash:
        """Its `ALIASES` of the other way."""
        return self.aliases.get(i, {})


_Fetch = Callable[[Sequence[bytes], Sequence[Portion]], list[list[Hash]]]
"""A store's `fetch_records`."""


def by_levels(fetch: _Fetch, ids: Sequence[bytes], ahead: Ahead) -> Neighborhood:
    """Read level by level, each one link further: a round trip, or two where some have aliases or were dropped."""
    found, level = Neighborhood({}, {}, {}), list(dict.fromkeys(ids))
    for _ in range(ahead.links + 1):
        level = level[: ahead.nodes - len(found.links)]
        if not level:
            break
        there = dict(zip(level, fetch(level, (Portion(ahead.way),))[0], strict=True))
        found.links.update((i, tuple(chain.from_iterable(links.items()))) for i, links in there.items())
        found.aliases.update(_of_marked(fetch, there, HAS_ALIASES, ALIASES[BACK[ahead.way]]))
        found.drops.update(_of_marked(fetch, there, WAS_DROPPED, DROP))
        names = (name for i in level for name in there[i] if name.startswith(_FLOWS))
        level = [i for i in dict.fromkeys(name[1 : 1 + ID_BYTES] for name in names) if i not in found.links]
    return found


def _of_marked(fetch: _Fetch, there: dict[bytes, Hash], mark: bytes, portion: Portion) -> dict[bytes, Hash]:
    marked = [i for i, links in there.items() if mark in links]
    return dict(zip(marked, fetch(marked, (portion,))[0], strict=True)) if marked else {}
