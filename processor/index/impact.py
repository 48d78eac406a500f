"""What a change of columns breaks downstream.

Rules kept here:
- columns are walked first, as `columns.py` says; a column is as deep as its nearest path, and direct
  when any path to it is; so are the datasets and jobs on the way; only the start is not listed;
- where a job's mapping names no column of the dataset it reads, what lies behind is *possible*: its
  output, and everything behind that, for any column of it may have changed;
- a job that rewrites a dataset in place without a mapping is taken to leave the columns as they are;
- what the graph ends in is marked (`exposures`), among what is listed;
- certain beats possible; a dropped dataset is neither listed nor walked through;
- what is not made anew (`stale`) is stale with all its columns, and so is everything behind it: no columns are listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

import msgspec

from processor.index import steps
from processor.index.aliases import aliases_of
from processor.index.columns import Mappings, Wanted, columns_of, dropped, live_names, under_each_name
from processor.index.exposures import exposures
from processor.index.facets import facet_reader
from processor.index.records import Standing
from processor.index.remembered import WHO, aliases
from processor.index.traverse import DEPTH, Direction, look_around
from processor.index.view import View
from processor.model.alert import Affected, Impact
from processor.model.history import KnownMapping
from processor.model.identity import Kind, Node
from processor.model.mapping import Source
from processor.model.observation import EdgeType

IMPACT_LIMIT = 1_000
_WALK_LIMIT = 100_000
_MOST_OUTPUTS = 100
_COLUMN = Kind.COLUMN
"""To look a member of an enum up costs a walk a third of what a node does."""

_Fields = dict[str, bool]
"""Columns of one dataset, and whether they were reached directly."""
_Frontier = dict[Node, _Fields]
"""By dataset, the columns whose followers must be looked at."""
_Reached = tuple[int, bool]
"""How far away a column is, and whether any way there is direct."""
_Wanted = Wanted[Sequence[_Fields]]
"""The same by what their dataset is called; two of one name may be reached."""


class _Ownership(msgspec.Struct):
    class Owner(msgspec.Struct):
        """One owner, as `ownership` names it."""

        name: str

    owners: list[Owner] = []


_ownership_of = facet_reader(_Ownership)


def impact(
    view: View,
    dataset: Node,
    columns: Iterable[str] | None,
    *,
    limit: int = IMPACT_LIMIT,
) -> Impact:
    """What is downstream of these columns of a dataset; None means of all of it."""
    view = view.walking()
    names = columns_of(view, dataset) if columns is None else columns
    start = _Start(dataset, aliases_of(view, [dataset.id])[dataset.id], frozenset(names))
    found = _Found()
    by_column = _ByColumn(view, start, found, Mappings(view))
    by_column.walk()
    _Behind(view, start, found).walk(by_column.unnamed)
    return _result(view, found, limit)


def stale(view: View, subject: Node, *, limit: int = IMPACT_LIMIT) -> Impact:
    """What waits for a dataset that nobody writes any more, or for a job that does not run: its outputs as well."""
    view, found = view.walking(), _Found()
    look_around(view, [subject], Direction.DOWN, depth=DEPTH, limit=limit)
    outputs = _outputs(view, subject) if subject.kind is Kind.JOB else [subject]
    if not outputs:
        return Impact()
    names = aliases_of(view, [output.id for output in outputs])
    behind = _Behind(view, _Start(outputs[0], frozenset().union(*names.values()), frozenset()), found, possible=False)
    depth = int(subject.kind is Kind.JOB)
    found.datasets.update((output, Affected(output, depth)) for output in outputs if output != subject)
    behind.walk_from([output.id for output in outputs], depth)
    found.jobs.pop(subject, None)
    return _result(view, found, limit)


def _outputs(view: View, job: Node) -> list[Node]:
    """What a job wrote last, and is not dropped."""
    links = [link for link in view.out_links([job.id])[job.id] if link.type is EdgeType.WRITES]
    newest = sorted(links, key=lambda link: (-link.last_us, link.other))[:_MOST_OUTPUTS]
    there = view.standing([link.other for link in newest])
    return [there[link.other].node for link in newest if link.other in there and not there[link.other].dropped]


def is_read(view: View, dataset: Node, columns: Iterable[str]) -> bool:
    """Whether something downstream certainly depends on one of these columns of a dataset.

    One step tells: whatever is farther away is reached through something that is certain too.
    """
    start, found = _Start(dataset, aliases_of(view, [dataset.id])[dataset.id], frozenset(columns)), _Found()
    _ByColumn(view, start, found, Mappings(view)).level(start.frontier(), 1)
    return bool(found.columns or found.datasets)


def owners_of(facets: dict[str, bytes]) -> list[str]:
    """Names in an `ownership` facet."""
    return [owner.name for owner in _ownership_of(facets.get("ownership")).owners]


class _Start(NamedTuple):
    """Where the walk starts: the dataset, the ids of all its names, and the columns that change."""

    dataset: Node
    ids: frozenset[bytes]
    columns: frozenset[str]

    def frontier(self) -> _Frontier:
        return {self.dataset: dict.fromkeys(self.columns, True)}


@dataclass(slots=True)
class _Found:
    """What a change affects. `columns`: by dataset, of which none are empty, then by field; `count`: how many."""

    columns: dict[Node, dict[str, _Reached]] = field(default_factory=dict)
    count: int = 0
    datasets: dict[Node, Affected] = field(default_factory=dict)
    jobs: dict[Node, Affected] = field(default_factory=dict)
    cut: bool = False


# By columns


@dataclass(slots=True)
class _ByColumn:
    """Breadth first over (column, direct): a column is looked at again when it turns out direct.

    `unnamed`: outputs that certainly change, though nobody has named a column of theirs.
    """

    view: View
    start: _Start
    found: _Found
    mappings: Mappings
    unnamed: set[Node] = field(default_factory=set)

    def walk(self) -> None:
        frontier, depth = self.start.frontier(), 0
        while frontier and not self.found.cut:
            depth += 1
            frontier = self.level(frontier, depth)
            self.found.cut = self.found.count > _WALK_LIMIT

    def level(self, frontier: _Frontier, depth: int) -> _Frontier:
        named = under_each_name(self.view, {dataset.id: fields for dataset, fields in frontier.items()})
        mappings = self.mappings.out_of(named)
        gone = dropped(self.view, {known.output.id for known in mappings}) - self.start.ids
        wanted, found = _Wanted(named, ()), _Frontier()
        for known in mappings:
            self.view.breathe()
            reached = self.reached(known, wanted)
            self.note_job(known, reached, depth)
            fresh = {} if known.output.id in gone else self.note_output(known.output, reached, depth)
            if fresh:
                found.setdefault(known.output, {}).update(fresh)
        return found

    def reached(self, known: KnownMapping, wanted: _Wanted) -> dict[str | None, bool]:
        """The output's fields that change, and whether directly; None stands for an unnamed one."""
        mapping = known.mapping
        found: dict[str | None, bool] = {}
        for field_, sources in mapping.fields:
            direct = _carried(sources, wanted)
            if direct is not None:
                found[field_] = direct
        whole = _carried(mapping.every, wanted)
        if whole is None:
            return found
        fields: list[str | None] = [*self.mappings.fields(known)]
        return {name: whole or found.get(name, False) for name in fields or [None]}

    def note_job(self, known: KnownMapping, reached: Mapping[str | None, bool], depth: int) -> None:
        if reached and known.owner.kind is Kind.JOB:
            _join(self.found.jobs, Affected(known.owner, depth, any(reached.values())))

    def note_output(self, output: Node, reached: Mapping[str | None, bool], depth: int) -> _Fields:
        """Take in what an output's change brings; the columns that are new, or newly direct."""
        if reached and output.id not in self.start.ids:
            _join(self.found.datasets, Affected(output, depth, any(reached.values())))
        if None in reached:
            self.unnamed.add(output)
        unlisted = self.start.columns if output.id in self.start.ids else ()
        named = {name: direct for name, direct in reached.items() if name is not None and name not in unlisted}
        return self.note_columns(output, named, depth) if named else {}

    def note_columns(self, output: Node, named: _Fields, depth: int) -> _Fields:
        """Take in columns, none of which is nearer than any that is known; those that are new, or newly direct."""
        known, fresh = self.found.columns.setdefault(output, {}), _Fields()
        for name, direct in named.items():
            there = known.get(name)
            if there is None:
                self.found.count += 1
                known[name] = (depth, direct)
            elif direct and not there[1]:
                known[name] = (there[0], direct)
            else:
                continue
            fresh[name] = direct
        return fresh


