"""Impact on random small graphs, against rules written out naively."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from processor.index.impact import impact
from processor.index.view import View
from processor.model.alert import Affected
from tests.support.events import NAMESPACE, Json, ds, event, facet, memory, schema, table

FIELDS = ("x", "y")
NAMES = ("a", "b", "c", "d")
Column = tuple[str, str]
Verdict = tuple[int, bool]
"""Depth, and whether direct (columns) or certain (datasets, jobs)."""


class Input(NamedTuple):
    """A source of one output field, or of the whole output."""

    column: Column
    to: str | None
    direct: bool


class Job(NamedTuple):
    """A job with one output; without `mapping` it says nothing of columns."""

    reads: frozenset[str]
    writes: str
    mapping: tuple[Input, ...]

    def inputs(self) -> frozenset[str]:
        return self.reads | {source.column[0] for source in self.mapping}

    def steps(self) -> Iterator[tuple[Column, Column, bool]]:
        for source in self.mapping:
            for name in FIELDS if source.to is None else (source.to,):
                yield source.column, (self.writes, name), source.direct


columns = st.tuples(st.sampled_from(NAMES), st.sampled_from(FIELDS))
sources = st.builds(Input, columns, st.sampled_from([*FIELDS, None]), st.booleans())
jobs = st.builds(
    Job,
    st.frozensets(st.sampled_from(NAMES), min_size=1, max_size=2),
    st.sampled_from(NAMES),
    st.lists(sources, max_size=3).map(tuple),
)


def stated(number: int, job: Job) -> Json:
    """The job as an event."""
    fields: dict[str, Json] = {}
    every: list[Json] = []
    for source in job.mapping:
        there = every if source.to is None else fields.setdefault(source.to, {"inputFields": []})["inputFields"]
        name, field = source.column
        kind = [{"type": "DIRECT" if source.direct else "INDIRECT", "subtype": "IDENTITY"}]
        there.append({"namespace": NAMESPACE, "name": name, "field": field, "transformations": kind})
    facets: Json = {"columnLineage": facet(fields=fields, dataset=every)} if job.mapping else {}
    output = table(job.writes, schema=schema(*FIELDS), **facets)
    return event(f"j{number}", run=number, inputs=[table(name) for name in sorted(job.inputs())], outputs=[output])


def expected_columns(graph: list[Job], start: Column) -> dict[Column, Verdict]:
    """Least depth, and whether any path is direct, by repeating every step until nothing changes."""
    found: dict[Column, Verdict] = {start: (0, True)}
    before = None
    while before != found:
        before = dict(found)
        for src, dst, direct in (step for job in graph for step in job.steps()):
            if src in found and dst != start:
                depth, is_direct = found[src]
                there = found.get(dst, (depth + 1, False))
                found[dst] = (min(there[0], depth + 1), there[1] or (direct and is_direct))
    return found


def expected_possible(graph: list[Job], certain: dict[str, int]) -> dict[str, int]:
    """Least depth at which any column of a dataset may have changed."""
    found: dict[str, int] = {}
    before = None
    while before != found:
        before = dict(found)
        for job in graph:
            for depth in behind(job, certain, found):
                found[job.writes] = min(found.get(job.writes, depth), depth)
    return found


def behind(job: Job, certain: dict[str, int], possible: dict[str, int]) -> Iterator[int]:
    """The depths at which a job is reached without a column being named."""
    named = {source.column[0] for source in job.mapping}
    for name in job.inputs():
        if name in certain and name not in named and name != job.writes:
            yield certain[name] + 1
        if name in possible and name != job.writes:
            yield possible[name] + 1


def listed(affected: tuple[Affected, ...]) -> dict[str, Verdict]:
    return {each.node.name: (each.depth, not each.possible) for each in affected}


@given(st.lists(jobs, min_size=1, max_size=6), columns)
def test_impact_is_what_the_rules_say(graph: list[Job], start: Column) -> None:
    found = impact(View(memory(*(stated(n, job) for n, job in enumerate(graph)))), ds(start[0]), [start[1]])
    reached = expected_columns(graph, start)
    assert {(a.node.name, a.node.field): (a.depth, a.direct) for a in found.columns} == {
        column: verdict for column, verdict in reached.items() if column != start
    }
    certain: dict[str, int] = {}
    for (name, _), (depth, _) in reached.items():
        certain[name] = min(certain.get(name, depth), depth)
    possible = expected_possible(graph, certain)
    both = {name: (depth, False) for name, depth in possible.items()}
    both |= {name: (depth, True) for name, depth in certain.items()}
    assert listed(found.datasets) == {name: verdict for name, verdict in both.items() if name != start[0]}
    touched = {j for j, job in enumerate(graph) if any(src in reached for src, _, _ in job.steps())}
    assert {name for name, (_, is_certain) in listed(found.jobs).items() if is_certain} == {f"j{n}" for n in touched}
