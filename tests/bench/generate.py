"""What a company's nightly batch sends: START of about 1.2 KB, COMPLETE of about 7 KB."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tests.support.events import Json, at, column_lineage, event, facet, run_id, schema, table

COLUMNS = tuple(f"column_{number:02}" for number in range(20))
LAYERS = 10


def history(events: int, jobs: int, *, first_run: int) -> Iterator[bytes]:
    """That many events of runs over a layered graph: each job reads a table of the layer before its own."""
    for number in range(events // 2):
        for state in ("START", "COMPLETE"):
            yield msgspec.json.encode(_event(number % jobs, first_run + number, state))


def _event(job: int, run: int, state: str) -> Json:
    source, target = f"company.layer_{job % LAYERS}.table_{job}", f"company.layer_{job % LAYERS + 1}.table_{job + 1}"
    run_facets = {
        "parent": facet(run={"runId": run_id(10**9 + run)}, job={"namespace": "shop", "name": f"dag_{job // LAYERS}"}),
        "nominalTime": facet(nominalStartTime=at(run), nominalEndTime=at(run + 60)),
        "processing_engine": facet(version="3.5.1", name="spark", openlineageAdapterVersion="1.54.0"),
    }
    job_facets = {"jobType": facet(processingType="BATCH", integration="SPARK", jobType="JOB")}
    if state == "START":
        return event(f"dag.task_{job}", state, run / 10, run=run, run_facets=run_facets, job_facets=job_facets)
    source_facet = facet(name="warehouse", uri="postgres://warehouse:5432")
    read = table(source, schema=schema(*COLUMNS), dataSource=source_facet)
    lineage = column_lineage({column: [(source, column)] for column in COLUMNS})
    written = table(target, schema=schema(*COLUMNS), dataSource=source_facet, columnLineage=lineage)
    query = f"insert into {target} select {', '.join(COLUMNS)} from {source}"  # noqa: S608 - nobody runs it
    job_facets["sql"] = facet(query=query)
    minutes = run / 10 + 5
    return event(
        f"dag.task_{job}",
        state,
        minutes,
        run=run,
        inputs=[read],
        outputs=[written],
        run_facets=run_facets,
        job_facets=job_facets,
    )