def _carried(sources: Iterable[Source], wanted: _Wanted) -> bool | None:
    """Whether any of these sources carries a changed value on; None when none names a changed column."""
    carried = None
    for source in sources:
        for fields in wanted[source[:2]]:
            direct = None if source.field is None else fields.get(source.field)
            if direct is not None:
                carried = carried or (direct and source.direct)
    return carried


# Behind jobs that do not say


class _Origin(NamedTuple):
    """A name to walk on from. `whole`: any column may have changed, not only those walked already."""

    whole: bool
    names: frozenset[bytes]


@dataclass(slots=True)
class _Behind:
    """Datasets and jobs behind readers that do not say which columns they use, nearest first.

    `possible`: whether that is all that is known of them.
    """

    view: View
    start: _Start
    found: _Found
    possible: bool = True
    waiting: dict[int, dict[bytes, bool]] = field(default_factory=dict)
    done: dict[bytes, bool] = field(default_factory=dict)

    def walk(self, unnamed: set[Node]) -> None:
        self.wait(self.start.dataset.id, 0, whole=False)
        for node, affected in self.found.datasets.items():
            self.wait(node.id, affected.depth, whole=node in unnamed)
        self.go()

    def walk_from(self, datasets: Iterable[bytes], depth: int) -> None:
        for dataset in datasets:
            self.wait(dataset, depth, whole=True)
        self.go()

    def go(self) -> None:
        while self.waiting and not self.found.cut:
            depth = min(self.waiting)
            self.level(self.origins(self.waiting.pop(depth)), depth + 1)
            self.found.cut = len(self.found.datasets) > _WALK_LIMIT

    def wait(self, dataset: bytes, depth: int, *, whole: bool) -> None:
        there = self.waiting.setdefault(depth, {})
        there[dataset] = whole or there.get(dataset, False)

    def origins(self, datasets: Mapping[bytes, bool]) -> dict[bytes, _Origin]:
        """Every name of these datasets that was not walked on from; whole ones first."""
        wanted = {i: whole for i, whole in datasets.items() if self.is_left(i, whole=whole)}
        together = live_names(self.view, wanted)
        found: dict[bytes, _Origin] = {}
        for i in sorted(wanted, key=lambda i: (not wanted[i], i)):
            for name in together[i]:
                if self.is_left(name, whole=wanted[i]):
                    found[name] = _Origin(wanted[i], together[i])
                    self.done[name] = wanted[i]
        return found

    def is_left(self, dataset: bytes, *, whole: bool) -> bool:
        return dataset not in self.done or (whole and not self.done[dataset])

    def level(self, origins: Mapping[bytes, _Origin], depth: int) -> None:
        found = list(steps.down(self.view, sorted(origins)))
        silent = self.silent(found, origins)
        self.view.look_ahead(sorted({step.target for step in silent if step.target}), WHO, "o", aliases("i"))
        records = self.view.standing({i for step in silent for i in (step.job, step.target) if i})
        for step in silent:
            self.note_job(records.get(step.job or b""), depth)
            if step.target not in origins[step.origin].names:
                self.note_target(records.get(step.target or b""), depth)

    def silent(self, found: list[steps.Step], origins: Mapping[bytes, _Origin]) -> list[steps.Step]:
        """Without the steps whose mapping says which columns it uses: the columns have told already."""
        asked = {_owner(step) for step in found if not origins[step.origin].whole}
        current = self.view.current_mappings(sorted(asked))
        named = {(owner, i): _datasets(known) for owner, of in current.items() for i, known in of.items()}
        return [step for step in found if not _says(step, origins[step.origin], named)]

    def note_job(self, job: Standing | None, depth: int) -> None:
        if job is not None:
            _join(self.found.jobs, Affected(job.node, depth, possible=self.possible))

    def note_target(self, target: Standing | None, depth: int) -> None:
        is_start = target is not None and target.node.id in self.start.ids
        if target is None or (target.dropped and not is_start):
            return
        if not is_start:
            _join(self.found.datasets, Affected(target.node, depth, possible=self.possible))
        self.wait(target.node.id, depth, whole=True)


