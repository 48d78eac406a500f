"""The events that the producers of a chaos run send: a company of jobs over five days of event time. Pure.

Everything follows from the seed and the number of records. The span stays below the allowed lateness, so that any
order in which the records come to be read is one that the index must not care about.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tests.support.events import NAMESPACE, Json, at, column_lineage, event, facet, schema, table

SPAN_MIN: Final = 5 * 24 * 60
_PERIODS_MIN: Final = (60, 90, 120, 180, 240)
_TYPES: Final = ("int", "bigint", "string", "decimal(10,2)", "timestamp")
_KINDS: Final = ("plain", "plain", "drifting", "lossy", "silent", "stuck", "failing", "streaming", "explicit", "orphan")


class Timed(NamedTuple):
    """An event, and the minute of event time at which it happened. `job` groups what one producer sends."""

    minute: float
    job: str
    value: Json


@dataclass(slots=True)
class _Job:
    number: int
    kind: str
    period: int
    reads: list[str]
    writes: str
    columns: list[str] = field(default_factory=list)
    former: list[list[str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.kind}_{self.number}"


def history(seed: int, count: int) -> list[Timed]:
    """At least `count` events, ordered by their time."""
    rng = random.Random(f"history {seed}")
    events: list[Timed] = []
    number = 0
    while len(events) < count or number < len(_KINDS):
        job = _job(rng, number)
        events += [*_life(rng, job), *_said_of_datasets(rng, job)]
        number += 1
    return sorted(events, key=lambda each: (each.minute, each.job))


def _job(rng: random.Random, number: int) -> _Job:
    kind = _KINDS[number % len(_KINDS)]
    sources = [f"wh.stage.t{other}" for other in range(number)] or ["wh.raw.t0"]
    reads = rng.sample(sources, min(len(sources), rng.randint(1, 3)))
    if kind == "orphan" and number % 20 == 9:
        reads.append(f"wh.stage.unwritten_{number}")
    if rng.random() < 0.5:
        reads.append(f"wh.raw.t{rng.randint(0, 5)}")
    columns = [f"c{n}:{rng.choice(_TYPES)}" for n in range(rng.randint(2, 6))]
    return _Job(number, kind, rng.choice(_PERIODS_MIN), reads, f"wh.stage.t{number}", columns)


def _life(rng: random.Random, job: _Job) -> Iterator[Timed]:
    start, run = rng.uniform(0, job.period), 0
    end = SPAN_MIN * (0.5 if job.kind == "silent" else 1)
    while start < end:
        yield from _run(rng, job, start, job.number * 10_000 + run)
        _drift(rng, job)
        start += job.period * rng.uniform(0.9, 1.1)
        run += 1


def _run(rng: random.Random, job: _Job, start: float, run: int) -> Iterator[Timed]:
    length = job.period * rng.uniform(0.05, 0.3)
    for minute, state in _states(rng, job, start, length):
        yield Timed(minute, job.name, _event(rng, job, minute, state, run))


def _states(rng: random.Random, job: _Job, start: float, length: float) -> Iterator[tuple[float, str | None]]:
    """START, perhaps something between, an end perhaps: OTHER may come first, and times may be equal."""
    if rng.random() < 0.1:
        yield start - rng.uniform(0, 2), "OTHER"
    yield start, "START"
    if rng.random() < 0.3:
        yield start + length / 2, rng.choice(("RUNNING", "OTHER", None))
    if job.kind == "stuck" and rng.random() < 0.2:
        return
    end = start if rng.random() < 0.05 else start + length
    is_bad = job.kind == "failing" and rng.random() < 0.3
    yield end, rng.choice(("FAIL", "ABORT")) if is_bad else "COMPLETE"
    if rng.random() < 0.03:
        yield end + 1, rng.choice(("OTHER", "COMPLETE", "FAIL"))


def _event(rng: random.Random, job: _Job, minute: float, state: str | None, run: int) -> Json:
    """What is said grows over a run: each event names some of the inputs, outputs come with the end."""
    is_end = state in ("COMPLETE", "FAIL")
    some = [name for name in job.reads if rng.random() < 0.7] or job.reads[:1]
    names = job.reads if is_end else some
    if job.kind == "lossy" and minute > SPAN_MIN * 0.8:
        names = []
    outputs = [_output(rng, job)] if is_end else []
    return event(
        job.name,
        state,
        minute,
        run=run,
        inputs=[table(name, NAMESPACE, **_input_facets(rng, job, name)) for name in names],
        outputs=outputs,
        run_facets=_run_facets(rng, job),
        job_facets=_job_facets(rng, job),
    )


def _output(rng: random.Random, job: _Job) -> Json:
    facets: dict[str, object] = {}
    if rng.random() < 0.9:
        facets["schema"] = schema(*job.columns)
    if job.kind != "explicit" and rng.random() < 0.8:
        names = [column.partition(":")[0] for column in job.columns]
        mapping = {name: [(rng.choice(job.reads), f"c{rng.randint(0, 3)}")] for name in names[: rng.randint(1, 3)]}
        facets["columnLineage"] = column_lineage(mapping, indirect=rng.random() < 0.1)
    if rng.random() < 0.2:
        facets["ownership"] = facet(owners=[{"name": f"team-{rng.randint(0, 3)}"}])
    if rng.random() < 0.1:
        facets["acme_quality"] = rng.choice((None, {"_deleted": True}, facet(score=rng.randint(0, 9))))
    if rng.random() < 0.02:
        other = {"namespace": "s3://lake", "name": f"stage/t{job.number}", "type": "LOCATION"}
        facets["symlinks"] = facet(identifiers=[other])
    return table(job.writes, NAMESPACE, **facets)


def _input_facets(rng: random.Random, job: _Job, name: str) -> Json:
    """Readers state narrower schemas, of what nobody writes too."""
    if not name.startswith("wh.raw") or rng.random() < 0.5:
        return {}
    return {"schema": schema(*[column for column in ("id:int", "amount:int") if hash_of(column, job.number) % 5])}


def hash_of(text: str, number: int) -> int:
    """A number that is the same in every process, unlike `hash`."""
    return sum(text.encode()) + number


def _run_facets(rng: random.Random, job: _Job) -> Json:
    if rng.random() < 0.7:
        return {}
    parent = {"namespace": "shop", "name": f"dag_{job.number % 4}"}
    return {"parent": facet(job=parent, run={"runId": f"00000000-0000-4000-8000-{job.number:012d}"})}


def _job_facets(rng: random.Random, job: _Job) -> Json:
    facets: Json = {}
    if job.kind == "streaming":
        facets["jobType"] = facet(processingType="STREAMING", integration="FLINK", jobType="JOB")
    if job.kind == "explicit":
        inputs = [{"type": "DATASET", "namespace": NAMESPACE, "name": name} for name in job.reads]
        entry = {"type": "DATASET", "namespace": NAMESPACE, "name": job.writes, "inputs": inputs}
        facets["lineage"] = facet(entries=[entry])
    if rng.random() < 0.1:
        facets["ownership"] = facet(owners=[{"name": f"team-{rng.randint(0, 3)}"}])
    return facets


def _drift(rng: random.Random, job: _Job) -> None:
    """Change the columns now and then, or go back to what they were."""
    if job.kind != "drifting" or rng.random() > 0.1:
        return
    if job.former and rng.random() < 0.4:
        job.columns = job.former.pop()
        return
    job.former.append(list(job.columns))
    place, columns = rng.randrange(len(job.columns)), list(job.columns)
    name = columns[place].partition(":")[0]
    match rng.choice(("add", "drop", "retype")):
        case "drop" if len(columns) > 1:
            del columns[place]
        case "retype":
            columns[place] = f"{name}:{rng.choice(_TYPES)}"
        case _:
            columns.append(f"extra{len(job.former)}:{rng.choice(_TYPES)}")
    job.columns = columns


def _said_of_datasets(rng: random.Random, job: _Job) -> Iterator[Timed]:
    """What a catalogue says: dropped tables that may be written again, renames, declared jobs."""
    minute, by = rng.uniform(0, SPAN_MIN), f"catalog_{job.number % 3}"
    if rng.random() < 0.2:
        yield Timed(minute, by, _of_dataset(job.writes, minute, lifecycleStateChange="DROP"))
    if rng.random() < 0.05:
        former = {"namespace": NAMESPACE, "name": f"wh.stage.old_t{job.number}"}
        body = _of_dataset(job.writes, minute, lifecycleStateChange="RENAME", previousIdentifier=former)
        yield Timed(minute, by, body)
    if rng.random() < 0.2:
        yield Timed(minute, by, _of_job(job, minute))


def _of_dataset(name: str, minute: float, **lifecycle: object) -> Json:
    facets = {"lifecycleStateChange": facet(**lifecycle)}
    dataset = {"namespace": NAMESPACE, "name": name, "facets": facets}
    return {"eventTime": at(minute), "producer": "https://example.com/catalog/2.1", "dataset": dataset}


def _of_job(job: _Job, minute: float) -> Json:
    stated = {"namespace": "shop", "name": job.name, "facets": {}}
    inputs = [table(name) for name in job.reads]
    return {"eventTime": at(minute), "producer": "https://example.com/catalog/2.1", "job": stated, "inputs": inputs}
