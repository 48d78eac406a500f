"""The `lineage` facet of jobs: explicit lineage, entry by entry.

An entry of type DATASET says what that dataset derives from; one of type JOB says what that job
reads; JOB without a name is the event's own job. Source: OpenLineage `lineage` facet 1-0-0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from processor.decode.names import is_misnamed, is_named, named_columns
from processor.model.identity import Node, dataset, job
from processor.model.mapping import EMPTY, Mapping, Source, Transformation, normal, together
from processor.model.observation import Edge, EdgeType, Evidence

Part = Any
"""A part of a typed event: its type is compiled from the .avsc at start, so none stands here."""


@dataclass(frozen=True, slots=True)
class Explicit:
    """What a `lineage` facet states: sources by output dataset, and edges of the jobs it names."""

    mappings: dict[Node, Mapping]
    edges: tuple[Edge, ...]


def explicit_lineage(facet: Part, own: Node) -> Explicit | None:
    """Read a job's `lineage` facet; None where there is none."""
    if facet is None:
        return None
    entries = [entry for entry in facet.entries or () if not is_misnamed(entry)]
    mappings: dict[Node, Mapping] = {}
    for entry in entries:
        if entry.type == "DATASET" and is_named(entry) and not _is_by_others(entry, own):
            node = dataset(entry.namespace, entry.name)
            mappings[node] = together(mappings.get(node, EMPTY), _mapping(entry))
    return Explicit(mappings, tuple(edge for entry in entries for edge in _job_edges(entry, own)))


def sources(stated: Iterable[Part] | None, *, direct: bool = True) -> Iterator[Source]:
    """Inputs that name a dataset, as sources. `direct` holds where no transformation is stated."""
    for part in stated or ():
        if is_named(part) and getattr(part, "type", None) != "JOB":
            node = dataset(part.namespace, part.name)
            kinds = tuple(sorted({_transformation(t) for t in part.transformations or ()}))
            default = () if direct else (Transformation(direct=False),)
            yield Source(node.namespace, node.name, part.field or None, kinds or default)


def _transformation(stated: Part) -> Transformation:
    return Transformation(stated.type != "INDIRECT", stated.subtype or "", bool(stated.masking))


def _mapping(entry: Part) -> Mapping:
    fields = {name: list(sources(stated.inputs)) for name, stated in named_columns(entry.fields)}
    return normal(fields, sources(entry.inputs))


def _job_edges(entry: Part, own: Node) -> Iterator[Edge]:
    if entry.type == "JOB":
        reader = _job(entry, own)
        for source in sources(entry.inputs):
            yield Edge(EdgeType.READS, source.node.dataset, reader, Evidence.EXPLICIT)
    elif entry.type == "DATASET" and is_named(entry):
        output = dataset(entry.namespace, entry.name)
        for part in entry.inputs or ():
            if part.type == "JOB" and not is_misnamed(part):
                yield Edge(EdgeType.WRITES, _job(part, own), output, Evidence.EXPLICIT | Evidence.DECLARED)


def _is_by_others(entry: Part, own: Node) -> bool:
    """Whether the entry says no more than that other jobs write the dataset."""
    inputs = entry.inputs or ()
    by_others = [part for part in inputs if part.type == "JOB" and _job(part, own) != own]
    return bool(inputs) and len(by_others) == len(inputs) and not entry.fields


def _job(part: Part, own: Node) -> Node:
    return job(part.namespace, part.name) if part.namespace and part.name else own