def _owner(step: steps.Step) -> bytes:
    """Who states the mapping of a step: its job, or the output itself."""
    return step.job or step.target or b""


def _datasets(known: KnownMapping) -> frozenset[bytes]:
    """The datasets of which a mapping names a column."""
    outputs = known.mapping.fields
    places = {source[:2] for output in outputs for source in output.sources if source.field is not None}
    places |= {source[:2] for source in known.mapping.every if source.field is not None}
    return frozenset([Node(Kind.DATASET, *place).id for place in places])


def _says(step: steps.Step, origin: _Origin, named: Mapping[tuple[bytes, bytes], frozenset[bytes]]) -> bool:
    if origin.whole:
        return False
    return not origin.names.isdisjoint(named.get((_owner(step), step.target or b""), frozenset()))


# The result


def _join(found: dict[Node, Affected], new: Affected) -> None:
    there = found.get(new.node)
    found[new.node] = new if there is None else _joined(there, new)


def _joined(one: Affected, other: Affected) -> Affected:
    """The same in any order: certain beats possible, the nearest counts, one direct way makes it direct."""
    if one.possible is not other.possible:
        return other if one.possible else one
    return Affected(one.node, min(one.depth, other.depth), one.direct or other.direct, one.possible)


def _result(view: View, found: _Found, limit: int) -> Impact:
    columns = tuple(_first(found.columns, limit))
    datasets, jobs = (_sorted(part)[:limit] for part in (found.datasets, found.jobs))
    counts = (found.count, len(found.datasets), len(found.jobs))
    owners = _owners(view, [affected.node for affected in (*datasets, *jobs)])
    truncated = found.cut or max(counts) > limit
    return Impact(columns, datasets, jobs, owners, exposures(view, datasets, jobs), truncated, sum(counts))


