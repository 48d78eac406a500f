"""Walking the lineage by columns, and what a change of columns breaks downstream.

Rules kept here:
- a column leads to the output columns whose current mapping names it, and, where a mapping names it
  for the whole output, to every column of that output;
- DIRECT carries the value, INDIRECT only influences it: a path is direct when each of its steps is;
- where a job states no mapping for an output, what lies behind that output is *possible*.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from processor.index import steps
from processor.index.aliases import aliases_of
from processor.index.facets import read_facet
from processor.index.traverse import DEPTH, LIMIT, Direction, Graph, Reached
from processor.index.view import Link, View
from processor.model.alert import Affected, Impact
from processor.model.history import KnownEdge, KnownMapping
from processor.model.identity import Kind, Node
from processor.model.mapping import Source
from processor.model.observation import EdgeType

IMPACT_LIMIT = 1_000
_WALK_LIMIT = 100_000


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
) -> Graph:
    """Columns upstream or downstream of a column, or of every column of a dataset."""
    way, walk = Direction(direction), _ColumnWalk(view, limit)
    columns = [start] if start.kind is Kind.COLUMN else _columns_of(view, start)
    frontier = walk.reach(columns, 0)
    for level in range(1, depth + 1):
        found = walk.steps(frontier, way)
        walk.edges |= {_edge_key(step): step for step in found}
        far = (step.dst if way is Direction.DOWN else step.src for step in found)
        frontier = walk.reach(far, level)
        if not frontier or walk.truncated:
            break
    return walk.graph()


def _edge_key(step: ColumnStep) -> tuple[Node, Node, Node]:
    return step.src, step.dst, step.known.owner


def _columns_of(view: View, dataset: Node) -> list[Node]:
    return [dataset.column(column.path) for column in view.columns(dataset)]


@dataclass(slots=True)
class _ColumnWalk:
    view: View
    limit: int
    depths: dict[Node, int] = field(default_factory=dict)
    edges: dict[tuple[Node, Node, Node], ColumnStep] = field(default_factory=dict)
    truncated: bool = False

    def reach(self, columns: Iterable[Node], depth: int) -> set[Node]:
        fresh = sorted(set(columns) - self.depths.keys(), key=str)
        room = max(0, self.limit - len(self.depths))
        self.truncated = self.truncated or len(fresh) > room
        self.depths |= dict.fromkeys(fresh[:room], depth)
        return set(fresh[:room])

    def steps(self, frontier: set[Node], way: Direction) -> list[ColumnStep]:
        step = down_steps if way is Direction.DOWN else up_steps
        return list(step(self.view, frontier))

    def graph(self) -> Graph:
        reached = (Reached(node, depth) for node, depth in self.depths.items())
        edges = (_known_edge(s) for s in self.edges.values() if {s.src, s.dst} <= self.depths.keys())
        return Graph(
            nodes=tuple(sorted(reached, key=lambda r: (r.depth, str(r.node)))),
            edges=tuple(sorted(edges, key=lambda e: (str(e.src), str(e.dst), str(e.job)))),
            truncated=self.truncated,
        )


def _known_edge(step: ColumnStep) -> KnownEdge:
    known = step.known
    job = known.owner if known.owner.kind is Kind.JOB else None
    seen = (known.first_seen_us, known.last_seen_us)
    return KnownEdge(EdgeType.DERIVES, step.src, step.dst, known.evidence, *seen, job, step.direct)


def down_steps(view: View, columns: Iterable[Node]) -> Iterator[ColumnStep]:
    """The output columns that current mappings derive from these columns."""
    by_dataset = _by_dataset(view, columns)
    links = view.out_links(sorted(by_dataset))
    derives = {pair for found in links.values() for pair in _mapped_by(found)}
    current = view.current_mappings(sorted({owner for owner, _ in derives}))
    for owner, output in sorted(derives):
        known = current.get(owner, {}).get(output)
        if known is not None:
            yield from _matching(view, known, by_dataset)


def up_steps(view: View, columns: Iterable[Node]) -> Iterator[ColumnStep]:
    """The input columns that current mappings derive these columns from."""
    by_dataset = _by_dataset(view, columns)
    links = view.in_links(sorted(by_dataset))
    owners = {(owner, i) for i, found in links.items() for owner in _owners(found)}
    current = view.current_mappings(sorted({owner for owner, _ in owners}))
    for owner, output in sorted(owners):
        known = current.get(owner, {}).get(output)
        if known is not None:
            yield from _stated(known, by_dataset[output])


def _mapped_by(links: list[Link]) -> list[tuple[bytes, bytes]]:
    return [(link.owner, link.other) for link in links if link.owner is not None]


def _owners(links: list[Link]) -> list[bytes]:
    return [link.other for link in links if link.type is EdgeType.DERIVES]


def _by_dataset(view: View, columns: Iterable[Node]) -> dict[bytes, dict[str, Node]]:
    """Columns by the id of their dataset, under each of the dataset's names."""
    named: dict[bytes, dict[str, Node]] = {}
    wanted = list(columns)
    together = aliases_of(view, {column.dataset.id for column in wanted})
    for column in wanted:
        for name in together[column.dataset.id]:
            named.setdefault(name, {})[column.field or ""] = column
    return named


