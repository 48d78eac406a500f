"""The lineage events of a made-up company, the same for the same seed.

Rules kept here:
- START has about 1.2 KB: run facets and jobType; COMPLETE about 7 KB: 20-field schemas, columnLineage of every output
  column, sql, parent, nominalTime, dataSource;
- a layered graph: a job reads one table of the layer before its own, one in ten reads a second, and writes one;
- a job's runs are ten minutes, an hour or a day apart, and every run has an id and times of its own; events come in
  the order of their times.
"""

from __future__ import annotations

import heapq
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import msgspec

from tests.support.events import Json, at, column_lineage, event, facet, schema, table, us

LAYERS = 8
DAGS = 97
_OF_DAG_RUN = 1 << 60
_EVERY_MINUTES, _SHARES = (10, 60, 1440), (10, 50, 40)
COLUMNS = (
    *("order_id:bigint", "customer_id:bigint", "ordered_at:timestamp", "shipped_at:timestamp", "status:varchar(16)"),
    *("currency:char(3)", "gross_amount:decimal(12,2)", "net_amount:decimal(12,2)", "discount:decimal(12,2)"),
    *("tax:decimal(12,2)", "items:integer", "channel:varchar(32)", "country:char(2)", "region:varchar(64)"),
    *("campaign_id:bigint", "coupon:varchar(32)", "is_first:boolean", "warehouse_id:integer", "carrier:varchar(32)"),
    "loaded_at:timestamp",
)
NAMES = tuple(column.partition(":")[0] for column in COLUMNS)
_SOURCE = facet(name="warehouse", uri="postgres://warehouse:5432")
_RUN, _DAG_RUN = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
_BEGIN, _END, _NOMINAL, _NOMINAL_END = (f"2001-01-0{day}T00:00:00.000000Z" for day in (1, 2, 3, 4))


class Sent(NamedTuple):
    """A record: its key, as producers of OpenLineage choose it, and its value."""

    key: bytes
    value: bytes


class Shape(NamedTuple):
    """A job as its events tell it. `columns`: those of its output; the inputs have `NAMES`.

    `of`: the one column of the first input that all columns derive from; each from its like where it is empty.
    """

    name: str
    dag: str
    inputs: tuple[str, ...]
    output: str
    columns: tuple[str, ...] = COLUMNS
    of: str = ""


@dataclass(frozen=True, slots=True)
class Templates:
    """Events of a job, but for what differs from run to run."""

    key: bytes
    start: bytes
    complete: bytes

    def write(self, state: str, run: int, minutes: float, begun: float) -> Sent:
        """The event of a run: its number, the time of the event and that of its beginning."""
        value = self.start if state == "START" else self.complete
        for placeholder, actual in (
            (_RUN, _uuid7(begun, run)),
            (_DAG_RUN, _uuid7(begun, _OF_DAG_RUN + run)),
            (_BEGIN, at(minutes)),
            (_NOMINAL, at(begun)),
            (_NOMINAL_END, at(begun + 60)),
        ):
            value = value.replace(placeholder.encode(), actual.encode())
        return Sent(self.key, value)


