"""What an edge costs in Redis: the same graph with more edges, less the graph without them.

The difference holds all that an edge brings with it: keys, both directions, what runs keep of it, slack.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from tests.bench.company import NAMES, Shape, complete
from tests.bench.figures import Findings, Mark
from tests.bench.seeding import seed
from tests.bench.site import Site
from tests.support.events import Json, event, table

JOBS = 2000
FEW, MANY = 1, 20


def memory(site: Site, found: Findings) -> None:
    """Bytes in Redis for an edge between dataset and job, by direction, and for an edge between columns."""
    jobs = site.sized(JOBS, 40)
    few, many = (_bytes(site, _meshed(jobs, count)) for count in (FEW, MANY))
    without, with_ = (_bytes(site, _chained(jobs, has_mapping=each)) for each in (False, True))
    edges, columns = 2 * jobs * (MANY - FEW), jobs * len(NAMES)
    found.add(
        "memory", Mark("Redis memory of a dataset-job edge, by direction", "bytes", 100, 50), (many - few) / edges / 2
    )
    found.add("memory", Mark("Redis memory of a column edge", "bytes", 40, 15), (with_ - without) / columns)
    dense = many / edges / 2
    found.add("memory", Mark("whole index by dataset-job edge and direction, 40 a job", "bytes"), dense)
    found.add("memory", Mark("whole index by job with its output, 20 columns and mapping", "bytes"), with_ / jobs)


def _bytes(site: Site, values: Iterable[bytes]) -> int:
    """What these events make the server use more than it did when it was empty."""
    with site.room() as room:
        before = room.store_bytes()
        seed(room, values)
        return room.store_bytes() - before


def _meshed(jobs: int, count: int) -> Iterator[bytes]:
    """Each job reads and writes so many of as many datasets as there are jobs."""
    for job in range(jobs):
        inputs, outputs = ([table(f"dw.{side}_{(job + at) % jobs}") for at in range(count)] for side in ("in", "out"))
        yield msgspec.json.encode(event(f"job_{job}", run=job, inputs=inputs, outputs=outputs))


def _chained(jobs: int, *, has_mapping: bool) -> Iterator[bytes]:
    """Jobs with one input and one output of 20 columns, with or without columnLineage."""
    for job in range(jobs):
        value = complete(Shape(f"job_{job}", "dag", (f"dw.t_{job}",), f"dw.t_{job + 1}"))
        if not has_mapping:
            del value["outputs"][0]["facets"]["columnLineage"]
        yield msgspec.json.encode(_of_run(value, job))


def _of_run(value: Json, run: int) -> Json:
    whole = event(run=run)
    return {**value, "eventTime": whole["eventTime"], "run": {**value["run"], "runId": whole["run"]["runId"]}}
