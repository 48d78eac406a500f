"""What became of the columns between two versions, for people and for the judgement of how grave it is.

Rules kept here:
- what stands below a removed or added column is part of it; a struct that is another type now tells of its members;
- but where members that are columns of their own changed within a struct that stays one, they tell, and not it;
- breaking: removed, or retyped to what is narrower or incompatible.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from processor.detect.rename import Lineages, suspected_renames
from processor.detect.types.lattice import NESTED
from processor.detect.types.parse import normal_form, retyping
from processor.model.alert import ColumnDrift, Retyping
from processor.model.tables import ColumnChange, ColumnChangeKind, Columns

_BREAKING = frozenset({Retyping.NARROWED, Retyping.INCOMPATIBLE})


def column_drifts(
    versions: tuple[Columns, Columns], changes: Sequence[ColumnChange], scheme: str, lineages: Lineages
) -> tuple[ColumnDrift, ...]:
    """The changes with their nature: how retyped, how possibly renamed; what belongs together told once."""
    told = _folded(changes, scheme)
    renames = {each.old: each for each in suspected_renames(versions, told, scheme, lineages)}
    return tuple(_drift(c, scheme, *(renames[c.path][1:] if c.path in renames else (None, ()))) for c in told)


def breaks(drift: ColumnDrift) -> bool:
    """Whether the change breaks who reads the column."""
    return drift.change is ColumnChangeKind.REMOVED or drift.retyping in _BREAKING


def touched(drifts: Iterable[ColumnDrift], changes: Iterable[ColumnChange], before: Columns) -> frozenset[str]:
    """Columns whose readers these drifts meet: themselves, what was below them, and what they are part of."""
    paths, known = {drift.path for drift in drifts}, {column.path for column in before}
    below = {c.path for c in changes if c.change is not ColumnChangeKind.ADDED and paths.intersection(_above(c.path))}
    above = {parent for path in paths for parent in _above(path) if parent in known}
    return frozenset(paths | below | above)


def _drift(change: ColumnChange, scheme: str, renamed_to: str | None, evidence: tuple[str, ...]) -> ColumnDrift:
    is_retyped = change.change is ColumnChangeKind.RETYPED
    how = retyping(change.from_type or "", change.to_type or "", scheme) if is_retyped else None
    return ColumnDrift(change.path, change.change, change.from_type, change.to_type, how, renamed_to, evidence)


def _folded(changes: Sequence[ColumnChange], scheme: str) -> list[ColumnChange]:
    parents = {parent for change in changes for parent in _above(change.path)}
    kept = [c for c in changes if c.path not in parents or not _stays_nested(c, scheme)]
    told = {c.path: c.change for c in kept}
    return [c for c in kept if not any(_tells(told.get(parent), c.change) for parent in _above(c.path))]


def _stays_nested(change: ColumnChange, scheme: str) -> bool:
    if change.change is not ColumnChangeKind.RETYPED:
        return False
    families = {normal_form(each or "", scheme).family for each in (change.from_type, change.to_type)}
    return len(families) == 1 and families <= NESTED


def _tells(parent: ColumnChangeKind | None, change: ColumnChangeKind) -> bool:
    """Whether what became of the parent tells what became of the member."""
    return parent is not None and parent in {change, ColumnChangeKind.RETYPED}


def _above(path: str) -> Iterator[str]:
    while "." in path:
        path = path.rpartition(".")[0]
        yield path