def _uuid7(begun: float, number: int) -> str:
    """The id that OpenLineage's clients give a run that began then (RFC 9562), the same every time."""
    return str(uuid.UUID(int=us(begun) // 1000 << 80 | 7 << 76 | 2 << 62 | number))


def templates(shape: Shape) -> Templates:
    """Both events of a job."""
    key = f"run:airflow/{shape.dag}".encode()
    return Templates(key, _encoded(shape, "START"), _encoded(shape, "COMPLETE"))


def complete(shape: Shape, **output_facets: object) -> Json:
    """A COMPLETE with its placeholders; `output_facets` are further facets of its output."""
    inputs = [table(name, schema=_schema(COLUMNS), dataSource=_SOURCE) for name in shape.inputs]
    mapping = _mapping(shape)
    output = table(shape.output, schema=_schema(shape.columns), dataSource=_SOURCE, columnLineage=mapping)
    output["facets"] |= output_facets
    value = _event(shape, "COMPLETE", {"sql": facet(query=_query(shape))})
    return {**value, "inputs": inputs, "outputs": [output]}


def _encoded(shape: Shape, state: str) -> bytes:
    return msgspec.json.encode(complete(shape) if state == "COMPLETE" else _event(shape, state, {}))


@lru_cache(1024)
def _schema(columns: tuple[str, ...]) -> Json:
    return schema(*columns)


def _mapping(shape: Shape) -> Json:
    """Each column from the same of one of the inputs, or from any where that has none of the name."""
    names = [column.partition(":")[0] for column in shape.columns]
    sources = [shape.of or (name if name in NAMES else NAMES[at % len(NAMES)]) for at, name in enumerate(names)]
    inputs = shape.inputs
    return column_lineage({name: [(inputs[at % len(inputs)], sources[at])] for at, name in enumerate(names)})


def _query(shape: Shape) -> str:
    wanted = " and ".join(f"{name} is not null" for name in NAMES[:5])
    return f"insert into {shape.output} select * from {' natural join '.join(shape.inputs)} where {wanted}"  # noqa: S608  nobody runs it


def _event(shape: Shape, state: str, job_facets: Json) -> Json:
    parent = {
        "run": {"runId": _DAG_RUN},
        "job": {"namespace": "airflow", "name": shape.dag},
        "root": {"run": {"runId": _DAG_RUN}, "job": {"namespace": "airflow", "name": shape.dag}},
    }
    run_facets = {
        "parent": facet(**parent),
        "nominalTime": facet(nominalStartTime=_NOMINAL, nominalEndTime=_NOMINAL_END),
        "processing_engine": facet(version="3.5.1", name="spark", openlineageAdapterVersion="1.54.0"),
        "spark_properties": facet(properties={"spark.master": "yarn", "spark.app.name": shape.name}),
    }
    job_facets = {"jobType": facet(processingType="BATCH", integration="SPARK", jobType="JOB"), **job_facets}
    value = event(shape.name, state, run_facets=run_facets, job_facets=job_facets)
    return {**value, "eventTime": _BEGIN, "run": {**value["run"], "runId": _RUN}}


class Company:
    """Jobs that run again and again."""

    def __init__(self, jobs: int, seed: int = 1) -> None:
        """Its graph and its timetable."""
        chance = random.Random(seed)
        self.shapes = [_shape(number, jobs, chance) for number in range(jobs)]
        self._templates = [templates(shape) for shape in self.shapes]
        self._every = chance.choices(_EVERY_MINUTES, _SHARES, k=jobs)
        self._minutes = [chance.uniform(1, 8) for _ in range(jobs)]
        self._plan = [(chance.uniform(0, self._every[job]), job, "START", 0.0) for job in range(jobs)]
        heapq.heapify(self._plan)
        self._runs = 0

    def each_once(self) -> Iterator[Sent]:
        """A run of every job, before all others."""
        for job, each in enumerate(self._templates):
            self._runs += 1
            yield each.write("START", self._runs, -10 + job / 1e6, -10)
            yield each.write("COMPLETE", self._runs, -5 + job / 1e6, -10)

    def events(self, count: int) -> Iterator[Sent]:
        """The next so many events."""
        return (self._next() for _ in range(count))

    def _next(self) -> Sent:
        minutes, job, state, begun = heapq.heappop(self._plan)
        if state == "START":
            self._runs += 1
            heapq.heappush(self._plan, (minutes + self._minutes[job], job, f"COMPLETE {self._runs}", minutes))
            heapq.heappush(self._plan, (minutes + self._every[job], job, "START", 0.0))
            return self._templates[job].write("START", self._runs, minutes, minutes)
        run = int(state.rpartition(" ")[2])
        return self._templates[job].write("COMPLETE", run, minutes, begun)


def _shape(number: int, jobs: int, chance: random.Random) -> Shape:
    layer, wide = number % LAYERS, max(1, jobs // LAYERS)
    count = 2 if chance.random() < 0.1 else 1
    inputs = tuple(f"dw.layer_{layer}.t_{chance.randrange(wide):05}" for _ in range(count))
    return Shape(
        f"dag_{number % DAGS}.task_{number:06}",
        f"dag_{number % DAGS}",
        tuple(dict.fromkeys(inputs)),
        f"dw.layer_{layer + 1}.t_{number // LAYERS:05}",
    )


def newcomers(events: int, seed: int = 1) -> Iterator[Sent]:
    """So many events of jobs of which each runs once: every job, dataset and column is new. Chains of `LAYERS` jobs."""
    for number in range(events // 2):
        chain, layer = divmod(number, LAYERS)
        source, target = (f"s{seed}.layer_{depth}.t_{chain:05}" for depth in (layer, layer + 1))
        each = templates(Shape(f"s{seed}.task_{number:06}", f"dag_{chain % DAGS}", (source,), target))
        run, minutes = (seed << 32) + number, number / 100
        yield each.write("START", run, minutes, minutes)
        yield each.write("COMPLETE", run, minutes + 5, minutes)
