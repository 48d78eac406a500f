"""Which dropped column may live on under a new name, and what speaks for it.

Rules kept here:
- a dropped and an added column of one stated type whose names are alike are suspected;
- so are, whatever their names, two whose types are not at odds when the lineage says so: whoever writes the dataset
  makes the new one from exactly what the former one was made from, and no other column from that; or columns
  downstream that came from the former one come from the new one now;
- the same place among the columns, and the same type, add to it, and are no reason alone;
- each column takes part once, best pairs first; ties go by name, so the answer is a function of what is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import product
from typing import NamedTuple

from processor.detect.types.parse import retyping
from processor.detect.words import counted, listed, node_words, shown
from processor.model.alert import Retyping
from processor.model.history import KnownMapping
from processor.model.identity import Node
from processor.model.mapping import Mapping
from processor.model.tables import ColumnChange, ColumnChangeKind, Columns

_SIMILAR = 0.6
"""Above this the names themselves suggest it: `amount` and `amount_usd` reach 0.75."""

_AT_ODDS = frozenset({Retyping.INCOMPATIBLE, Retyping.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Lineages:
    """Mappings around a dataset, former ones too: those that its writer stated for it, and those that read it."""

    dataset: Node | None = None
    stated: tuple[KnownMapping, ...] = ()
    read: tuple[KnownMapping, ...] = ()


class Rename(NamedTuple):
    """A column that was dropped, and the added one that it may have become."""

    old: str
    new: str
    evidence: tuple[str, ...] = ()


class _Signs(NamedTuple):
    """What speaks for a pair."""

    likeness: float
    is_same_place: bool
    same_type: str | None
    sources: tuple[Node, ...]
    moved: tuple[Node, ...]

    @property
    def weight(self) -> float:
        return self.likeness + 0.1 * self.is_same_place + bool(self.sources) + bool(self.moved)

    @property
    def is_enough(self) -> bool:
        return bool(self.sources or self.moved) or (self.likeness >= _SIMILAR and self.same_type is not None)


def may_rename(changes: Iterable[ColumnChange]) -> bool:
    """Whether there is a dropped and an added column at all."""
    return {ColumnChangeKind.REMOVED, ColumnChangeKind.ADDED} <= {change.change for change in changes}


def suspected_renames(
    versions: tuple[Columns, Columns], changes: Sequence[ColumnChange], scheme: str, lineages: Lineages
) -> list[Rename]:
    """Pairs of a dropped and an added column that may be one, with the evidence in words."""
    removed = [c for c in changes if c.change is ColumnChangeKind.REMOVED]
    added = [c for c in changes if c.change is ColumnChangeKind.ADDED]
    pairs = [(o, n, _signs(o, n, versions, scheme, lineages)) for o, n in product(removed, added)]
    best = sorted((-signs.weight, o.path, n.path, signs) for o, n, signs in pairs if signs is not None)
    taken: set[str] = set()
    renames = []
    for _, old, new, signs in best:
        if not taken & {old, new}:
            taken |= {old, new}
            renames.append(Rename(old, new, tuple(_evidence(old, signs))))
    return renames


def _signs(
    old: ColumnChange, new: ColumnChange, versions: tuple[Columns, Columns], scheme: str, lineages: Lineages
) -> _Signs | None:
    before, after = old.from_type, new.to_type
    is_stated = before is not None and after is not None
    change = retyping(before or "", after or "", scheme) if is_stated else None
    if change in _AT_ODDS:
        return None
    places = [
        next((n for n, c in enumerate(v) if c.path == p), -1) for v, p in zip(versions, (old[0], new[0]), strict=True)
    ]
    signs = _Signs(
        likeness=SequenceMatcher(None, old.path.casefold(), new.path.casefold()).ratio(),
        is_same_place=places[0] == places[1],
        same_type=after if is_stated and change is None else None,
        sources=tuple(_one_origin(old.path, new.path, lineages.stated)),
        moved=tuple(sorted(_moved(old.path, new.path, lineages), key=str)),
    )
    return signs if signs.is_enough else None


def _evidence(old: str, signs: _Signs) -> Iterator[str]:
    if signs.sources:
        yield f"it is made from what {shown(old)} was made from ({listed([node_words(s) for s in signs.sources])})"
    if signs.moved:
        count = counted(len(signs.moved), "downstream column")
        names = listed([node_words(node) for node in signs.moved])
        comes = "comes" if len(signs.moved) == 1 else "come"
        yield f"{count} that came from {shown(old)} now {comes} from it ({names})"
    if signs.likeness >= _SIMILAR:
        yield f"the names are alike ({signs.likeness:.0%})"
    if signs.same_type is not None:
        yield f"the type is the same ({shown(signs.same_type)})"
    if signs.is_same_place:
        yield "it stands in the same place"


# Column lineage


def _one_origin(old: str, new: str, stated: Sequence[KnownMapping]) -> list[Node]:
    """What both were made from; empty when it differs, or when other columns are made from the same."""
    now = _field_sources(known.mapping for known in stated if known.is_current)
    former = [known for known in stated if not known.is_current and _sources(known.mapping, old)]
    sources = now.get(new, frozenset())
    if not former or not sources or any(s == sources for name, s in now.items() if name != new):
        return []
    newest = max(former, key=_statement)
    return sorted(sources, key=str) if _sources(newest.mapping, old) == sources else []


def _moved(old: str, new: str, lineages: Lineages) -> Iterator[Node]:
    """Columns downstream whose mapping named the former one last, and names the new one now."""
    if lineages.dataset is None:
        return
    was, is_now = lineages.dataset.column(old), lineages.dataset.column(new)
    by_output: dict[tuple[Node, Node], list[KnownMapping]] = {}
    for known in lineages.read:
        by_output.setdefault((known.owner, known.output), []).append(known)
    for (_, output), stated in by_output.items():
        former = max((known for known in stated if not known.is_current), key=_statement, default=None)
        now = _field_sources(known.mapping for known in stated if known.is_current)
        if former is not None:
            then = _field_sources([former.mapping])
            yield from (output.column(n) for n, s in now.items() if is_now in s and was in then.get(n, frozenset()))


def _field_sources(mappings: Iterable[Mapping]) -> dict[str, frozenset[Node]]:
    found: dict[str, frozenset[Node]] = {}
    for mapping in mappings:
        for output in mapping.fields:
            nodes = frozenset(source.node for source in output.sources)
            found[output.field] = found.get(output.field, frozenset()) | nodes
    return found


def _sources(mapping: Mapping, field: str) -> frozenset[Node]:
    return _field_sources([mapping]).get(field, frozenset())


def _statement(known: KnownMapping) -> tuple[int, int, str]:
    return known.last_seen_us, known.first_seen_us, repr(known.mapping)
