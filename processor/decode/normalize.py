"""From a typed OpenLineage event to an `Observation`.

Rules kept here:
- evidence in one event, strongest first: the `lineage` facet, then `columnLineage`, then inputs and
  outputs; with a `lineage` facet nothing beyond it is inferred for the outputs it governs;
- a dataset that only column lineage names is read by the job: the edge is taken;
- absent says nothing, empty clears, `_deleted` takes back;
- parents are containment; jobDependencies are control flow and no edge at all.
Source: OpenLineage spec 2-0-2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from processor.decode.checks import checks_of
from processor.decode.descriptions import descriptions_of
from processor.decode.event import TypedEvent
from processor.decode.explain import point
from processor.decode.explicit import Explicit, Part, explicit_lineage, sources
from processor.decode.names import dataset_problems, is_named, job_problems, named_columns
from processor.decode.runs import RunSaid, begin_digest, event_digest, run_said
from processor.model.errors import FacetProblem
from processor.model.identity import Node, dataset, job
from processor.model.mapping import EMPTY, Mapping, Source, Transformation, normal, together
from processor.model.memo import Memo
from processor.model.observation import (
    DatasetFact,
    Edge,
    EdgeType,
    Evidence,
    Facets,
    Lifecycle,
    Observation,
    Role,
    RunFact,
    RunState,
    is_ours,
)
from processor.model.tables import Column, Columns

KEPT_BYTES = 65_536
"""A larger facet is not kept with its node; what it says about lineage counts all the same."""

PATHS_CHARS = 8 * 1024 * 1024
"""A path repeats the names above it: a long one over many columns would make terabytes out of a megabyte."""

_KNOWN_BYTES = 32 * 1024 * 1024
_FACT_BYTES = 4_096
_PARENTS = 16
"""So many parents of a job are remembered; most have one, and some tools make a new one for each run."""
_known: Memo[DatasetFact] = Memo(_KNOWN_BYTES // 4)
_STATES: dict[str | None, RunState] = {None: RunState.OTHER, **{state.value: state for state in RunState}}
_ELSEWHERE = frozenset({"schema", "columnLineage", "lineage"})


class Statement(NamedTuple):
    """What the job and the datasets of an event say, whichever run says it. `edges` are without the run's parent.

    `under`: the edges with a parent, for those parents that were met: the same events give the same edges.
    """

    job: Node
    job_facets: Facets
    datasets: tuple[DatasetFact, ...]
    edges: tuple[Edge, ...]
    problems: tuple[FacetProblem, ...]
    under: dict[Node, tuple[Edge, ...]]


_statements: Memo[Statement] = Memo(_KNOWN_BYTES)


def normalize(event: TypedEvent) -> Observation:
    """What one OpenLineage event states."""
    body = event.body
    if event.kind == "dataset":
        return _dataset_event(event, body, list(event.bad_facets))
    said = statement_of(event)
    problems: list[FacetProblem] = []
    run = run_said(body.run.runId, body.run.facets, problems) if event.kind == "run" else None
    return Observation(
        time_us=event.event_time_us,
        digest=event_digest(begin_digest(event.stated), run, event.event_time_us, body.eventType, body.producer),
        producer=body.producer,
        job=said.job,
        job_facets=said.job_facets,
        run=None if run is None else run_fact(run, body.eventType),
        datasets=said.datasets,
        edges=said.edges if run is None else with_parent(said, run.parent),
        problems=(*event.bad_facets, *said.problems, *problems),
    )


def run_fact(said: RunSaid, state: str | None) -> RunFact:
    """What an event with this `eventType` says of its run."""
    return RunFact(said.run_id, _STATES[state], said.parent, said.nominal_us, said.error)


def with_parent(said: Statement, parent: tuple[Node, str] | None) -> tuple[Edge, ...]:
    """The edges of a statement, and that of its run's parent."""
    if parent is None or parent[0] == said.job:
        return said.edges
    edges = said.under.get(parent[0])
    if edges is None:
        edges = (Edge(EdgeType.PARENT, parent[0], said.job, Evidence.EXPLICIT), *said.edges)
        if len(said.under) < _PARENTS:
            said.under[parent[0]] = edges
    return edges


def statement_of(event: TypedEvent) -> Statement:
    """The same job with the same datasets says the same: it is not worked out again."""
    known = _statements.get("", event.stated)
    if known is None:
        body = event.body
        known = _new_statement(body)
        parts = (body.job, *(body.inputs or ()), *(body.outputs or ()))
        _statements.put("", event.stated, known, len(event.stated) + sum(map(_cost_bytes, parts)))
    return known


