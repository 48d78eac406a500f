"""Datasets, jobs and runs in Marquez's form, many of them in few round trips."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from processor.api.marquez.ids import version_id
from processor.index.facets import facet_reader
from processor.index.tags import tags_of
from processor.index.view import Link, View, current_columns
from processor.model.history import FinishedRun, JobHistory, KnownMapping, Lane, NodeRecord, OpenRun, RunRecord
from processor.model.identity import Node
from processor.model.observation import DESCRIPTIONS, EdgeType, RunState
from processor.model.tables import Columns
from processor.render.records import Record
from processor.render.times import rfc3339

__all__ = [
    "as_uri",
    "datasets",
    "jobs",
    "namespace",
    "open_run",
    "run",
    "run_detail",
    "short_id",
    "source",
    "tag",
    "versions",
]

_STATES: Final = {
    RunState.COMPLETE: "COMPLETED",
    RunState.FAIL: "FAILED",
    RunState.ABORT: "ABORTED",
    RunState.START: "RUNNING",
    RunState.RUNNING: "RUNNING",
    RunState.OTHER: "NEW",
}
_STREAMS: Final = frozenset({"STREAM", "TOPIC"})
_LATEST_RUNS: Final = 10
_HAS_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(//)?/?[^/?#]")
_IN_URI: Final = ":/?@!$&'()*+,;=~"


class _Documentation(msgspec.Struct):
    description: str = ""


_documentation_of = facet_reader(_Documentation)


class _Source(msgspec.Struct):
    name: str = ""


_source_of = facet_reader(_Source)


class _Location(msgspec.Struct):
    url: str = ""


_location_of = facet_reader(_Location)


class _Type(msgspec.Struct):
    datasetType: str = ""  # noqa: N815 - the facet's own name


_type_of = facet_reader(_Type)
_descriptions_of = facet_reader(dict[str, str])


def as_uri(namespace: str) -> str:
    """A namespace as a URI, which clients parse: what may not stand in one is percent-encoded."""
    if _HAS_SCHEME.match(namespace):
        return quote(namespace, safe=_IN_URI)
    return quote(namespace, safe="")


def short_id(node: Node) -> Record:
    """`{"namespace", "name"}`."""
    return {"namespace": node.namespace, "name": node.name}


def namespace(name: str, since_us: int) -> Record:
    """A namespace; nothing is kept of it but its nodes."""
    since = rfc3339(since_us)
    own = {"name": name, "createdAt": since, "updatedAt": since}
    return {**own, "ownerName": "anonymous", "description": None, "isHidden": False}


def source(name: str, since_us: int) -> Record:
    """Where datasets are: their namespace."""
    since = rfc3339(since_us)
    kind = name.partition(":")[0].upper()
    own = {"type": kind, "name": name, "createdAt": since, "updatedAt": since}
    return {**own, "connectionUrl": as_uri(name), "description": None}


def tag(name: str) -> Record:
    """A tag."""
    return {"name": name, "description": None}


# Datasets


def datasets(view: View, records: Sequence[NodeRecord]) -> list[Record]:
    """These datasets, with their columns and what each derives from."""
    lanes = view.lanes_of([record.node for record in records])
    owners = _owners(view, [record.node for record in records])
    current = view.current_mappings(sorted({i for of in owners.values() for i in of}))
    return [_dataset(r, current_columns(lanes[r.node]), _mapped(r.node, owners[r.node.id], current)) for r in records]


def _owners(view: View, nodes: Sequence[Node]) -> dict[bytes, list[bytes]]:
    """Who states mappings for these datasets."""
    links = view.in_links([node.id for node in nodes])
    return {i: [link.other for link in found if link.type is EdgeType.DERIVES] for i, found in links.items()}


def _mapped(node: Node, owners: Iterable[bytes], current: dict[bytes, dict[bytes, KnownMapping]]) -> list[Record]:
    """What each column derives from, as Marquez's `columnLineage`."""
    inputs: dict[str, list[Record]] = {}
    for owner in owners:
        known = current.get(owner, {}).get(node.id)
        for output in known.mapping.fields if known else ():
            for source in output.sources:
                if source.field is not None:
                    inputs.setdefault(output.field, []).append(_input_field(source.node, direct=source.direct))
    return [{"name": name, "inputFields": inputs[name]} for name in sorted(inputs)]


