"""Hold an index to what it must say, through its public reading face, fact by fact."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence

import msgspec

from processor.index.aliases import aliases_of
from processor.index.edges import all_edges
from processor.index.layout import last_word, word_id
from processor.index.view import Link, View
from processor.model.history import KnownMapping, Lane, NodeRecord, RunRecord, SchemaVersion
from processor.model.identity import Kind, Node, run_key
from processor.model.mapping import Mapping, Source
from processor.model.observation import EdgeType
from tests.support.oracle.answers import Oracle, node
from tests.support.oracle.read import Lineage, Name, Sources, Transformations
from tests.support.oracle.values import Run, Schema

Fact = tuple[str, object]
"""What it is about, as a person says it, and what is so."""

Names = dict[bytes, Node]
"""Known nodes by id."""


def differences(view: View, oracle: Oracle) -> list[str]:
    """What the index says otherwise than the events do, one paragraph a fact."""
    found, expected = dict(_found(view, oracle)), dict(_expected(oracle))
    return [
        f"{fact}\n    the index: {found.get(fact, 'nothing')}\n    the events: {expected.get(fact, 'nothing')}"
        for fact in sorted(found.keys() | expected.keys())
        if fact not in found or fact not in expected or found[fact] != expected[fact]
    ]


def _expected(oracle: Oracle) -> Iterator[Fact]:
    for name in oracle.nodes():
        yield from _expected_node(oracle, name)
        yield from _expected_job(oracle, name) if name.kind == "job" else _expected_dataset(oracle, name)
    yield from _expected_links(oracle)
    yield from _expected_mappings(oracle)
    for run in oracle.runs().values():
        yield f"run {run.run_id} of {node(run.job)}", _expected_run(run)
    yield "open runs", sorted((str(node(job)), *of) for job, *of in oracle.open_runs())


def _found(view: View, oracle: Oracle) -> Iterator[Fact]:
    records = [record for kind in (Kind.DATASET, Kind.JOB) for record in view.all_nodes(kind)]
    names = {record.node.id: record.node for record in records}
    for record in records:
        yield from _found_node(view, record)
        yield from _found_job(view, record.node) if record.node.kind is Kind.JOB else _found_dataset(view, record.node)
    yield from _found_links(view, names)
    yield from _found_mappings(view, list(names))
    for job, run_id in oracle.runs():
        run = view.run(node(job), run_id)
        yield f"run {run_id} of {node(job)}", _found_run(run, names) if run else None
    yield "open runs", sorted((str(job), *run) for job, run in view.open_runs())


# Nodes


def _expected_node(oracle: Oracle, name: Name) -> Iterator[Fact]:
    about, seen, change = str(node(name)), oracle.seen(name), oracle.lifecycle(name)
    yield f"{about}: first seen", seen.first_us
    yield f"{about}: last seen", seen.last_us
    yield f"{about}: facets", {key: msgspec.json.decode(text) for key, text in oracle.facets(name).items()}
    yield f"{about}: last write", oracle.last_write_us(name)
    yield f"{about}: hours written", oracle.written_hours(name)
    yield f"{about}: hours started", oracle.started_hours(name)
    yield f"{about}: life cycle", change[1] if change else None
    yield f"{about}: is dropped", oracle.is_dropped(name)
    yield f"{about}: is found by its last word", True


def _found_node(view: View, record: NodeRecord) -> Iterator[Fact]:
    about = str(record.node)
    yield f"{about}: first seen", record.first_seen_us
    yield f"{about}: last seen", record.last_seen_us
    yield f"{about}: facets", {key: msgspec.json.decode(data) for key, data in record.facets.items()}
    yield f"{about}: last write", record.last_write_us
    yield f"{about}: hours written", record.written_hours
    yield f"{about}: hours started", record.started_hours
    yield f"{about}: life cycle", record.lifecycle.state if record.lifecycle else None
    yield f"{about}: is dropped", record.dropped
    yield f"{about}: is found by its last word", record.node.id in view.found_by(word_id(last_word(record.node.name)))


# Datasets


def _expected_dataset(oracle: Oracle, name: Name) -> Iterator[Fact]:
    about = str(node(name))
    for observer in oracle.lanes(name):
        versions, (at, plain) = oracle.schemas(name, observer), oracle.current_schema(name, observer)
        current = versions[plain].columns if plain is not None else None
        seen_by = tuple(map(str, observer))
        yield (
            f"{about}: schema as {seen_by} sees it",
            (at.time_us, current, sorted(map(_version, versions.values()), key=str)),
        )
    yield f"{about}: columns", oracle.columns(name)
    yield f"{about}: its names", sorted(str(node(other)) for other in oracle.names_of(name))


def _found_dataset(view: View, dataset: Node) -> Iterator[Fact]:
    for lane in view.lanes(dataset):
        yield f"{dataset}: schema as {tuple(map(str, lane.observer))} sees it", _lane(lane)
    yield f"{dataset}: columns", tuple(map(tuple, view.columns(dataset)))
    names = view.nodes(aliases_of(view, [dataset.id])[dataset.id])
    yield f"{dataset}: its names", sorted(str(record.node) for record in names.values())


def _version(version: Schema) -> tuple[object, ...]:
    return version.columns, *version.seen[:2], version.hours, version.run_id or ""


def _lane(lane: Lane) -> Sequence[object]:
    current = lane.version(lane.current)
    versions = sorted(map(_kept_version, lane.versions), key=str)
    return lane.current_us, tuple(map(tuple, current.columns)) if current else None, versions


def _kept_version(kept: SchemaVersion) -> tuple[object, ...]:
    return tuple(map(tuple, kept.columns)), kept.first_seen_us, kept.last_seen_us, kept.hours, kept.run_id or ""


# Links


def _expected_links(oracle: Oracle) -> Iterator[Fact]:
    for (type_, src, dst), seen in oracle.links().items():
        if oracle.is_in_force((type_, src, dst), seen.evidence):
            yield f"edge {type_} {node(src)} → {node(dst)}", (seen.evidence, seen.first_us, seen.last_us)
        yield f"{type_} out of {node(src)} to {node(dst)}", (seen.evidence, seen.first_us, seen.last_us)
        yield f"{type_} into {node(dst)} from {node(src)}", (seen.evidence, seen.first_us, seen.last_us)
    for (owner, output, source), seen in oracle.derivations().items():
        way = f"{node(source)} to {node(output)} by {node(owner)}"
        yield f"derives out of {way}", (seen.evidence, seen.first_us, seen.last_us)
    for (owner, output), seen in oracle.derived().items():
        yield f"derives into {node(output)} by {node(owner)}", (seen.evidence, seen.first_us, seen.last_us)


def _found_links(view: View, names: Names) -> Iterator[Fact]:
    for edge in all_edges(view):
        if edge.type is not EdgeType.DERIVES:
            yield f"edge {edge.type} {edge.src} → {edge.dst}", (edge.evidence, edge.first_seen_us, edge.last_seen_us)
    for id_, links in view.out_links(list(names)).items():
        for link in links:
            yield _out_of(names, id_, link), (link.evidence, link.first_us, link.last_us)
    for id_, links in view.in_links(list(names)).items():
        for link in links:
            way = "by" if link.type is EdgeType.DERIVES else "from"
            about = f"{link.type} into {names[id_]} {way} {names[link.other]}"
            yield about, (link.evidence, link.first_us, link.last_us)


def _out_of(names: Names, id_: bytes, link: Link) -> str:
    by = f" by {names[link.owner]}" if link.owner else ""
    return f"{link.type} out of {names[id_]} to {names[link.other]}{by}"


# Column lineage


def _expected_mappings(oracle: Oracle) -> Iterator[Fact]:
    for (owner, output), versions in oracle.mappings().items():
        about = f"mapping of {node(owner)} for {node(output)}"
        for version in versions:
            seen = version.seen
            facts = (seen.evidence, seen.first_us, seen.last_us, version.is_current)
            yield f"{about}: {_stated(version.lineage)}", facts
        current = oracle.current_mapping(owner, output)
        if current is not None:
            yield f"current {about}", _stated(current)


def _found_mappings(view: View, owners: list[bytes]) -> Iterator[Fact]:
    for known in (each for found in view.mappings(owners).values() for each in found):
        facts = (known.evidence, known.first_seen_us, known.last_seen_us, known.is_current)
        yield f"{_about(known)}: {_kept(known.mapping)}", facts
    for by_output in view.current_mappings(owners).values():
        for known in by_output.values():
            yield f"current {_about(known)}", _kept(known.mapping)


def _about(known: KnownMapping) -> str:
    return f"mapping of {known.owner} for {known.output}"


def _stated(lineage: Lineage) -> str:
    return _said({name: _flat(sources) for name, sources in lineage.fields.items()}, _flat(lineage.every))


def _kept(mapping: Mapping) -> str:
    return _said({out.field: _flat(_sources(out.sources)) for out in mapping.fields}, _flat(_sources(mapping.every)))


def _ways(source: Source) -> Transformations:
    return frozenset((t.direct, t.subtype, t.masking) for t in source.transformations)


def _sources(sources: Iterable[Source]) -> Sources:
    return {
        (s.namespace, s.name, s.field or ""): frozenset((t.direct, t.subtype, t.masking) for t in s.transformations)
        for s in sources
    }


def _flat(sources: Sources) -> list[object]:
    return [[*source, sorted(ways)] for source, ways in sorted(sources.items())]


def _said(fields: dict[str, list[object]], every: list[object]) -> str:
    return msgspec.json.encode([dict(sorted(fields.items())), every]).decode()


# Jobs and runs


def _expected_job(oracle: Oracle, name: Name) -> Iterator[Fact]:
    finished = oracle.finished(name)
    yield f"{node(name)}: finished runs", [_ended(run) for run in finished]
    yield f"{node(name)}: runs of one shape", _classes([run.shape for run in finished])
    yield f"{node(name)}: open runs", sorted(tuple(of) for job, *of in oracle.open_runs() if job == name)
    job_type = msgspec.json.decode(oracle.facets(name).get("jobType", "{}"))
    yield f"{node(name)}: type", tuple(job_type.get(key) for key in ("processingType", "integration", "jobType"))


def _found_job(view: View, job: Node) -> Iterator[Fact]:
    history = view.jobs([job.id])[job.id]
    finished = sorted(history.finished, key=lambda run: (run.ended_us, run_key(job, run.run_id)), reverse=True)
    yield f"{job}: finished runs", [tuple(run[:-1]) for run in finished]
    yield f"{job}: runs of one shape", _classes([run.signature for run in finished])
    yield f"{job}: open runs", sorted(map(tuple, history.open))
    yield f"{job}: type", (history.processing_type, history.integration, history.job_type)


def _ended(run: Run) -> Sequence[object]:
    counts = (len(run.inputs), len(run.outputs), len(run.mapped))
    return run.run_id, run.since_us, run.end_us, run.state, *counts


def _classes(shapes: Sequence[Hashable]) -> list[int]:
    """Which of them are equal: each as the position of the first that is like it."""
    return [shapes.index(shape) for shape in shapes]


def _expected_run(run: Run) -> dict[str, object]:
    return {
        "state": run.state,
        "first seen": run.first_us,
        "last event": run.last_us,
        "started": run.start_us,
        "ended": run.end_us,
        "inputs": sorted(str(node(name)) for name in run.inputs),
        "outputs": sorted(str(node(name)) for name in run.outputs),
        "parent": (node(run.parent[0]), run.parent[1]) if run.parent else None,
        "nominal": run.nominal_us,
        "error": run.error,
    }


def _found_run(run: RunRecord, names: Names) -> dict[str, object]:
    return {
        "state": run.state,
        "first seen": run.first_seen_us,
        "last event": run.last_event_us,
        "started": run.started_us,
        "ended": run.ended_us,
        "inputs": sorted(str(names[i]) for i in run.inputs),
        "outputs": sorted(str(names[i]) for i in run.outputs),
        "parent": run.parent,
        "nominal": run.nominal_us,
        "error": run.error,
    }