def _new_statement(body: Part) -> Statement:
    problems: list[FacetProblem] = []
    own = job(body.job.namespace, body.job.name)
    explicit = explicit_lineage(body.job.facets.lineage, own)
    facts = tuple(_facts(body, own, explicit, problems))
    problems += job_problems(body.job.facets, "/job/facets")
    kept = _kept(body.job.facets, "/job/facets", problems)
    edges = tuple(dict.fromkeys(_edges(body, own, facts, explicit)))
    return Statement(own, kept, facts, edges, tuple(problems), {})


def _dataset_event(event: TypedEvent, body: Part, problems: list[FacetProblem]) -> Observation:
    fact = _fact(body.dataset, Role.PRODUCER, "/dataset", problems)
    return Observation(
        time_us=event.event_time_us,
        digest=event_digest(begin_digest(event.stated), None, event.event_time_us, None, body.producer),
        producer=body.producer,
        datasets=(fact,),
        edges=tuple(_alias_edges(body.dataset, fact)),
        problems=tuple(problems),
    )


# Datasets


def _facts(body: Part, own: Node, explicit: Explicit | None, problems: list[FacetProblem]) -> Iterator[DatasetFact]:
    for position, part in enumerate(body.inputs or ()):
        fact = _fact(part, Role.READER, f"/inputs/{position}", problems)
        if checks := checks_of(part, own):
            fact = replace(fact, facets={**fact.facets, **checks})
        yield fact if fact.mapping is None else replace(fact, mapping=None, explicit=False)
    governed = set[Node]()
    for position, part in enumerate(body.outputs or ()):
        fact = _fact(part, Role.WRITER, f"/outputs/{position}", problems)
        governed.add(fact.node)
        yield fact if explicit is None else _governed(fact, explicit)
    if explicit is not None:
        yield from _unlisted(explicit, governed)


def _governed(fact: DatasetFact, explicit: Explicit) -> DatasetFact:
    """An output of a job with a `lineage` facet: its own facets count where that one says nothing."""
    stated = explicit.mappings.get(fact.node)
    if stated is None:
        return replace(fact, explicit=True)
    own = fact.mapping or EMPTY
    if fact.explicit:
        return replace(fact, mapping=together(stated, own))
    return replace(fact, mapping=Mapping(stated.fields or own.fields, stated.every), explicit=True)


def _unlisted(explicit: Explicit, listed: set[Node]) -> Iterator[DatasetFact]:
    for node, mapping in explicit.mappings.items():
        if node not in listed:
            yield DatasetFact(node, Role.WRITER, {}, mapping=mapping, explicit=True)


def _fact(part: Part, role: Role, pointer: str, problems: list[FacetProblem]) -> DatasetFact:
    """What a dataset's part of an event says; the same part said again is not read again."""
    known = _known.get(role, part.stated)
    if known is not None:
        return known
    before = len(problems)
    fact = _new_fact(part, role, pointer, problems)
    if len(problems) == before:
        _known.put(role, part.stated, fact, _cost_bytes(part))
    return fact


def _cost_bytes(part: Part) -> int:
    """What the fact takes in memory, about: the JSON of its facets, and something for itself."""
    return _FACT_BYTES + sum(len(data) for data in part.facets.canonical.values() if data is not None)


def _new_fact(part: Part, role: Role, pointer: str, problems: list[FacetProblem]) -> DatasetFact:
    facets = part.facets
    own = facets.lineage
    problems += dataset_problems(facets, f"{pointer}/facets")
    return DatasetFact(
        node=dataset(part.namespace, part.name),
        role=role,
        facets={**_kept(facets, f"{pointer}/facets", problems), **descriptions_of(facets)},
        columns=_columns(facets, pointer, problems),
        mapping=_explicit_mapping(part, own) if own else _mapping(facets),
        explicit=bool(own),
        lifecycle=_lifecycle(facets.lifecycleStateChange),
    )


def _kept(facets: Part, pointer: str, problems: list[FacetProblem]) -> Facets:
    kept = {name: data for name, data in facets.kept().items() if name not in _ELSEWHERE}
    for name in [n for n in kept if is_ours(n)]:
        problems.append(FacetProblem(point(pointer, name), name, "the processor keeps its own facet so: not kept"))
        del kept[name]
    for name in [n for n, data in kept.items() if data is not None and len(data) > KEPT_BYTES]:
        problems.append(FacetProblem(point(pointer, name), name, f"over {KEPT_BYTES} bytes: not kept"))
        del kept[name]
    return kept