def _input_field(column: Node, *, direct: bool) -> Record:
    return {
        "namespace": column.namespace,
        "dataset": column.name,
        "field": column.field,
        "transformationDescription": None,
        "transformationType": "DIRECT" if direct else "INDIRECT",
    }


def _dataset(record: NodeRecord, columns: Columns, column_lineage: list[Record]) -> Record:
    node, tags = record.node, _tag_names(record)
    created, updated = rfc3339(record.first_seen_us), rfc3339(record.last_seen_us)
    return {
        "id": short_id(node),
        "type": "STREAM" if _is_stream(record) else "DB_TABLE",
        "name": node.name,
        "physicalName": node.name,
        "createdAt": created,
        "updatedAt": updated,
        "namespace": node.namespace,
        "sourceName": _source_of(record.facets.get("dataSource")).name or node.namespace,
        "fields": _fields(record, columns, tags),
        "tags": tags.get(None, []),
        "lastModifiedAt": None if record.last_write_us is None else rfc3339(record.last_write_us),
        "lastLifecycleState": record.lifecycle.state if record.lifecycle else None,
        "description": _description(record),
        "currentVersion": version_id(node, msgspec.json.encode(columns)),
        "columnLineage": column_lineage,
        "facets": {name: msgspec.Raw(facet) for name, facet in record.facets.items()},
        "deleted": record.dropped,
    }


def _fields(record: NodeRecord, columns: Columns, tags: Mapping[str | None, list[str]]) -> list[Record]:
    described = _descriptions_of(record.facets.get(DESCRIPTIONS))
    return [
        {
            "name": column.path,
            "type": column.type,
            "tags": tags.get(column.path, []),
            "description": described.get(column.path) or None,
        }
        for column in columns
    ]


def _tag_names(record: NodeRecord) -> dict[str | None, list[str]]:
    """The tags of each column that has any, by its path; by None those of the whole."""
    found: dict[str | None, set[str]] = {}
    for tag in tags_of(record.facets):
        found.setdefault(tag.field, set()).add(tag.key)
    return {field: sorted(keys) for field, keys in found.items()}


def _is_stream(record: NodeRecord) -> bool:
    stated = _type_of(record.facets.get("datasetType")).datasetType.upper()
    return stated in _STREAMS or (not stated and record.node.namespace.startswith("kafka:"))


def versions(record: NodeRecord, form: Record, lanes: Sequence[Lane]) -> list[Record]:
    """The schemas that a dataset had, as its authority stated them; the newest first."""
    best = lanes[0].versions if lanes else ()
    return [
        {
            **form,
            "id": {**form["id"], "version": version_id(record.node, version.fingerprint)},
            "version": version_id(record.node, version.fingerprint),
            "createdAt": rfc3339(version.first_seen_us),
            "fields": _fields(record, version.columns, {}),
            "createdByRun": None if version.run_id is None else _run_of_version(version.run_id, version.first_seen_us),
            "lifecycleState": form["lastLifecycleState"],
        }
        for version in sorted(best, key=lambda version: -version.first_seen_us)
    ]


def _run_of_version(run_id: str, at_us: int) -> Record:
    return _run(run_id, "COMPLETED", at_us, None, None)


# Jobs and runs


def jobs(view: View, records: Sequence[NodeRecord]) -> list[Record]:
    """These jobs, with what they read and write and their newest runs."""
    ids = [record.node.id for record in records]
    into, out, histories = view.in_links(ids), view.out_links(ids), view.jobs(ids)
    others = view.nodes({link.other for links in (*into.values(), *out.values()) for link in links})

    def named(links: Iterable[Link], type_: EdgeType) -> list[Node]:
        return sorted({others[link.other].node for link in links if link.type is type_ and link.other in others})

    return [
        _job(
            record,
            histories[record.node.id],
            named(into[record.node.id], EdgeType.READS),
            named(out[record.node.id], EdgeType.WRITES),
            named(into[record.node.id], EdgeType.PARENT),
        )
        for record in records
    ]


