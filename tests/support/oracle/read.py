"""What one OpenLineage event states, read from its JSON.

- Evidence, strongest first: the `lineage` facet, then `columnLineage`, then inputs and outputs.
- Absent says nothing, null is absent, empty clears, `_deleted` takes back.
- A parent contains its child; only reads, writes and aliases are edges between data and jobs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from processor.model.observation import EdgeType, Evidence, Role

Json = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT_APART = {"schema", "columnLineage", "lineage"}


class Name(NamedTuple):
    """Who a node is."""

    kind: str
    namespace: str
    name: str


class Stamp(NamedTuple):
    """When an event happened, and its digest, which decides between equal times."""

    time_us: int
    digest: bytes


Transformations = frozenset[tuple[bool, str, bool]]
"""Of each: does it carry the value, what is it called, does it mask."""
Sources = dict[tuple[str, str, str], Transformations]
"""Inputs by namespace, name and field ("" for the whole dataset)."""


@dataclass(frozen=True)
class Lineage:
    """What an output's columns are made from, and what reaches the whole of it."""

    fields: dict[str, Sources]
    every: Sources

    @property
    def is_empty(self) -> bool:
        return not self.fields and not self.every

    def datasets(self) -> set[Name]:
        found = [self.every, *self.fields.values()]
        return {Name("dataset", namespace, name) for sources in found for namespace, name, _ in sources}

    def plus(self, other: Lineage) -> Lineage:
        names = [*self.fields, *(name for name in other.fields if name not in self.fields)]
        fields = {name: _merged(self.fields.get(name, {}), other.fields.get(name, {})) for name in names}
        return Lineage(fields, _merged(self.every, other.every))


@dataclass(frozen=True)
class Stated:
    """What an event says of a dataset in one role. None says nothing; an empty `columns` clears."""

    name: Name
    role: Role
    facets: dict[str, str | None]
    columns: list[tuple[str, str | None]] | None = None
    lineage: Lineage | None = None
    is_explicit: bool = False
    lifecycle: str | None = None


class Link(NamedTuple):
    """An edge, from → to with the data."""

    type: EdgeType
    src: Name
    dst: Name
    evidence: Evidence


@dataclass(frozen=True)
class Event:
    """Everything that one event states."""

    at: Stamp
    producer: str
    job: Name | None
    job_facets: dict[str, str | None]
    run_id: str | None
    state: str
    parent: tuple[Name, str] | None
    nominal_us: tuple[int, int | None] | None
    error: str | None
    datasets: list[Stated]
    links: list[Link]


def read(event: Json, digest: bytes) -> Event:
    """What an event states; `digest` is the processor's, nothing more than a number that tells events apart."""
    job = name_of("job", event["job"]) if event.get("job") else None
    run = event.get("run")
    facets = _facets(run) if run else {}
    explicit = _job_lineage(event["job"], job) if job else None
    datasets = list(_datasets(event, explicit))
    return Event(
        at=Stamp(_time_us(event["eventTime"]), digest),
        producer=event["producer"],
        job=job,
        job_facets=_kept(event["job"]) if job else {},
        run_id=run["runId"].lower() if run else None,
        state=event.get("eventType") or "OTHER",
        parent=_parent(facets.get("parent")),
        nominal_us=_nominal(facets.get("nominalTime")),
        error=facets["errorMessage"]["message"] if "errorMessage" in facets else None,
        datasets=datasets,
        links=list(_links(event, job, datasets, explicit)),
    )


def _time_us(text: str) -> int:
    """Microseconds, as near as a double comes to them (exact until the year 2255)."""
    return int(float((datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)))


def name_of(kind: str, part: Json) -> Name:
    """Scheme and authority compare without regard to case, all else exactly."""
    scheme, separator, rest = part["namespace"].partition("://")
    authority, slash, path = rest.partition("/")
    canonical = f"{scheme.lower()}://{authority.lower()}{slash}{path}" if separator else scheme
    return Name(kind, canonical, part["name"])


def _facets(part: Json) -> Json:
    return {name: facet for name, facet in (part.get("facets") or {}).items() if facet is not None}


def _present(part: Json) -> Json:
    return {name: facet for name, facet in _facets(part).items() if not _is_deleted(facet)}


def _is_deleted(facet: object) -> bool:
    return isinstance(facet, dict) and facet.get("_deleted") is True


def _kept(part: Json) -> dict[str, str | None]:
    """Facets to keep as they came, in one spelling; None takes one back."""
    found = {name: facet for name, facet in _facets(part).items() if name not in _KEPT_APART}
    return {name: None if _is_deleted(facet) else _spelled(facet) for name, facet in found.items()}