def _matching(view: View, known: KnownMapping, wanted: dict[bytes, dict[str, Node]]) -> Iterator[ColumnStep]:
    for output in known.mapping.fields:
        for source in output.sources:
            for src in _named(source, wanted):
                yield ColumnStep(src, known.output.column(output.field), source.direct, known)
    for source in known.mapping.every:
        for src in _named(source, wanted):
            yield from _everywhere(view, src, source, known)


def _named(source: Source, wanted: dict[bytes, dict[str, Node]]) -> list[Node]:
    """The wanted column that a source names; a source without a field says nothing of columns."""
    there = wanted.get(source.node.dataset.id, {})
    return [there[source.field]] if source.field in there else []


def _everywhere(view: View, src: Node, source: Source, known: KnownMapping) -> Iterator[ColumnStep]:
    for field_name in output_fields(view, known):
        yield ColumnStep(src, known.output.column(field_name), source.direct, known)


def output_fields(view: View, known: KnownMapping) -> list[str]:
    """The columns that a mapping's inputs of the whole output reach: stated ones and the schema's."""
    stated = {output.field for output in known.mapping.fields}
    return sorted(stated | {column.path for column in view.columns(known.output)})


def _stated(known: KnownMapping, wanted: dict[str, Node]) -> Iterator[ColumnStep]:
    for output in known.mapping.fields:
        if output.field in wanted:
            for source in output.sources:
                yield ColumnStep(source.node, wanted[output.field], source.direct, known)
    for column in wanted.values():
        for source in known.mapping.every:
            yield ColumnStep(source.node, column, source.direct, known)


# Impact


class _Ownership(msgspec.Struct):
    class Owner(msgspec.Struct):
        """One owner, as `ownership` names it."""

        name: str

    owners: list[Owner] = []


def impact(
    view: View,
    dataset: Node,
    columns: Iterable[str] | None,
    *,
    limit: int = IMPACT_LIMIT,
) -> Impact:
    """What is downstream of these columns of a dataset; None means of all of it."""
    names = [c.path for c in view.columns(dataset)] if columns is None else list(columns)
    return _Impact(view, dataset, limit).of(names)


