"""Finding datasets and jobs by a part of their name, by who owns them, by a tag.

Rules kept here:
- texts compare without regard to case; whole names first, then names whose last word it is, then names that begin so,
  then the others, each by kind, namespace and name;
- an owner is `team:ml`, or its last part, `ml`; a tag is `pii`, or `pii=high`, of the node or of any of its columns;
- a `Catalog` answers from memory and is never changed; `pick` answers from a stream and keeps no more than it tells.
"""

from __future__ import annotations

import difflib
import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, islice
from typing import Final, NamedTuple, TypeVar

from processor.index.impact import owners_of
from processor.index.layout import last_word
from processor.index.resolve import MOST_NEAR
from processor.index.tags import Tag, tags_of
from processor.index.view import View
from processor.model.history import NodeRecord
from processor.model.identity import Kind, Node, canonical_namespace

__all__ = ["Catalog", "Entry", "Found", "Query", "breathing", "catalog_of", "entries", "entry_of", "pick"]

KINDS: Final = (Kind.DATASET, Kind.JOB)
_COMPARED: Final = 500
_BESIDE: Final = 200
_LIKE: Final = 0.6
_LONGEST: Final = 200
"""So much of a name is compared: what that costs grows with the square of it."""
_AT_ONCE: Final = 10_000
_DENSE: Final = 16
"""Of so many one has to hold a text, or else it is quicker to look at none by itself."""
_FEW: Final = 50
"""By so many that hold it, it is judged whether they are many where they stand."""
_BETWEEN: Final = "\0"
_Places = dict[str, list[int]]
Breathe = Callable[[], None]
_T = TypeVar("_T")
_EXACT, _WORD, _START, _WITHIN = range(4)


def _go_on() -> None:
    """What needs no breath."""


class Entry(NamedTuple):
    """A dataset or a job, its texts as they are compared. `word`: the name's last part; `labels`: tags as spelled."""

    node: Node
    name: str
    word: str
    owners: frozenset[str]
    tags: frozenset[str]
    first_seen_us: int
    labels: frozenset[str]

    @property
    def text(self) -> str:
        """Namespace and name."""
        return f"{self.node.namespace.casefold()}\n{self.name}"


class Query(NamedTuple):
    """What is looked for; what is None or empty does not matter. `prefix`: the name, or its last part, begins so."""

    text: str = ""
    kind: Kind | None = None
    namespace: str | None = None
    owner: str | None = None
    tag: str | None = None
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """The part of what was found that was asked for; `total` counts all."""

    nodes: tuple[Node, ...]
    total: int


def entry_of(record: NodeRecord) -> Entry:
    """What search knows of a node."""
    node, name, tags = record.node, record.node.name.casefold(), tags_of(record.facets)
    return Entry(
        node,
        name,
        last_word(node.name),
        frozenset(_spelled(owners_of(record.facets))),
        frozenset(_compared(tags)),
        record.first_seen_us,
        frozenset(tag.key for tag in tags),
    )


def entries(view: View) -> Iterator[Entry]:
    """Of every dataset and job, streamed in pages, in no order."""
    return (entry_of(record) for kind in KINDS for record in view.all_nodes(kind))


def _spelled(owners: Iterable[str]) -> Iterator[str]:
    for owner in owners:
        yield owner.casefold()
        yield owner.rpartition(":")[2].casefold()


def _compared(tags: Iterable[Tag]) -> Iterator[str]:
    for tag in tags:
        yield tag.key.casefold()
        yield f"{tag.key}={tag.value or ''}".casefold()


def _fitting(query: Query) -> Callable[[Entry], bool]:
    """Whether an entry is what is looked for, whatever its name."""
    namespace = None if query.namespace is None else canonical_namespace(query.namespace)
    owner, tag = (None if each is None else each.casefold() for each in (query.owner, query.tag))

    def fits(entry: Entry) -> bool:
        return (
            (query.kind is None or entry.node.kind is query.kind)
            and (namespace is None or entry.node.namespace == namespace)
            and (owner is None or owner in entry.owners)
            and (tag is None or tag in entry.tags)
        )

    return fits