def _spelled(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _parent(facet: Json | None) -> tuple[Name, str] | None:
    return (name_of("job", facet["job"]), facet["run"]["runId"].lower()) if facet else None


def _nominal(facet: Json | None) -> tuple[int, int | None] | None:
    if facet is None:
        return None
    end = facet.get("nominalEndTime")
    return _time_us(facet["nominalStartTime"]), _time_us(end) if end else None


# Datasets


def _datasets(event: Json, explicit: dict[Name, Lineage] | None) -> Iterator[Stated]:
    if event.get("dataset"):
        yield _stated(event["dataset"], Role.PRODUCER, None)
    for part in event.get("inputs") or ():
        stated = _stated(part, Role.READER, None)
        yield replace(stated, facets=stated.facets | _checks(part, name_of("job", event["job"])))
    listed = []
    for part in event.get("outputs") or ():
        listed.append(name_of("dataset", part))
        yield _stated(part, Role.WRITER, explicit)
    for name, lineage in (explicit or {}).items():
        if name not in listed:
            yield Stated(name, Role.WRITER, {}, lineage=lineage, is_explicit=True)


def _checks(part: Json, job: Name) -> dict[str, str | None]:
    """What the run found when it checked an input."""
    facet = (part.get("inputFacets") or {}).get("dataQualityAssertions")
    if facet is None:
        return {}
    failed = [
        {
            "blocks": check.get("severity") != "warn",
            **{key: check[key] for key in ("assertion", "column") if key in check},
        }
        for check in facet["assertions"]
        if not check["success"]
    ]
    blocking_first = [check for blocks in (True, False) for check in failed if check["blocks"] is blocks]
    by = {"namespace": job.namespace, "name": job.name}
    said = _spelled({"checks": len(facet["assertions"]), "failed": blocking_first, "job": by})
    return {f"dataQualityAssertions@{job.namespace}:{job.name}": said}


def _stated(part: Json, role: Role, explicit: dict[Name, Lineage] | None) -> Stated:
    facets, name = _facets(part), name_of("dataset", part)
    lineage, is_explicit = (None, False) if role is Role.READER else _lineage_of(part, (explicit or {}).get(name))
    lifecycle = _present(part).get("lifecycleStateChange")
    return Stated(
        name,
        role,
        _kept(part) | _descriptions(facets.get("schema")),
        columns=_columns(facets.get("schema")),
        lineage=lineage,
        is_explicit=is_explicit or (explicit is not None and role is Role.WRITER),
        lifecycle=lifecycle["lifecycleStateChange"] if lifecycle else None,
    )


def _columns(facet: Json | None) -> list[tuple[str, str | None]] | None:
    if facet is None:
        return None
    return [] if _is_deleted(facet) else list(_flat(facet["fields"], ""))


def _descriptions(facet: Json | None) -> dict[str, str | None]:
    """What a schema says of its columns in words."""
    if facet is None:
        return {}
    said = {} if _is_deleted(facet) else dict(_described(facet["fields"], ""))
    return {"schema@descriptions": _spelled(said) if said else None} if said or _is_deleted(facet) else {}


def _described(fields: Iterable[Json], prefix: str) -> Iterator[tuple[str, str]]:
    for field in fields:
        if field.get("description") is not None:
            yield prefix + field["name"], field["description"]
        yield from _described(field.get("fields") or (), f"{prefix}{field['name']}.")


def _flat(fields: Iterable[Json], prefix: str) -> Iterator[tuple[str, str | None]]:
    for field in fields:
        yield prefix + field["name"], field.get("type")
        yield from _flat(field.get("fields") or (), f"{prefix}{field['name']}.")


# Column lineage


def _lineage_of(part: Json, by_job: Lineage | None) -> tuple[Lineage | None, bool]:
    """What an output is said to be made from, and whether a `lineage` facet says so."""
    own, columns = _present(part).get("lineage"), _column_lineage(_facets(part).get("columnLineage"))
    if own is not None:
        stated = _entry_lineage(own)
        if not stated.fields and columns is not None:
            stated = Lineage(columns.fields, stated.every)
        return (stated.plus(by_job) if by_job else stated), True
    if by_job is not None:
        fields = by_job.fields or (columns.fields if columns else {})
        return Lineage(fields, by_job.every), True
    return columns, False


def _column_lineage(facet: Json | None) -> Lineage | None:
    if facet is None:
        return None
    if _is_deleted(facet):
        return Lineage({}, {})
    fields = {name: _sources(stated["inputFields"]) for name, stated in facet["fields"].items()}
    return Lineage(fields, _sources(facet.get("dataset"), is_direct=False))


def _job_lineage(part: Json, own: Name) -> dict[Name, Lineage] | None:
    """Sources by output, as a job's `lineage` facet states them; None without one."""
    facet = _present(part).get("lineage")
    if facet is None:
        return None
    found: dict[Name, Lineage] = {}
    for entry in facet["entries"]:
        if entry["type"] != "DATASET" or _names_writers_only(entry, own):
            continue
        name = name_of("dataset", entry)
        found[name] = found.get(name, Lineage({}, {})).plus(_entry_lineage(entry))
    return found


def _names_writers_only(entry: Json, own: Name) -> bool:
    """The entry says that other jobs write the dataset, and nothing of this one."""
    inputs = entry.get("inputs") or []
    return bool(inputs) and not entry.get("fields") and all(_is_job(i) and name_of("job", i) != own for i in inputs)


def _entry_lineage(entry: Json) -> Lineage:
    fields = {name: _sources(stated["inputs"]) for name, stated in (entry.get("fields") or {}).items()}
    return Lineage(fields, _sources(entry.get("inputs")))


def _sources(stated: list[Json] | None, *, is_direct: bool = True) -> Sources:
    """Without a stated transformation an input says nothing more, or is known to be indirect."""
    found: Sources = {}
    unstated: Transformations = frozenset() if is_direct else frozenset({(False, "", False)})
    for part in stated or ():
        if not _is_job(part):
            name = name_of("dataset", part)
            ways = frozenset(_transformation(each) for each in part.get("transformations") or ())
            found = _merged(found, {(name.namespace, name.name, part.get("field") or ""): ways or unstated})
    return found


def _transformation(stated: Json) -> tuple[bool, str, bool]:
    return stated["type"] != "INDIRECT", stated.get("subtype") or "", bool(stated.get("masking"))


def _merged(one: Sources, other: Sources) -> Sources:
    return {key: one.get(key, frozenset()) | other.get(key, frozenset()) for key in {**one, **other}}


def _is_job(part: Json) -> bool:
    return part.get("type") == "JOB"


# Edges


def _links(
    event: Json, job: Name | None, datasets: list[Stated], explicit: dict[Name, Lineage] | None
) -> Iterator[Link]:
    listed = [*(event.get("inputs") or ()), *(event.get("outputs") or ())]
    for part in [event["dataset"]] if event.get("dataset") else listed:
        yield from _aliases(part)
    if job is None:
        return
    parent = _parent(_facets(event["run"]).get("parent")) if event.get("run") else None
    if parent is not None and parent[0] != job:
        yield Link(EdgeType.PARENT, parent[0], job, Evidence.EXPLICIT)
    for stated in datasets:
        yield from _data_links(job, stated, is_governed=explicit is not None)
    if explicit is not None:
        yield from _links_of_others(event["job"], job)


def _data_links(job: Name, stated: Stated, *, is_governed: bool) -> Iterator[Link]:
    evidence = Evidence.EXPLICIT if is_governed or stated.is_explicit else Evidence.INPUTS_OUTPUTS
    if stated.role is Role.READER:
        yield Link(EdgeType.READS, stated.name, job, evidence)
        return
    yield Link(EdgeType.WRITES, job, stated.name, evidence)
    how = Evidence.EXPLICIT if stated.is_explicit else Evidence.COLUMN
    for source in stated.lineage.datasets() if stated.lineage else ():
        yield Link(EdgeType.READS, source, job, how)


def _links_of_others(part: Json, own: Name) -> Iterator[Link]:
    """What a `lineage` facet says of jobs: an entry about one says what it reads, an input that is one writes."""
    for entry in _present(part)["lineage"]["entries"]:
        about = name_of(entry["type"].lower(), entry) if entry.get("name") else own
        for source in entry.get("inputs") or ():
            other = name_of(source["type"].lower(), source) if source.get("name") else own
            if about.kind == "job" and other.kind == "dataset":
                yield Link(EdgeType.READS, other, about, Evidence.EXPLICIT)
            elif about.kind == "dataset" and other.kind == "job":
                yield Link(EdgeType.WRITES, other, about, Evidence.EXPLICIT | Evidence.DECLARED)


def _aliases(part: Json) -> Iterator[Link]:
    name, facets = name_of("dataset", part), _present(part)
    for other in facets.get("symlinks", {}).get("identifiers") or ():
        if name_of("dataset", other) != name:
            yield Link(EdgeType.SYMLINK, name, name_of("dataset", other), Evidence.SYMLINK)
    change = facets.get("lifecycleStateChange", {})
    if change.get("lifecycleStateChange") == "RENAME" and change.get("previousIdentifier"):
        former = name_of("dataset", change["previousIdentifier"])
        if former != name:
            yield Link(EdgeType.SYMLINK, former, name, Evidence.RENAME)
