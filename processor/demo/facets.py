"""The facets that the sample company's producers send, as plain JSON objects of OpenLineage 2-0-2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

PRODUCER: Final = "https://acme.example/pipelines/1.4.0"
_SPEC: Final = "https://openlineage.io/spec/facets"

Facet = dict[str, Any]
InputColumn = tuple[str, str, str]
"""Namespace, dataset, column."""


def schema(columns: Mapping[str, str]) -> Facet:
    """`schema`: the columns with their types, in order."""
    fields = [{"name": name, "type": type_} for name, type_ in columns.items()]
    return {**_base("1-2-0/SchemaDatasetFacet"), "fields": fields}


def column_lineage(derives: Mapping[str, Iterable[InputColumn]], filters: Iterable[InputColumn]) -> Facet:
    """`columnLineage`: what each output column is made from, and what the whole output depends on."""
    fields = {
        name: {"inputFields": [_input(each, "DIRECT", "TRANSFORMATION") for each in inputs]}
        for name, inputs in derives.items()
    }
    dataset = [_input(each, "INDIRECT", "FILTER") for each in filters]
    return {**_base("1-2-0/ColumnLineageDatasetFacet"), "fields": fields, "dataset": dataset}


def ownership(owner: str) -> Facet:
    """`ownership` of a dataset: one owner."""
    return {**_base("1-0-1/OwnershipDatasetFacet"), "owners": [{"name": owner, "type": "OWNER"}]}


def parent_run(namespace: str, name: str, run_id: str) -> Facet:
    """`parent`: the run that started this one, which is also the root."""
    job, run = {"namespace": namespace, "name": name}, {"runId": run_id}
    return {**_base("1-1-0/ParentRunFacet"), "job": job, "run": run, "root": {"job": job, "run": run}}


def nominal_time(start: str) -> Facet:
    """`nominalTime`: the schedule's time, RFC 3339."""
    return {**_base("1-0-1/NominalTimeRunFacet"), "nominalStartTime": start}


def job_type(integration: str, kind: str) -> Facet:
    """`jobType` of a batch job."""
    base = _base("2-0-3/JobTypeJobFacet")
    return {**base, "processingType": "BATCH", "integration": integration, "jobType": kind}


def _base(path: str) -> Facet:
    version, name = path.split("/")
    return {"_producer": PRODUCER, "_schemaURL": f"{_SPEC}/{version}/{name}.json#/$defs/{name}"}


def _input(column: InputColumn, kind: str, subtype: str) -> Facet:
    namespace, name, field = column
    transformation = {"type": kind, "subtype": subtype}
    return {"namespace": namespace, "name": name, "field": field, "transformations": [transformation]}