def _rank(entry: Entry, wanted: str) -> int:
    if entry.name == wanted:
        return _EXACT
    if entry.word == wanted:
        return _WORD
    return _START if entry.name.startswith(wanted) else _WITHIN


def _has(entry: Entry, wanted: str, *, prefix: bool) -> bool:
    if prefix:
        return entry.name.startswith(wanted) or entry.word.startswith(wanted)
    return wanted in entry.text


def pick(there: Iterable[Entry], query: Query, limit: int) -> Found:
    """The same as a catalog of these would answer, without keeping them."""
    total, wanted, fits = 0, query.text.casefold(), _fitting(query)

    def ranked() -> Iterator[tuple[int, tuple[str, str, str], Node]]:
        nonlocal total
        for entry in there:
            if fits(entry) and _has(entry, wanted, prefix=query.prefix):
                total += 1
                yield _rank(entry, wanted), entry.node[:3], entry.node

    best = heapq.nsmallest(limit, ranked())
    return Found(tuple(node for *_, node in best), total)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every dataset and job, sorted by kind, namespace and name.

    `texts`: those of the entries; `text`: all of them as one, in which each begins at its place of `begins`, which the
    end closes (empty where they cannot be parted). `names`: places of entries by their name, `words`: by its last part;
    `spelled`: either, sorted.
    """

    entries: tuple[Entry, ...] = ()
    nodes: tuple[Node, ...] = ()
    texts: tuple[str, ...] = ()
    text: str = ""
    begins: Sequence[int] = (0,)
    names: _Places = field(default_factory=dict)
    words: _Places = field(default_factory=dict)
    spelled: tuple[Sequence[str], Sequence[str]] = ((), ())
    by_id: dict[bytes, Entry] = field(default_factory=dict)

    def of(self, kind: Kind, namespace: str | None = None) -> Sequence[Node]:
        """Those of a kind, and of a namespace."""
        return self.nodes[self._range(kind, namespace)]

    def namespaces(self, kind: Kind | None = None, breathe: Breathe = _go_on) -> dict[str, int]:
        """Every namespace (of a kind) by name, and when it was first seen, in microseconds since 1970."""
        since: dict[str, int] = {}
        for entry in breathing(self.entries, breathe):
            if kind in (None, entry.node.kind):
                namespace, seen_us = entry.node.namespace, entry.first_seen_us
                since[namespace] = min(since.get(namespace, seen_us), seen_us)
        return dict(sorted(since.items()))

    def tags(self, breathe: Breathe = _go_on) -> list[str]:
        """Every tag that stands on something, sorted."""
        return sorted({label for entry in breathing(self.entries, breathe) for label in entry.labels})

    def search(self, query: Query, limit: int, offset: int = 0, breathe: Breathe = _go_on) -> Found:
        """What is looked for, whole names first. `breathe` is called now and then; what it raises ends this."""
        hits = self._hits(query, breathe)
        part = islice(self._in_order(hits, query, breathe), offset, offset + limit)
        return Found(tuple(self.nodes[i] for i in part), len(hits))

    def _hits(self, query: Query, breathe: Breathe) -> list[int]:
        """Places of all that fit, in their order."""
        ranges, wanted = self._ranges(query), query.text.casefold()
        if not wanted:
            found = [i for places in ranges for i in places]
        elif query.prefix:
            found = self._beginning(wanted, ranges, breathe)
        else:
            found = list(chain.from_iterable(self._holding(wanted, places, breathe) for places in ranges))
        if query.owner is not None or query.tag is not None:
            fits = _fitting(query)
            found = [i for i in breathing(found, breathe) if fits(self.entries[i])]
        return found

    def _ranges(self, query: Query) -> list[range]:
        """Where those of the wanted kind and namespace stand."""
        every = range(len(self.nodes))
        if query.kind is None and query.namespace is None:
            return [every]
        kinds = KINDS if query.kind is None else (query.kind,)
        return [every[self._range(kind, query.namespace)] for kind in kinds]

    def _holding(self, wanted: str, places: range, breathe: Breathe) -> list[int]:
        """Those that hold a text: sought in all texts as one, and where very many do, in one after the other."""
        found, start = list[int](), places.start
        while start < places.stop:
            breathe()
            start = self._few(wanted, range(start, places.stop), found)
            end = min(start + _AT_ONCE, places.stop)
            found += [i for i, text in enumerate(self.texts[start:end], start) if wanted in text]
            start = end
        return found

    def _few(self, wanted: str, places: range, found: list[int]) -> int:
        """Add those that hold it, as long as they are few; the place behind these."""
        if not self.text or _BETWEEN in wanted:
            return places.start
        least = len(found) + _FEW
        for i in self._sought(wanted, self.begins[places.start], self.begins[places.stop]):
            found.append(i)
            if len(found) >= least and i - found[-_FEW] < _FEW * _DENSE:
                return i + 1
        return places.stop

    def _sought(self, wanted: str, begin: int, end: int) -> Iterator[int]:
        """Places of those whose text holds it, in a part of all texts as one."""
        while (at := self.text.find(wanted, begin, end)) >= 0:
            place = bisect_right(self.begins, at) - 1
            yield place
            begin = self.begins[place + 1]

    def _beginning(self, wanted: str, ranges: Iterable[range], breathe: Breathe) -> list[int]:
        """Those whose name, or its last part, begins so."""
        names, words = (_begun(spelled, wanted) for spelled in self.spelled)
        found = {i for name in breathing(names, breathe) for i in self.names[name]}
        found |= {i for word in breathing(words, breathe) for i in self.words[word]}
        return sorted(i for i in breathing(found, breathe) if any(i in places for places in ranges))

    def _range(self, kind: Kind, namespace: str | None) -> slice:
        """Where those of a kind, and of a namespace, stand."""
        if namespace is None:
            return slice(bisect_left(self.nodes, (kind,)), bisect_left(self.nodes, (f"{kind}\0",)))
        name = canonical_namespace(namespace)
        return slice(bisect_left(self.nodes, (kind, name)), bisect_left(self.nodes, (kind, f"{name}\0")))

    def _in_order(self, hits: Sequence[int], query: Query, breathe: Breathe) -> Iterator[int]:
        """Lazily, for hardly anybody asks for the last of many."""
        wanted = query.text.casefold()
        if not wanted:
            yield from hits
            return
        told = set[int]()
        for i in chain(self._called(wanted, _fitting(query)), self._starting(hits, wanted, breathe), hits):
            if i not in told:
                told.add(i)
                yield i

    def _called(self, wanted: str, fits: Callable[[Entry], bool]) -> Iterator[int]:
        """Those with this whole name, then those whose last part it is."""
        for places in (self.names.get(wanted, ()), self.words.get(wanted, ())):
            yield from (i for i in places if fits(self.entries[i]))

    def _starting(self, hits: Sequence[int], wanted: str, breathe: Breathe) -> Iterable[int]:
        """Those among the hits whose name begins so: by their names where these are few, else as they come."""
        names, entries = _begun(self.spelled[0], wanted), self.entries
        if len(names) * _DENSE > len(hits):
            return (i for i in breathing(hits, breathe) if entries[i].name.startswith(wanted))
        named = sorted(i for name in names for i in self.names[name])
        return (i for i in named if hits[min(bisect_left(hits, i), len(hits) - 1)] == i)

    def near(self, text: str, kind: Kind | None = None, breathe: Breathe = _go_on) -> tuple[Node, ...]:
        """Those whose names look like the text, of one kind or of any, likeliest first. `breathe`: as in `search`."""
        wanted = text.rpartition(":")[2].casefold()
        by_name: dict[str, Node] = {}
        [places] = self._ranges(Query(kind=kind))
        for entry in self._alike(wanted, places, breathe):
            by_name.setdefault(entry.name, entry.node)
            by_name.setdefault(entry.word, entry.node)
        matches = _closest(wanted, by_name, 2 * MOST_NEAR, breathe)
        return tuple(dict.fromkeys(by_name[match] for match in matches))[:MOST_NEAR]

    def _alike(self, wanted: str, places: range, breathe: Breathe) -> Iterable[Entry]:
        """Of many names only those are compared in full that share most of the beginning, or the end."""
        near = places if len(places) <= _COMPARED else self._sharing(wanted, places, breathe)
        return (self.entries[i] for i in near)

    def _sharing(self, wanted: str, places: range, breathe: Breathe) -> list[int]:
        least = max(2, len(wanted) // 2)
        has_head, has_tail = wanted[:least] in self.text, wanted[-least:] + _BETWEEN in self.text
        for length in dict.fromkeys((max(2, len(wanted) * 3 // 4), least)):
            head, tail = wanted[:length], wanted[-length:]
            if self.text:
                part = self.begins[places.start], self.begins[places.stop]
                begins = self._sought(head, *part) if has_head else ()
                ends = self._sought(tail + _BETWEEN, *part) if has_tail else ()
                found = {*islice(begins, _BESIDE), *islice(ends, _BESIDE)}
            else:
                texts = ((i, self.texts[i]) for i in breathing(places, breathe))
                found = set(islice((i for i, text in texts if head in text or text.endswith(tail)), _BESIDE))
            if found:
                return sorted(found)
        return []


def _closest(wanted: str, names: Iterable[str], count: int, breathe: Breathe) -> list[str]:
    """Those that look most like it, the likeliest first: what `difflib.get_close_matches` finds, but interruptible."""
    matcher, scored = difflib.SequenceMatcher(b=wanted[:_LONGEST]), list[tuple[float, str]]()
    for name in names:
        breathe()
        matcher.set_seq1(name[:_LONGEST])
        if matcher.real_quick_ratio() >= _LIKE and matcher.quick_ratio() >= _LIKE and matcher.ratio() >= _LIKE:
            scored.append((matcher.ratio(), name))
    return [name for _, name in heapq.nlargest(count, scored)]


def breathing(items: Iterable[_T], breathe: Breathe) -> Iterator[_T]:
    """The items, with a breath now and then."""
    for at, item in enumerate(items):
        if at % _AT_ONCE == 0:
            breathe()
        yield item


def catalog_of(there: dict[bytes, Entry], before: Catalog = Catalog()) -> Catalog:
    """All of these, by their ids; the fewer of them are new to the catalog before, the sooner."""
    kept = [entry for entry in before.entries if there.get(entry.node.id) is entry]
    fresh = [entry for i, entry in there.items() if before.by_id.get(i) is not entry]
    ordered = tuple(sorted([*kept, *sorted(fresh)]))
    names, words = _Places(), _Places()
    for place, entry in enumerate(ordered):
        names.setdefault(entry.name, []).append(place)
        words.setdefault(entry.word, []).append(place)
    nodes = tuple(entry.node for entry in ordered)
    text = "".join(f"{entry.text}{_BETWEEN}" for entry in ordered)
    texts = tuple(text.split(_BETWEEN)[:-1])  # side by side in memory, as they are looked at
    if len(texts) != len(ordered):
        text, texts = "", tuple(entry.text for entry in ordered)  # some name has what should part them
    begins = tuple(accumulate((len(each) + 1 for each in texts), initial=0))
    return Catalog(ordered, nodes, texts, text, begins, names, words, (sorted(names), sorted(words)), there)


def _begun(spelled: Sequence[str], wanted: str) -> Sequence[str]:
    """Those of a sorted list that begin so."""
    first = bisect_left(spelled, wanted)
    return spelled[first : bisect_right(spelled, wanted, first, key=lambda each: each[: len(wanted)])]