def _owners(view: View, nodes: Iterable[Node]) -> tuple[str, ...]:
    records = view.nodes(node.id for node in nodes).values()
    return tuple(sorted({name for record in records for name in owners_of(record.facets)}))


def _first(columns: Mapping[Node, Mapping[str, _Reached]], limit: int) -> Iterator[Affected]:
    """So many of these columns, in the order of `_sorted`: each is certain."""
    alike: dict[int, list[tuple[str, Node, str, bool]]] = {}
    for dataset, fields in columns.items():
        begins = str(dataset.column(""))
        for name, (depth, direct) in fields.items():
            alike.setdefault(depth, []).append((begins + name, dataset, name, direct))
    every = ((depth, *each) for depth in sorted(alike) for each in sorted(alike[depth], key=itemgetter(0)))
    for depth, _, (_, namespace, name, _), field_, direct in islice(every, limit):
        yield Affected(Node(_COLUMN, namespace, name, field_), depth, direct)


def _sorted(found: dict[Node, Affected]) -> tuple[Affected, ...]:
    """What is certain first, then what is near, then by name: to compare names alone costs a third."""
    alike: dict[tuple[bool, int], list[tuple[str, Affected]]] = {}
    for node, affected in found.items():
        alike.setdefault((affected.possible, affected.depth), []).append((str(node), affected))
    return tuple([affected for place in sorted(alike) for _, affected in sorted(alike[place], key=itemgetter(0))])