def _columns(facets: Part, pointer: str, problems: list[FacetProblem]) -> Columns | None:
    if "schema" in facets.deleted:
        return ()
    if facets.schema is None or facets.schema.fields is None:
        return None
    columns: dict[str, Column] = {}
    chars = 0
    for column in _flatten(facets.schema.fields, ""):
        chars += len(column.path)
        if chars > PATHS_CHARS:
            detail = f"the paths of its columns come to more than {PATHS_CHARS} characters: not kept"
            problems.append(FacetProblem(f"{pointer}/facets/schema", "schema", detail))
            return None
        columns[column.path] = column
    return tuple(columns.values())


def _flatten(fields: Iterable[Part], prefix: str) -> Iterator[Column]:
    for field in fields:
        path = f"{prefix}{field.name}"
        yield Column(path, field.type)
        if field.fields:
            yield from _flatten(field.fields, f"{path}.")


def _mapping(facets: Part) -> Mapping | None:
    if "columnLineage" in facets.deleted:
        return EMPTY
    facet = facets.columnLineage
    if facet is None or (facet.fields is None and facet.dataset is None):
        return None
    fields = {name: list(_field_sources(stated)) for name, stated in named_columns(facet.fields)}
    return normal(fields, sources(facet.dataset, direct=False))


def _field_sources(stated: Part) -> Iterator[Source]:
    """Inputs of one output column; the deprecated `transformationType` speaks for inputs without."""
    for source in sources(stated.inputFields):
        if source.transformations or not stated.transformationType:
            yield source
        else:
            yield source._replace(transformations=(_deprecated(stated.transformationType),))


def _deprecated(name: str) -> Transformation:
    """IDENTITY and MASKED were the deprecated types; both carry the value."""
    return Transformation(direct=name.upper() != "INDIRECT", subtype=name, masking=name.upper() == "MASKED")


def _explicit_mapping(part: Part, facet: Part) -> Mapping:
    fields = {name: list(sources(stated.inputs)) for name, stated in named_columns(facet.fields)}
    fallback = _mapping(part.facets) if not fields else None
    if fallback is not None:
        return Mapping(fallback.fields, normal({}, sources(facet.inputs)).every)
    return normal(fields, sources(facet.inputs))


def _lifecycle(facet: Part) -> Lifecycle | None:
    if facet is None or facet.lifecycleStateChange is None:
        return None
    former = facet.previousIdentifier
    is_known = former is not None and is_named(former)
    return Lifecycle(facet.lifecycleStateChange, dataset(former.namespace, former.name) if is_known else None)


# Edges


def _edges(body: Part, own: Node, facts: Sequence[DatasetFact], explicit: Explicit | None) -> Iterator[Edge]:
    for fact in facts:
        yield from _data_edges(own, fact, governed=explicit is not None)
    for part, fact in zip([*(body.inputs or ()), *(body.outputs or ())], facts, strict=False):
        yield from _alias_edges(part, fact)
    if explicit is not None:
        yield from explicit.edges


def _data_edges(own: Node, fact: DatasetFact, *, governed: bool) -> Iterator[Edge]:
    """Edges of a listed or explicitly named dataset; those that explicit lineage governs infer nothing."""
    evidence = Evidence.EXPLICIT if governed or fact.explicit else Evidence.INPUTS_OUTPUTS
    if fact.role is Role.READER:
        yield Edge(EdgeType.READS, fact.node, own, evidence)
        return
    yield Edge(EdgeType.WRITES, own, fact.node, evidence)
    stated = Evidence.EXPLICIT if fact.explicit else Evidence.COLUMN
    for source in fact.sources:
        yield Edge(EdgeType.READS, source, own, stated)


def _alias_edges(part: Part, fact: DatasetFact) -> Iterator[Edge]:
    symlinks = part.facets.symlinks
    for other in symlinks.identifiers or () if symlinks else ():
        node = dataset(other.namespace, other.name)
        if is_named(other) and node != fact.node:
            yield Edge(EdgeType.SYMLINK, fact.node, node, Evidence.SYMLINK)
    former = fact.lifecycle.previous if fact.lifecycle else None
    if former is not None and fact.lifecycle and fact.lifecycle.state == "RENAME" and former != fact.node:
        yield Edge(EdgeType.SYMLINK, former, fact.node, Evidence.RENAME)