def _job(
    record: NodeRecord, history: JobHistory, inputs: list[Node], outputs: list[Node], parents: list[Node]
) -> Record:
    node, newest = record.node, [*(open_run(each) for each in reversed(history.open)), *map(run, history.finished)]
    parent = parents[0].name if parents else None
    return {
        "id": short_id(node),
        "type": {"STREAMING": "STREAM", "SERVICE": "SERVICE"}.get(history.processing_type or "", "BATCH"),
        "name": node.name,
        "simpleName": node.name.removeprefix(f"{parent}.") if parent else node.name,
        "parentJobName": parent,
        "parentJobUuid": version_id(parents[0]) if parents else None,
        "createdAt": rfc3339(record.first_seen_us),
        "updatedAt": rfc3339(record.last_seen_us),
        "namespace": node.namespace,
        "inputs": [short_id(each) for each in inputs],
        "outputs": [short_id(each) for each in outputs],
        "location": _location_of(record.facets.get("sourceCodeLocation")).url or None,
        "description": _description(record),
        "latestRun": newest[0] if newest else None,
        "latestRuns": newest[:_LATEST_RUNS],
        "currentVersion": version_id(node),
        "currentRunUuid": newest[0]["id"] if newest else None,
        "tags": sorted({tag.key for tag in tags_of(record.facets)}),
        "labels": [],
        "facets": {name: msgspec.Raw(facet) for name, facet in record.facets.items()},
    }


def run(of: FinishedRun) -> Record:
    """A run that ended. One of which no more than its end was heard has no start, rather than one at its end."""
    started_us = of.started_us if 0 < of.started_us < of.ended_us else None
    return _run(of.run_id, _STATES[of.state], started_us, of.ended_us, None)


def open_run(of: OpenRun) -> Record:
    """A run that has not; NEW until it has started."""
    if of.has_started:
        return _run(of.run_id, _STATES[RunState.RUNNING], of.started_us, None, None)
    created = rfc3339(of.started_us)
    return {**_run(of.run_id, _STATES[RunState.OTHER], None, None, None), "createdAt": created, "updatedAt": created}


def run_detail(of: RunRecord) -> Record:
    """A run with all that is kept of it."""
    form = _run(of.run_id, _STATES[of.state], of.started_us, of.ended_us, of.nominal_us)
    if of.started_us is None:
        form["createdAt"], form["updatedAt"] = rfc3339(of.first_seen_us), rfc3339(of.last_event_us)
    form["jobVersion"] = {**short_id(of.job), "version": version_id(of.job)}
    form["facets"] = {"errorMessage": {"message": of.error}} if of.error else {}
    return form


def _run(
    run_id: str, state: str, started_us: int | None, ended_us: int | None, nominal_us: tuple[int, int | None] | None
) -> Record:
    began = started_us if started_us is not None else ended_us or 0
    took_ms = None if started_us is None or ended_us is None else max(0, ended_us - started_us) // 1000
    nominal = nominal_us or (None, None)
    return {
        "id": run_id,
        "createdAt": rfc3339(began),
        "updatedAt": rfc3339(began if ended_us is None else ended_us),
        "nominalStartTime": _time(nominal[0]),
        "nominalEndTime": _time(nominal[1]),
        "state": state,
        "startedAt": _time(started_us),
        "endedAt": _time(ended_us),
        "durationMs": took_ms,
        "args": {},
        "jobVersion": None,
        "inputDatasetVersions": [],
        "outputDatasetVersions": [],
        "facets": {},
    }


def _time(time_us: int | None) -> str | None:
    return None if time_us is None else rfc3339(time_us)


def _description(record: NodeRecord) -> str | None:
    facet = record.facets.get("documentation")
    return _documentation_of(facet).description or None
