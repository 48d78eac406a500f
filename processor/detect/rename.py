"""Which dropped column may live on under a new name, and what speaks for it.

Rules kept here:
- a dropped and an added column of one stated type whose names are alike are suspected;
- so are, whatever their names, two whose types are not at odds when the lineage says so: whoever writes the dataset
  makes the new one from exactly what the former one was made from, and no other column from that; or columns
  downstream that came from the former one come from the new one now;
- the same place among the columns, and the same type, add to it, and are no reason alone;
- where a table lost and gained so many columns that their names cannot all be compared, a pair needs more than alike
  names: the same name in another case, the same place, or what the lineage says;
- each column takes part once, best pairs first; ties go by name, so the answer is a function of what is known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
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

_MOST_PAIRS = 2_500
"""Of dropped and added columns whose names are compared."""

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
    if not may_rename(changes):
        return []
    removed = {c.path: c for c in changes if c.change is ColumnChangeKind.REMOVED}
    added = {c.path: c for c in changes if c.change is ColumnChangeKind.ADDED}
    clues = _Clues(versions, lineages)
    pairs = ((o, n, _signs(removed[o], added[n], scheme, clues)) for o, n in _candidates(removed, added, clues))
    best = sorted((-signs.weight, old, new, signs) for old, new, signs in pairs if signs is not None)
    taken: set[str] = set()
    renames = []
    for _, old, new, signs in best:
        if not taken & {old, new}:
            taken |= {old, new}
            renames.append(Rename(old, new, tuple(_evidence(old, signs))))
    return renames


def _candidates(removed: Collection[str], added: Collection[str], clues: _Clues) -> Iterable[tuple[str, str]]:
    """All pairs; where those are too many, the ones for which more speaks than a likeness of names."""
    if len(removed) * len(added) <= _MOST_PAIRS:
        return product(removed, added)
    by_name: dict[str, list[str]] = {}
    for new in added:
        by_name.setdefault(new.casefold(), []).append(new)
    likely = ((old, {*by_name.get(old.casefold(), ()), *clues.near(old)}) for old in removed)
    return ((old, new) for old, some in likely for new in sorted(some.intersection(added)))


def _signs(old: ColumnChange, new: ColumnChange, scheme: str, clues: _Clues) -> _Signs | None:
    before, after = old.from_type, new.to_type
    is_stated = before is not None and after is not None
    change = retyping(before or "", after or "", scheme) if is_stated else None
    if change in _AT_ODDS:
        return None
    same_type = after if is_stated and change is None else None
    sources, moved = clues.one_origin(old.path, new.path), clues.moved(old.path, new.path)
    is_told = bool(sources or moved)
    likeness = _likeness(old.path, new.path, 0 if is_told else _SIMILAR) if is_told or same_type is not None else 0
    signs = _Signs(likeness, clues.is_same_place(old.path, new.path), same_type, sources, moved)
    return signs if signs.is_enough else None


def _likeness(old: str, new: str, least: float) -> float:
    """How alike two names are, from 0 to 1; 0 where that is less than `least`: most pairs need no exact answer."""
    matcher = SequenceMatcher(None, old.casefold(), new.casefold())
    if matcher.real_quick_ratio() < least or matcher.quick_ratio() < least:
        return 0.0
    return matcher.ratio()


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


# What places and column lineage say


class _Clues:
    """Looked up once for all pairs."""

    def __init__(self, versions: tuple[Columns, Columns], lineages: Lineages) -> None:
        self._before, self._after = ({c.path: n for n, c in enumerate(columns)} for columns in versions)
        self._at = {place: path for path, place in self._after.items()}
        self._now = _field_sources(known.mapping for known in lineages.stated if known.is_current)
        self._makes: dict[frozenset[Node], list[str]] = {}
        for name, sources in self._now.items():
            self._makes.setdefault(sources, []).append(name)
        self._once: dict[str, frozenset[Node]] = {}
        for known in sorted((each for each in lineages.stated if not each.is_current), key=_statement):
            self._once |= {name: sources for name, sources in _field_sources([known.mapping]).items() if sources}
        self._came, self._comes = _readers(lineages)

    def is_same_place(self, old: str, new: str) -> bool:
        return self._before.get(old, -1) == self._after.get(new, -1)

    def one_origin(self, old: str, new: str) -> tuple[Node, ...]:
        """What both were made from; empty when it differs, or when other columns are made from the same."""
        sources = self._once.get(old)
        return tuple(sorted(sources, key=str)) if sources and self._makes.get(sources) == [new] else ()

    def moved(self, old: str, new: str) -> tuple[Node, ...]:
        """Columns downstream whose mapping named the former one last, and names the new one now."""
        return tuple(sorted(self._came.get(old, set()) & self._comes.get(new, set()), key=str))

    def near(self, old: str) -> Iterator[str]:
        """Columns at its place, made from what it was made from, or read by who read it."""
        yield self._at.get(self._before.get(old, -1), old)
        yield from self._makes.get(self._once.get(old, frozenset()), ())
        came = self._came.get(old, set())
        yield from (new for new, comes in self._comes.items() if not came.isdisjoint(comes))


def _readers(lineages: Lineages) -> tuple[dict[str, set[Node]], dict[str, set[Node]]]:
    """By column of the dataset: the columns downstream that came from it last, and those that come from it now."""
    by_output: dict[tuple[Node, Node], list[KnownMapping]] = {}
    for known in lineages.read:
        by_output.setdefault((known.owner, known.output), []).append(known)
    came, comes = dict[str, set[Node]](), dict[str, set[Node]]()
    for (_, output), stated in by_output.items():
        former = max((known for known in stated if not known.is_current), key=_statement, default=None)
        if former is not None:
            now = _field_sources(known.mapping for known in stated if known.is_current)
            _take_in(came, output, _field_sources([former.mapping]), lineages.dataset)
            _take_in(comes, output, now, lineages.dataset)
    return came, comes


def _take_in(found: dict[str, set[Node]], output: Node, made: dict[str, frozenset[Node]], dataset: Node | None) -> None:
    for name, sources in made.items():
        for source in sources:
            if source.field is not None and source.dataset == dataset:
                found.setdefault(source.field, set()).add(output.column(name))


def _field_sources(mappings: Iterable[Mapping]) -> dict[str, frozenset[Node]]:
    found: dict[str, frozenset[Node]] = {}
    for mapping in mappings:
        for output in mapping.fields:
            nodes = frozenset(source.node for source in output.sources)
            found[output.field] = found.get(output.field, frozenset()) | nodes
    return found


def _statement(known: KnownMapping) -> tuple[int, int, str]:
    return known.last_seen_us, known.first_seen_us, repr(known.mapping)
