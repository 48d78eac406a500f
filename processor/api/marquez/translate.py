"""What a writing call of Marquez's clients says, as an OpenLineage event: the only way into the index.

| call | event |
|---|---|
| dataset: create, tag, delete | DatasetEvent; of a run of which it is an output, RunEvent OTHER |
| job: create, tag | JobEvent; of a run, RunEvent OTHER |
| run: create | RunEvent OTHER, with `nominalTime` and `executionParameters` |
| run: start, complete, fail, abort | RunEvent START, COMPLETE, FAIL, ABORT |

Pure. Source: Marquez 0.51, what its resources take; OpenLineage spec 2-0-2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec

from processor.decode.rules import time_us
from processor.index.expiry import DAY_US
from processor.index.tags import own_facet_name
from processor.model.identity import Kind, Node
from processor.render.times import rfc3339

__all__ = [
    "DATASET_TYPES",
    "JOB_TYPES",
    "DatasetMeta",
    "JobMeta",
    "OfRun",
    "RunMeta",
    "create_dataset",
    "create_job",
    "create_run",
    "dated",
    "drop_dataset",
    "mark_run",
    "set_tag",
]

Event = dict[str, Any]
Facets = dict[str, Any]
PRODUCER: Final = "urn:lineage-processor:marquez"
_SPEC: Final = "https://openlineage.io/spec"
_SCHEMAS: Final = {
    "schema": "1-2-0/SchemaDatasetFacet",
    "documentation": "1-1-0/DocumentationDatasetFacet",
    "dataSource": "1-0-1/DatasourceDatasetFacet",
    "datasetType": "1-0-0/DatasetTypeDatasetFacet",
    "lifecycleStateChange": "1-0-1/LifecycleStateChangeDatasetFacet",
    "jobType": "2-0-4/JobTypeJobFacet",
    "sourceCodeLocation": "1-0-1/SourceCodeLocationJobFacet",
    "sql": "1-1-0/SQLJobFacet",
    "nominalTime": "1-0-1/NominalTimeRunFacet",
    "executionParameters": "1-0-0/ExecutionParametersRunFacet",
}
_OWN_TAG: Final = "urn:lineage-processor:tag"
_TYPES: Final = {"DB_TABLE": "TABLE", "STREAM": "STREAM"}
_PROCESSING: Final = {"BATCH": "BATCH", "STREAM": "STREAMING", "SERVICE": "SERVICE"}
DATASET_TYPES: Final = tuple(_TYPES)
JOB_TYPES: Final = tuple(_PROCESSING)
_Tag = Annotated[str, msgspec.Meta(min_length=1)]


class _Field(msgspec.Struct):
    name: str
    type: str | None = None
    description: str | None = None
    tags: list[_Tag] | None = None


class DatasetMeta(msgspec.Struct, rename="camel"):
    """What a dataset is created or changed with. `run_id`: the run that wrote it."""

    type: Literal["DB_TABLE", "STREAM"]
    source_name: str | None = None
    description: str | None = None
    fields: list[_Field] | None = None
    tags: list[_Tag] | None = None
    run_id: str | None = None


class _Id(msgspec.Struct):
    namespace: str
    name: str


class JobMeta(msgspec.Struct, rename="camel"):
    """What a job is created or changed with. `run_id`: the run whose inputs and outputs these are."""

    type: Literal["BATCH", "STREAM", "SERVICE"]
    inputs: list[_Id] | None = None
    outputs: list[_Id] | None = None
    location: str | None = None
    description: str | None = None
    context: dict[str, Any] | None = None
    run_id: str | None = None


class RunMeta(msgspec.Struct, rename="camel"):
    """What a run is created with."""

    id: str | None = None
    nominal_start_time: str | None = None
    nominal_end_time: str | None = None
    args: dict[str, Any] | None = None


class OfRun(NamedTuple):
    """A run and its job."""

    job: Node
    run_id: str


# Datasets


def create_dataset(at: str, node: Node, meta: DatasetMeta, run: OfRun | None = None) -> Event:
    """A dataset with what is said of it; an output of `run`, if one wrote it."""
    facets = {
        **_facet("lifecycleStateChange", lifecycleStateChange="CREATE"),
        **_facet("datasetType", datasetType=_TYPES[meta.type]),
        **(_facet("dataSource", name=meta.source_name) if meta.source_name else {}),
        **_documentation(meta.description),
        **(_facet("schema", fields=[_column(each) for each in meta.fields]) if meta.fields is not None else {}),
        **_tags(meta),
    }
    if run is None:
        return _dataset_event(at, node, facets)
    return {**_run_event(at, "OTHER", run), "outputs": [_named(node, facets)]}


def drop_dataset(at: str, node: Node) -> Event:
    """A dataset that is there no more."""
    return _dataset_event(at, node, _facet("lifecycleStateChange", lifecycleStateChange="DROP"))


def set_tag(at: str, node: Node, key: str, field: str | None = None, *, off: bool = False) -> Event:
    """A tag of a dataset, of one of its columns or of a job, set or taken off."""
    facets = _tag(key, field, off=off)
    return _dataset_event(at, node, facets) if node.kind is Kind.DATASET else _job_event(at, node, facets)


def _column(field: _Field) -> dict[str, str]:
    stated = {"name": field.name, "type": field.type, "description": field.description}
    return {name: value for name, value in stated.items() if value or (name == "description" and value is not None)}


def _tags(meta: DatasetMeta) -> Facets:
    facets = dict[str, Any]()
    for key in meta.tags or ():
        facets |= _tag(key, None)
    for field in meta.fields or ():
        for key in field.tags or ():
            facets |= _tag(key, field.name)
    return facets


def _tag(key: str, field: str | None, *, off: bool = False) -> Facets:
    """One tag; see `index.tags`."""
    tag = {"key": key, "value": "true", "source": "USER", **({} if field is None else {"field": field})}
    own = {"tags": [], "without": [tag]} if off else {"tags": [tag]}
    return {own_facet_name(key, field): {"_producer": PRODUCER, "_schemaURL": _OWN_TAG, **own}}


# Jobs and runs


def create_job(at: str, node: Node, meta: JobMeta, run: OfRun | None = None) -> Event:
    """A job with what is said of it; or what is said of it where a run of it is named."""
    query = next((value for name, value in (meta.context or {}).items() if name.lower() == "sql"), None)
    facets = {
        **_facet("jobType", processingType=_PROCESSING[meta.type], integration="MARQUEZ", jobType="JOB"),
        **(_facet("sourceCodeLocation", type="git", url=meta.location) if meta.location else {}),
        **(_facet("sql", query=query) if isinstance(query, str) else {}),
        **_documentation(meta.description),
    }
    event = _job_event(at, node, facets) if run is None else _run_event(at, "OTHER", run, facets)
    return {**event, "inputs": _ids(meta.inputs), "outputs": _ids(meta.outputs)}


def create_run(at: str, run: OfRun, meta: RunMeta) -> Event:
    """A run that has not started."""
    event = _run_event(at, "OTHER", run)
    nominal = {"nominalStartTime": meta.nominal_start_time, "nominalEndTime": meta.nominal_end_time}
    args = [{"key": key, "value": value} for key, value in (meta.args or {}).items()]
    event["run"]["facets"] = {
        **(_facet("nominalTime", **{k: v for k, v in nominal.items() if v}) if meta.nominal_start_time else {}),
        **(_facet("executionParameters", parameters=args) if args else {}),
    }
    return event


def mark_run(at: str, run: OfRun, state: str) -> Event:
    """A run that started or ended; `state` as OpenLineage calls it."""
    return _run_event(at, state, run)


# Events


def dated(event: Event, known_us: Mapping[str, int]) -> Event:
    """The event, so dated that it comes after what is `known_us` of the same facets: another process's clock may lead.

    A lead of a day or more is no clock's: what was dated so is left alone.
    """
    at_us = time_us(event["eventTime"])
    facets = (event.get("dataset") or event["job"])["facets"]
    newest_us = max((known_us[name] for name in facets if name in known_us), default=0)
    if at_us is None or not at_us <= newest_us < at_us + DAY_US:
        return event
    return {**event, "eventTime": rfc3339(newest_us + 1)}


def _dataset_event(at: str, node: Node, facets: Facets) -> Event:
    return {**_event(at, "DatasetEvent"), "dataset": _named(node, facets)}


def _job_event(at: str, node: Node, facets: Facets) -> Event:
    return {**_event(at, "JobEvent"), "job": _named(node, facets)}


def _run_event(at: str, state: str, run: OfRun, job_facets: Facets | None = None) -> Event:
    of_job = _named(run.job, job_facets or {})
    return {**_event(at, "RunEvent"), "eventType": state, "run": {"runId": run.run_id, "facets": {}}, "job": of_job}


def _event(at: str, kind: str) -> Event:
    return {"eventTime": at, "producer": PRODUCER, "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/{kind}"}


def _named(node: Node, facets: Facets) -> Event:
    return {"namespace": node.namespace, "name": node.name, "facets": facets}


def _ids(stated: Iterable[_Id] | None) -> list[Event]:
    return [{"namespace": each.namespace, "name": each.name} for each in stated or ()]


def _documentation(description: str | None) -> Facets:
    return _facet("documentation", description=description) if description else {}


def _facet(kind: str, /, **members: object) -> Facets:
    return {kind: {"_producer": PRODUCER, "_schemaURL": f"{_SPEC}/facets/{_SCHEMAS[kind]}.json", **members}}
