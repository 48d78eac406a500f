"""Walking the lineage by columns.

Rules kept here:
- a column leads to the output columns whose current mapping names it, and, where a mapping names it
  for the whole output, to every column of that output; a source without a field says nothing of columns;
- DIRECT carries the value, INDIRECT only influences it: a path is direct when each of its steps is;
- a dataset's columns are those of its schema and those that mappings make or read: many a schema names but
  some, or there is none;
- a column goes by every name of its dataset; a dropped dataset is neither listed nor walked through,
  unless the walk starts there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple, TypeVar

from processor.index.aliases import aliases_of
from processor.index.graph import Graph, Reached
from processor.index.records import Link
from processor.index.remembered import WHO
from processor.index.traverse import DEPTH, EVERYTHING, LIMIT, Direction, Only
from processor.index.view import View, current_columns
from processor.model.history import KnownEdge, KnownMapping
from processor.model.identity import Kind, Node
from processor.model.mapping import Source
from processor.model.observation import EdgeType

T = TypeVar("T")
_Fields = Mapping[str, Sequence[Node]]
"""Columns by field ("" for the dataset)."""
Named = Mapping[bytes, _Fields]
"""Columns by the id of their dataset under each of its names, then by field."""


class ColumnStep(NamedTuple):
    """From an input column to an output column, as one mapping states it."""

    src: Node
    dst: Node
    direct: bool
    known: KnownMapping


def column_lineage(
    view: View,
    start: Node,
    direction: Direction | str,
    *,
    depth: int = DEPTH,
    limit: int = LIMIT,
    only: Only = EVERYTHING,
) -> Graph:
    """Columns upstream or downstream of a column, or of every column of a dataset."""
    way, view = Direction(direction), view.walking()
    walk = _ColumnWalk(view, start.dataset, limit, Mappings(view), only)
    frontier = walk.take(set(_start_columns(view, start)), 0)
    for level in range(1, depth + 1):
        found = [step for step in walk.steps(frontier, way) if walk.is_wanted(step)]
        frontier = walk.reach({step.dst if way is Direction.DOWN else step.src for step in found}, level)
        walk.note(found)
        if not frontier or walk.truncated:
            break
    return walk.graph()


def _start_columns(view: View, start: Node) -> list[Node]:
    if start.kind is Kind.COLUMN:
        return [start]
    return [start.column(path) for path in columns_of(view, start)]


@dataclass(slots=True)
class _ColumnWalk:
    view: View
    start: Node
    limit: int
    mappings: Mappings
    only: Only
    depths: dict[Node, int] = field(default_factory=dict)
    edges: dict[tuple[Node, Node, Node], ColumnStep] = field(default_factory=dict)
    truncated: bool = False

    def is_wanted(self, step: ColumnStep) -> bool:
        """Whether the walk keeps to such steps."""
        is_flow = step.direct or not self.only.direct
        return is_flow and self.only.carries(step.known.owner.id, step.known.evidence)

    def reach(self, columns: set[Node], depth: int) -> list[Node]:
        """Take in columns; those that are new, alive and within the limit."""
        fresh = {column for column in columns - self.depths.keys() if self.only.has(column)}
        gone = dropped(self.view, {c.dataset.id for c in fresh}) - {self.start.id}
        return self.take({c for c in fresh if c.dataset.id not in gone}, depth)

    def take(self, columns: set[Node], depth: int) -> list[Node]:
        room = max(0, self.limit - len(self.depths))
        self.truncated = self.truncated or len(columns) > room
        taken = list(columns) if len(columns) <= room else sorted(columns, key=str)[:room]
        self.depths |= dict.fromkeys(taken, depth)
        return taken

    def steps(self, frontier: list[Node], way: Direction) -> list[ColumnStep]:
        named, found = _by_name(self.view, frontier), list[ColumnStep]()
        is_down, wanted = way is Direction.DOWN, Wanted[_Fields](named, {})
        for known in self.mappings.out_of(named) if is_down else self.mappings.into(named):
            self.view.breathe()
            found += self.derived(known, wanted) if is_down else _stated(known, named[known.output.id])
        return found

    def derived(self, known: KnownMapping, wanted: Wanted[_Fields]) -> Iterator[ColumnStep]:
        """Where a mapping takes the wanted columns."""
        for output in known.mapping.fields:
            for source in output.sources:
                for src in _named_by(source, wanted):
                    yield ColumnStep(src, known.output.column(output.field), source.direct, known)
        whole = [(src, source.direct) for source in known.mapping.every for src in _named_by(source, wanted)]
        for name in self.mappings.fields(known) if whole else ():
            for src, direct in whole:
                yield ColumnStep(src, known.output.column(name), direct, known)

    def note(self, found: Iterable[ColumnStep]) -> None:
        """Keep steps between columns that were taken in; one stated both ways is direct."""
        for step in found:
            if step.src not in self.depths or step.dst not in self.depths:
                continue
            key = (step.src, step.dst, step.known.owner)
            if step.direct or key not in self.edges:
                self.edges[key] = step

    def graph(self) -> Graph:
        reached = (Reached(node, depth) for node, depth in self.depths.items())
        edges = map(_known_edge, self.edges.values())
        return Graph(
            nodes=tuple(sorted(reached, key=lambda r: (r.depth, str(r.node)))),
            edges=tuple(sorted(edges, key=lambda e: (str(e.src), str(e.dst), str(e.job)))),
            truncated=self.truncated,
        )


def _named_by(source: Source, wanted: Wanted[_Fields]) -> Sequence[Node]:
    """Those of the wanted columns that a source names."""
    return () if source.field is None else wanted[source[:2]].get(source.field, ())


def _known_edge(step: ColumnStep) -> KnownEdge:
    known = step.known
    job = known.owner if known.owner.kind is Kind.JOB else None
    seen = (known.first_seen_us, known.last_seen_us)
    return KnownEdge(EdgeType.DERIVES, step.src, step.dst, known.evidence, *seen, job, step.direct)


def _stated(known: KnownMapping, wanted: _Fields) -> Iterator[ColumnStep]:
    """What a mapping makes the wanted columns of its output from."""
    for output in known.mapping.fields:
        for dst in wanted.get(output.field, ()):
            for source in output.sources:
                yield ColumnStep(source.node, dst, source.direct, known)
    for columns in wanted.values():
        for dst in columns:
            for source in known.mapping.every:
                yield ColumnStep(source.node, dst, source.direct, known)


# Names


def columns_of(view: View, dataset: Node) -> frozenset[str]:
    """Every column of a dataset by its current schema, or by a mapping that holds now, under any of its names."""
    names = live_names(view, [dataset.id])[dataset.id]
    tables = [standing.node for standing in view.standing(sorted(names)).values()]
    stated = {column.path for lanes in view.lanes_of(tables).values() for column in current_columns(lanes)}
    mappings = Mappings(view)
    made = {output.field for known in mappings.into(names) for output in known.mapping.fields}
    sources = (source for known in mappings.out_of(names) for source in known.mapping.sources())
    read = {source.field for source in sources if source.field is not None and source.node.dataset.id in names}
    return frozenset(stated | made | read)


def _by_name(view: View, columns: Iterable[Node]) -> Named:
    """Columns by every name of their dataset; sorted, whatever order they come in."""
    together: dict[tuple[str, str], list[Node]] = {}
    for column in columns:
        _, namespace, name, _ = column
        together.setdefault((namespace, name), []).append(column)
    wanted = {Node(Kind.DATASET, *place).id: _by_field(together[place]) for place in sorted(together)}
    named: dict[bytes, dict[str, list[Node]]] = {}
    for alias, found in under_each_name(view, wanted).items():
        fields = named[alias] = {}
        for each, column in chain.from_iterable(found):
            fields.setdefault(each, []).append(column)
    return named


def _by_field(columns: Iterable[Node]) -> list[tuple[str, Node]]:
    """Columns of one dataset, sorted by what tells them apart, which costs less than to compare all of it."""
    return sorted([(column.field or "", column) for column in columns])


def under_each_name(view: View, wanted: Mapping[bytes, T]) -> dict[bytes, list[T]]:
    """What is wanted of datasets, by the id of each of their names that live; what is asked of these next is read."""
    ids = sorted(wanted)
    view.look_ahead(ids, WHO, "o", "i")
    names, found = live_names(view, ids), dict[bytes, list[T]]()
    for i in ids:
        for name in names[i]:
            found.setdefault(name, []).append(wanted[i])
    return found


def live_names(view: View, datasets: Iterable[bytes]) -> dict[bytes, frozenset[bytes]]:
    """The names of each dataset that are not dropped, and its own in any case."""
    together = aliases_of(view, datasets)
    gone = dropped(view, {name for i, names in together.items() for name in names - {i}})
    return {i: (names - gone) | {i} for i, names in together.items()}


def dropped(view: View, datasets: Iterable[bytes]) -> set[bytes]:
    """Those of these datasets that are dropped."""
    return {i for i, record in view.standing(sorted(datasets)).items() if record.dropped}


class Wanted(dict[tuple[str, str], T]):
    """What is wanted, by namespace and name of a dataset, as sources name it: an id is made once of each.

    `named`: the same by id; `nothing`: what is wanted of any other dataset.
    """

    def __init__(self, named: Mapping[bytes, T], nothing: T) -> None:
        super().__init__()
        self._named = named
        self._nothing = nothing

    def __missing__(self, place: tuple[str, str]) -> T:
        found = self[place] = self._named.get(Node(Kind.DATASET, *place).id, self._nothing)
        return found


# Mappings


class Mappings:
    """The current mappings around columns. The schemas of outputs are read once in a walk."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._schemas: dict[Node, frozenset[str]] = {}

    def out_of(self, datasets: Iterable[bytes]) -> list[KnownMapping]:
        """The mappings that derive something from these datasets."""
        links = self._view.out_links(sorted(datasets))
        stated = {pair for found in links.values() for pair in _mapped_by(found)}
        known = self._current(stated)
        self._read({each.output for each in known if each.mapping.every})
        return known

    def into(self, datasets: Iterable[bytes]) -> list[KnownMapping]:
        """The mappings that say what these datasets derive from."""
        links = self._view.in_links(sorted(datasets))
        return self._current({(owner, i) for i, found in links.items() for owner in _owners(found)})

    def fields(self, known: KnownMapping) -> list[str]:
        """`output_fields`, from what this walk has read already."""
        self._read({known.output})
        return sorted(_stated_fields(known) | self._schemas[known.output])

    def _current(self, stated: set[tuple[bytes, bytes]]) -> list[KnownMapping]:
        current = self._view.current_mappings(sorted({owner for owner, _ in stated}))
        found = (current.get(owner, {}).get(output) for owner, output in sorted(stated))
        return [known for known in found if known is not None]

    def _read(self, outputs: set[Node]) -> None:
        missing = sorted(outputs - self._schemas.keys(), key=str)
        if not missing:
            return
        for output, lanes in self._view.lanes_of(missing).items():
            self._schemas[output] = frozenset(column.path for column in current_columns(lanes))


def output_fields(view: View, known: KnownMapping) -> list[str]:
    """The columns that a mapping's inputs of the whole output reach: stated ones and the schema's."""
    return Mappings(view).fields(known)


def _stated_fields(known: KnownMapping) -> frozenset[str]:
    return frozenset(output.field for output in known.mapping.fields)


def _mapped_by(links: list[Link]) -> list[tuple[bytes, bytes]]:
    return [(link.owner, link.other) for link in links if link.owner is not None]


def _owners(links: list[Link]) -> list[bytes]:
    return [link.other for link in links if link.type is EdgeType.DERIVES]