@dataclass(slots=True)
class _Impact:
    view: View
    dataset: Node
    limit: int
    columns: dict[Node, Affected] = field(default_factory=dict)
    datasets: dict[Node, Affected] = field(default_factory=dict)
    jobs: dict[Node, Affected] = field(default_factory=dict)

    def of(self, names: list[str]) -> Impact:
        """Walk the columns first, then what lies behind jobs that state no mapping."""
        start = Affected(self.dataset, 0)
        frontier = {self.dataset.column(name): start for name in names}
        certain, depth = {self.dataset: start}, 0
        while frontier and len(self.columns) < _WALK_LIMIT:
            depth += 1
            frontier = self.column_level(frontier, depth)
            certain |= {c.dataset: self.datasets[c.dataset] for c in frontier}
        self.possible(certain)
        return self.result()

    def column_level(self, frontier: dict[Node, Affected], depth: int) -> dict[Node, Affected]:
        fresh: dict[Node, Affected] = {}
        for step in down_steps(self.view, frontier):
            direct = step.direct and frontier[step.src].direct
            self.carried(step, depth, direct=direct)
            if step.dst in self.columns or step.dst.dataset == self.dataset:
                continue
            better = direct or (step.dst in fresh and fresh[step.dst].direct)
            fresh[step.dst] = Affected(step.dst, depth, better)
        self.columns |= fresh
        return fresh

    def carried(self, step: ColumnStep, depth: int, *, direct: bool) -> None:
        if step.dst.dataset != self.dataset:
            _nearest(self.datasets, Affected(step.dst.dataset, depth, direct))
        if step.known.owner.kind is Kind.JOB:
            _nearest(self.jobs, Affected(step.known.owner, depth, direct))

    def possible(self, certain: dict[Node, Affected]) -> None:
        """Datasets and jobs behind readers that do not say which columns they use."""
        frontier, first = {node.id: found.depth for node, found in certain.items()}, True
        while frontier and len(self.datasets) < _WALK_LIMIT:
            frontier = self.possible_level(frontier, mapped_count=first)
            first = False

    def possible_level(self, frontier: dict[bytes, int], *, mapped_count: bool) -> dict[bytes, int]:
        names = aliases_of(self.view, frontier)
        depths = {name: frontier[i] for i, together in names.items() for name in together}
        found = list(steps.down(self.view, sorted(depths)))
        mapped = self.mapped(found) if mapped_count else frozenset()
        records = self.view.nodes({i for step in found for i in step[1:3] if i})
        fresh: dict[bytes, int] = {}
        for step in found:
            if (step.origin, step.job, step.target) in mapped:
                continue
            depth = depths[step.origin] + 1
            if step.job in records:
                _nearest(self.jobs, Affected(records[step.job].node, depth, possible=True))
            if step.target in records and self.is_new(records[step.target].node):
                target = records[step.target].node
                self.datasets[target] = Affected(target, depth, possible=True)
                fresh[target.id] = depth
        return fresh

    def is_new(self, dataset: Node) -> bool:
        return dataset not in self.datasets and dataset != self.dataset

    def mapped(self, found: list[steps.Step]) -> frozenset[tuple[bytes, bytes | None, bytes | None]]:
        """Steps whose job says which columns of the origin it uses: the columns have told already."""
        current = self.view.current_mappings(sorted({step.job for step in found if step.job}))
        return frozenset(step[:3] for step in found if self.says(step, current))

    def says(self, step: steps.Step, current: dict[bytes, dict[bytes, KnownMapping]]) -> bool:
        known = current.get(step.job or b"", {}).get(step.target or b"")
        return known is not None and any(
            source.field is not None and source.node.dataset.id == step.origin for source in known.mapping.sources()
        )

    def result(self) -> Impact:
        parts = [_sorted(part) for part in (self.columns, self.datasets, self.jobs)]
        total = sum(len(part) for part in parts)
        truncated = any(len(part) > self.limit for part in parts)
        columns, datasets, jobs = (part[: self.limit] for part in parts)
        return Impact(columns, datasets, jobs, self.owners(), truncated, total)

    def owners(self) -> tuple[str, ...]:
        nodes = [*self.datasets, *self.jobs][: self.limit]
        records = self.view.nodes(node.id for node in nodes)
        return tuple(sorted({name for record in records.values() for name in owners_of(record.facets)}))


def owners_of(facets: dict[str, bytes]) -> list[str]:
    """Names in an `ownership` facet."""
    return [owner.name for owner in read_facet(facets.get("ownership"), _Ownership, _Ownership()).owners]


def _nearest(found: dict[Node, Affected], affected: Affected) -> None:
    there = found.get(affected.node)
    if there is None or (affected.direct and not there.direct and not affected.possible):
        found[affected.node] = affected


def _sorted(found: dict[Node, Affected]) -> tuple[Affected, ...]:
    return tuple(sorted(found.values(), key=lambda a: (a.possible, a.depth, str(a.node))))
