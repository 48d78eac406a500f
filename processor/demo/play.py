"""The sample company's producers: its events sent with OpenLineage's own client, over Kafka.

Events become the client's typed objects first: only so does it send them under the keys that real producers use.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

from openlineage.client import OpenLineageClient, event_v2
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    job_type_job,
    nominal_time_run,
    ownership_dataset,
    parent_run,
    schema_dataset,
)
from openlineage.client.transport.kafka import KafkaConfig, KafkaTransport

from processor.demo.company import Event
from processor.demo.facets import Facet

__all__ = ["Producers", "typed"]

_FLUSH_S: Final = 10.0


class Producers:
    """All of the company's producers in one; the client is the real one."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        """Connect to Kafka."""
        # Kafka ends with the demo; what the client says of it then is no news.
        logging.getLogger("openlineage").addHandler(logging.NullHandler())
        own = {"bootstrap.servers": bootstrap, "linger.ms": "5", "log_level": "0"}
        config = KafkaConfig(config=own, topic=topic, flush=False)
        self._transport = KafkaTransport(config)
        self._client = OpenLineageClient(transport=self._transport)

    def send(self, event: Event) -> None:
        """Send one event; `flush` waits for it."""
        self._client.emit(typed(event))

    def flush(self) -> None:
        """Wait until everything that was sent has arrived."""
        self._transport.wait_for_completion(_FLUSH_S)

    def close(self) -> None:
        """Let go of Kafka, while that is there: a client that is left to the interpreter's end may hold it up."""
        self._transport.close(_FLUSH_S)


def typed(event: Event) -> event_v2.RunEvent:
    """The event as the client's own object."""
    run, job = event["run"], event["job"]
    return event_v2.RunEvent(
        eventType=event_v2.RunState(event["eventType"]),
        eventTime=event["eventTime"],
        producer=event["producer"],
        run=event_v2.Run(run["runId"], _facets(run["facets"])),
        job=event_v2.Job(job["namespace"], job["name"], _facets(job["facets"])),
        inputs=[event_v2.InputDataset(d["namespace"], d["name"], facets=_facets(d["facets"])) for d in event["inputs"]],
        outputs=[
            event_v2.OutputDataset(d["namespace"], d["name"], facets=_facets(d["facets"])) for d in event["outputs"]
        ],
    )


def _facets(facets: dict[str, Facet]) -> dict[str, Any]:
    return {name: _MAKERS[name](facet) for name, facet in facets.items()}


def _schema(facet: Facet) -> schema_dataset.SchemaDatasetFacet:
    fields = [schema_dataset.SchemaDatasetFacetFields(name=f["name"], type=f["type"]) for f in facet["fields"]]
    return schema_dataset.SchemaDatasetFacet(fields=fields, producer=facet["_producer"])


def _column_lineage(facet: Facet) -> column_lineage_dataset.ColumnLineageDatasetFacet:
    fields = {
        name: column_lineage_dataset.Fields(inputFields=_inputs(field["inputFields"]))
        for name, field in facet["fields"].items()
    }
    whole = _inputs(facet["dataset"])
    return column_lineage_dataset.ColumnLineageDatasetFacet(fields=fields, dataset=whole, producer=facet["_producer"])


def _inputs(inputs: Iterable[Facet]) -> list[column_lineage_dataset.InputField]:
    return [
        column_lineage_dataset.InputField(
            namespace=each["namespace"],
            name=each["name"],
            field=each["field"],
            transformations=[column_lineage_dataset.Transformation(**t) for t in each["transformations"]],
        )
        for each in inputs
    ]


def _ownership(facet: Facet) -> ownership_dataset.OwnershipDatasetFacet:
    owners = [ownership_dataset.Owner(**owner) for owner in facet["owners"]]
    return ownership_dataset.OwnershipDatasetFacet(owners=owners, producer=facet["_producer"])


def _parent(facet: Facet) -> parent_run.ParentRunFacet:
    job, run, root = facet["job"], facet["run"], facet["root"]
    return parent_run.ParentRunFacet(
        run=parent_run.Run(**run),
        job=parent_run.Job(**job),
        root=parent_run.Root(run=parent_run.RootRun(**root["run"]), job=parent_run.RootJob(**root["job"])),
        producer=facet["_producer"],
    )


def _nominal_time(facet: Facet) -> nominal_time_run.NominalTimeRunFacet:
    start = facet["nominalStartTime"]
    return nominal_time_run.NominalTimeRunFacet(nominalStartTime=start, producer=facet["_producer"])


def _job_type(facet: Facet) -> job_type_job.JobTypeJobFacet:
    return job_type_job.JobTypeJobFacet(
        processingType=facet["processingType"],
        integration=facet["integration"],
        jobType=facet["jobType"],
        producer=facet["_producer"],
    )


_MAKERS: Final[dict[str, Callable[[Facet], Any]]] = {
    "schema": _schema,
    "columnLineage": _column_lineage,
    "ownership": _ownership,
    "parent": _parent,
    "nominalTime": _nominal_time,
    "jobType": _job_type,
}
