"""What the graph ends in, among what a change affects: dashboards, models, features, tables that nobody reads on.

Rules kept here:
- a dataset or job is one when its `datasetType` or `jobType` facet says so (`MODEL` of dbt is a table's query: it is
  none), whoever reads on;
- so is a dataset that, under none of its names, anybody reads but tests, and a job that writes nothing and is no test.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from processor.index.columns import live_names
from processor.index.facets import facet_reader
from processor.index.records import Link
from processor.index.view import View
from processor.model.alert import Affected
from processor.model.history import NodeRecord
from processor.model.identity import Kind
from processor.model.observation import EdgeType

_SEEN_BY_PEOPLE = frozenset({"DASHBOARD", "REPORT", "CHART", "WORKBOOK", "EXPOSURE", "APPLICATION"})
_LEARNED = frozenset({"MODEL", "ML_MODEL", "TRAINING", "INFERENCE", "FEATURE", "FEATURE_VIEW", "FEATURE_GROUP"})
_ENDS = _SEEN_BY_PEOPLE | _LEARNED
_TESTS = frozenset({"TEST", "VALIDATION", "ASSERTION"})
_NEVER_LEARNED = "DBT"


class _JobType(msgspec.Struct):
    integration: str = ""
    jobType: str | None = None  # noqa: N815  the facet's own name


_job_type_of = facet_reader(_JobType)


class _DatasetType(msgspec.Struct):
    datasetType: str = ""  # noqa: N815  the facet's own name


_dataset_type_of = facet_reader(_DatasetType)


class _Known(NamedTuple):
    """Of what is affected, and of who reads it: the records, the links downstream, and all names of each dataset."""

    records: dict[bytes, NodeRecord]
    links: dict[bytes, list[Link]]
    names: dict[bytes, frozenset[bytes]]


def exposures(view: View, datasets: Sequence[Affected], jobs: Sequence[Affected]) -> tuple[Affected, ...]:
    """Those of these that the graph ends in, nearest first. Costs a few round trips, however many there are."""
    if not datasets and not jobs:
        return ()
    names = live_names(view, [each.node.id for each in datasets])
    asked = {each.node.id for each in jobs}.union(*names.values())
    links = view.out_links(sorted(asked))
    readers = {link.other for found in links.values() for link in found if link.type is EdgeType.READS}
    known = _Known(view.nodes(sorted(asked | readers)), links, names)
    found = [each for each in (*datasets, *jobs) if _is_end(each.node.id, known)]
    return tuple(sorted(found, key=lambda each: (each.possible, each.depth, str(each.node))))


def _is_end(id_: bytes, known: _Known) -> bool:
    record = known.records.get(id_)
    if record is None:
        return False
    if record.node.kind is Kind.JOB:
        return _is_named_so(record) or not (_is_test(record) or _has(EdgeType.WRITES, known.links[id_]))
    return _is_named_so(record) or not any(_is_read_on(name, known) for name in known.names[id_])


def _is_read_on(dataset: bytes, known: _Known) -> bool:
    links = known.links[dataset]
    readers = (known.records.get(link.other) for link in links if link.type is EdgeType.READS)
    return _has(EdgeType.DERIVES, links) or any(reader is not None and not _is_test(reader) for reader in readers)


def _has(type_: EdgeType, links: Iterable[Link]) -> bool:
    return any(link.type is type_ for link in links)


def _is_named_so(record: NodeRecord) -> bool:
    if record.node.kind is Kind.DATASET:
        stated = _dataset_type_of(record.facets.get("datasetType"))
        return stated.datasetType.upper() in _ENDS
    job_type, integration = _job_type(record)
    return job_type in _SEEN_BY_PEOPLE or (job_type in _LEARNED and integration != _NEVER_LEARNED)


def _is_test(record: NodeRecord) -> bool:
    return _job_type(record)[0] in _TESTS


def _job_type(record: NodeRecord) -> tuple[str, str]:
    stated = _job_type_of(record.facets.get("jobType"))
    return (stated.jobType or "").upper(), stated.integration.upper()
