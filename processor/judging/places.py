"""Which datasets of the index a proposal is about, and what is known of their columns.

Rules kept here:
- dbt names a relation `database.schema.alias`, in the namespace of the warehouse, which its manifest does not tell:
  every namespace that has the name counts, or the one that was asked for;
- a model that is built under another database or schema here (a run of CI, say) is known by its id in the facet
  `dbt_node` of the job that writes it;
- the columns that are known are those of the schema that stands, and those that a mapping for the dataset names now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from processor.index.facets import facet_reader
from processor.index.layout import last_word, word_id
from processor.index.view import Link, View, current_columns
from processor.judging.dbt import Manifest, Model
from processor.model.history import NodeRecord
from processor.model.identity import Kind, Node, canonical_namespace
from processor.model.observation import EdgeType
from processor.model.pages import pages
from processor.model.tables import Column, Columns

_DAY_US = 86_400_000_000


class _DbtNode(msgspec.Struct):
    unique_id: str = ""


_dbt_node_of = facet_reader(_DbtNode)


class _JobType(msgspec.Struct):
    integration: str = ""
    jobType: str = ""  # noqa: N815  as OpenLineage names it


_job_type_of = facet_reader(_JobType)


class BuiltBefore(NamedTuple):
    """A model that the index knows and the manifest does not: its id, what it made, when its job was seen last."""

    id: str
    dataset: Node
    seen_us: int


def dbt_id(job: NodeRecord) -> str:
    """The id of the dbt node that a job is; empty for any other job."""
    return _dbt_node_of(job.facets.get("dbt_node")).unique_id


def is_test(job: NodeRecord) -> bool:
    """Whether a job is dbt's test: it reads, and nothing depends on it."""
    said = _job_type_of(job.facets.get("jobType"))
    return (said.integration.upper(), said.jobType.upper()) == ("DBT", "TEST")


def datasets_of(view: View, models: Iterable[Model], namespace: str | None) -> dict[str, list[Node]]:
    """The datasets of each model, by its id."""
    found: dict[str, list[Node]] = {}
    for page in pages(models):
        words = {model.id: word_id(last_word(model.relation)) for model in page}
        ids = view.found_by_any(sorted(set(words.values())))
        records = view.nodes(sorted({i for some in ids.values() for i in some}))
        there = {i: record for i, record in records.items() if _counts(record, namespace)}
        likely = {id_: [there[i] for i in ids[word] if i in there] for id_, word in words.items()}
        found |= _named(view, page, likely)
    return found


def _counts(record: NodeRecord, namespace: str | None) -> bool:
    if record.node.kind is not Kind.DATASET or record.dropped:
        return False
    return namespace is None or record.node.namespace == canonical_namespace(namespace)


def _named(view: View, models: Sequence[Model], likely: Mapping[str, Sequence[NodeRecord]]) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for model in models:
        exact = [r.node for r in likely[model.id] if r.node.name == model.relation]
        alike = [r.node for r in likely[model.id] if r.node.name.casefold() == model.relation.casefold()]
        found[model.id] = sorted(exact or alike, key=str)
    others = {model.id: likely[model.id] for model in models if not found[model.id]}
    writers = _writers(view, sorted({r.node.id for records in others.values() for r in records}))
    for id_, records in others.items():
        own = [r.node for r in records if id_ in map(dbt_id, writers.get(r.node.id, ()))]
        found[id_] = sorted(own, key=str)
    return found


def _writers(view: View, datasets: Sequence[bytes]) -> dict[bytes, list[NodeRecord]]:
    writing = {i: [link.other for link in links if _writes(link)] for i, links in view.in_links(datasets).items()}
    jobs = view.nodes(sorted({job for found in writing.values() for job in found}))
    return {i: [jobs[job] for job in found if job in jobs] for i, found in writing.items()}


def _writes(link: Link) -> bool:
    return link.type is EdgeType.WRITES


def built_before(view: View, manifest: Manifest, namespace: str | None) -> list[BuiltBefore]:
    """The models of this project that the index knows, and the manifest no more has. Reads every job's name."""
    prefix = f"model.{manifest.project}."
    jobs = {r.node.id: (dbt_id(r), r) for r in view.all_nodes(Kind.JOB) if dbt_id(r).startswith(prefix)}
    if not manifest.project or not jobs:
        return []
    newest_us = max(record.last_seen_us for _, record in jobs.values())
    gone = {i: each for i, each in jobs.items() if each[0] not in manifest.ids}
    alive = {i: each for i, each in gone.items() if each[1].last_seen_us >= newest_us - _DAY_US}
    return list(_outputs(view, alive, {model.relation for model in manifest.models.values()}, namespace))


def _outputs(
    view: View, jobs: Mapping[bytes, tuple[str, NodeRecord]], taken: Collection[str], namespace: str | None
) -> Iterator[BuiltBefore]:
    links = view.out_links(sorted(jobs))
    outputs = view.nodes(sorted({link.other for found in links.values() for link in found if _writes(link)}))
    for i, found in sorted(links.items(), key=lambda pair: jobs[pair[0]][0]):
        for link in found:
            record = outputs.get(link.other)
            if _writes(link) and record is not None and _counts(record, namespace) and record.node.name not in taken:
                yield BuiltBefore(jobs[i][0], record.node, jobs[i][1].last_seen_us)


def known_columns(view: View, datasets: Sequence[Node], *, also_mapped: bool) -> dict[Node, Columns]:
    """The columns of datasets as the index knows them."""
    stated = {dataset: current_columns(lanes) for dataset, lanes in view.lanes_of(datasets).items()}
    asked = [dataset for dataset in datasets if also_mapped or not stated[dataset]]
    mapped = _mapped(view, asked)
    return {d: (*columns, *_besides(columns, mapped.get(d.id, ()))) for d, columns in stated.items()}


def _besides(columns: Columns, mapped: Iterable[str]) -> Iterator[Column]:
    known = {column.path.casefold() for column in columns}
    yield from (Column(name) for name in sorted(set(mapped)) if name.casefold() not in known)


def _mapped(view: View, datasets: Sequence[Node]) -> dict[bytes, list[str]]:
    """What the newest mapping of anybody for these datasets names."""
    links = view.in_links([dataset.id for dataset in datasets])
    owners = sorted({link.other for found in links.values() for link in found if link.type is EdgeType.DERIVES})
    found: dict[bytes, tuple[int, list[str]]] = {}
    for known in (each for of_owner in view.current_mappings(owners).values() for each in of_owner.values()):
        names = [output.field for output in known.mapping.fields]
        found[known.output.id] = max(found.get(known.output.id, (0, [])), (known.last_seen_us, names))
    return {i: names for i, (_, names) in found.items() if i in links}
