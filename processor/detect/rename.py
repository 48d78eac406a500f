"""Which dropped column may live on under a new name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import NamedTuple

from processor.model.tables import ColumnChange, ColumnChangeKind, Columns, same_type

_SIMILAR = 0.6
"""Above this the names themselves suggest it: `amount` and `amount_usd` reach 0.75."""


class Rename(NamedTuple):
    """A column that was dropped, and the added one that it may have become."""

    old: str
    new: str


def suspected_renames(before: Columns, after: Columns, changes: Iterable[ColumnChange]) -> list[Rename]:
    """Pairs of a dropped and an added column of one stated type, similar in name; best pairs first.

    Each column takes part once. Ties go by name, so the answer is a function of the schemas.
    """
    changed = list(changes)
    removed = [c for c in changed if c.change is ColumnChangeKind.REMOVED]
    added = [c for c in changed if c.change is ColumnChangeKind.ADDED]
    places = _places(before), _places(after)
    pairs = [(-_likeness(o, n, places), o.path, n.path) for o in removed for n in added if _one_type(o, n)]
    taken: set[str] = set()
    renames = []
    for distance, old, new in sorted(pairs):
        if -distance >= _SIMILAR and not taken & {old, new}:
            taken |= {old, new}
            renames.append(Rename(old, new))
    return renames


def _one_type(old: ColumnChange, new: ColumnChange) -> bool:
    return old.from_type is not None and new.to_type is not None and same_type(old.from_type, new.to_type)


def _places(columns: Columns) -> dict[str, int]:
    return {column.path: place for place, column in enumerate(columns)}


def _likeness(old: ColumnChange, new: ColumnChange, places: tuple[dict[str, int], dict[str, int]]) -> float:
    """Similarity of the names, 0 to 1; the same place among the columns adds a little."""
    names = SequenceMatcher(None, old.path.casefold(), new.path.casefold()).ratio()
    return names + (0.1 if places[0].get(old.path) == places[1].get(new.path) else 0.0)
