"""Records of nodes, as they are stored: each in the portion that is asked for, and within a walk read once.

Rules kept here:
- what a walk asks for in one go is one round trip, whatever records it is;
- a portion of what was read whole is not read again;
- of each sort as much is remembered as `MOST_REMEMBERED`, and no more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from processor.index.neighborhood import ALIASES, BACK, STANDING, Ahead, Neighborhood
from processor.index.portion import Hash, Portion
from processor.index.store import Store

__all__ = ["MOST_REMEMBERED", "STARTED", "WHO", "Records", "aliases", "remember"]

MOST_REMEMBERED: Final = 50_000
_NARROW: Final = 64
"""Nodes of one level."""

WHO: Final = "who"
"""Of a node's record: who it is, and whether it is dropped."""

STARTED: Final = "started"
"""Of a run's segment (`records.open_segment`): whether its events say that the run started."""

_ALIASES: Final = {"o": "o.aliases", "i": "i.aliases"}
_PORTIONS: Final = {
    WHO: STANDING,
    STARTED: Portion("r", (b"i", b"b", b"q")),
    **{name: ALIASES[record] for record, name in _ALIASES.items()},
}
_NOWHERE: Final = Neighborhood({}, {}, {})
_K = TypeVar("_K")
_V = TypeVar("_V")


def aliases(record: str) -> str:
    """The portion of a node's out or in links that are aliases."""
    return _ALIASES[record]


class Records:
    """Reads records, or portions of them, by their names. `is_walk`: what was read is read no second time."""

    def __init__(self, store: Store, *, is_walk: bool = False) -> None:
        self._store = store
        self._is_walk = is_walk
        self._is_ahead_new = True
        self._known: dict[str, dict[bytes, Hash]] = defaultdict(dict)
        self._around: dict[str, Neighborhood] = {}

    def fetch(self, record: str, ids: Sequence[bytes]) -> list[Hash]:
        """A record of each of these nodes, in their order; an absent one is empty."""
        if not self._is_walk:
            return self._store.fetch_records(ids, [_portion(record)])[0]
        fresh, known = self._read(ids, [record]).get(record), self._known[record]
        return [fresh[i] if i in fresh else known[i] for i in ids] if fresh else list(map(known.__getitem__, ids))

    def load(self, ids: Sequence[bytes], records: Sequence[str]) -> None:
        """Read in one round trip what a walk asks for next; nothing where it is none."""
        if self._is_walk:
            self._read(ids, records)

    def load_around(self, ids: Sequence[bytes], ahead: Ahead) -> None:
        """Read in one round trip what a walk comes to next, where it is so narrow that levels are not worth it.

        It ends where half of what is read was known: who goes on would read the same again and again.
        """
        around = self._around.setdefault(ahead.way, Neighborhood({}, {}, {}))
        missing = [i for i in ids if i not in around.links] if self._is_walk and self._is_ahead_new else []
        if not 0 < len(missing) <= _NARROW or len(around.links) + ahead.nodes > MOST_REMEMBERED:
            return
        found = self._store.fetch_neighborhood(missing, ahead)
        fresh = len(found.links.keys() - around.links.keys())
        self._is_ahead_new = 2 * fresh > len(found.links)
        around.take_in(found)

    def around(self, way: str) -> Neighborhood:
        """What was read so: of the links of one way, `o` or `i`."""
        return self._around.get(way, _NOWHERE)

    def _read(self, ids: Sequence[bytes], records: Sequence[str]) -> dict[str, dict[bytes, Hash]]:
        """What is not known yet, by record and node. Records that lack the same nodes are read together."""
        together: dict[tuple[bytes, ...], list[str]] = {}
        for record in records:
            together.setdefault(tuple(self._missing(record, ids)), []).append(record)
        fresh: dict[str, dict[bytes, Hash]] = {}
        for missing, lacking in together.items():
            found = self._store.fetch_records(missing, [_portion(record) for record in lacking]) if missing else []
            for record, of in zip(lacking if missing else (), found, strict=True):
                fresh[record] = dict(zip(missing, of, strict=True))
        for record, hashes in fresh.items():
            remember(self._known[record], hashes)
        return fresh

    def _missing(self, record: str, ids: Sequence[bytes]) -> Iterable[bytes]:
        known, portion = self._known[record], _PORTIONS.get(record)
        if all(map(known.__contains__, ids)):
            return ()
        self._take_from_around(record, ids)
        whole = self._known[portion.record] if portion else {}
        if portion and whole:
            remember(known, {i: portion.of(whole[i]) for i in ids if i in whole and i not in known})
        wanted = dict.fromkeys(ids)
        return [i for i in wanted if i not in known] if known else wanted

    def _take_from_around(self, record: str, ids: Sequence[bytes]) -> None:
        """Make records of what was read around, of those that are asked for."""
        for way, around in self._around.items():
            made = {WHO: around.standing_of, way: around.links_of, aliases(BACK[way]): around.aliases_of}
            known = self._known[record]
            if record in made:
                remember(known, {i: made[record](i) for i in ids if i in around.links and i not in known})
            elif record == aliases(way):
                self._take_from_around(way, ids)


def _portion(record: str) -> Portion:
    return _PORTIONS.get(record) or Portion(record)


def remember(known: dict[_K, _V], fresh: dict[_K, _V]) -> None:
    """Keep what was read, of each sort as much as `MOST_REMEMBERED`."""
    if len(known) + len(fresh) <= MOST_REMEMBERED:
        known.update(fresh)
