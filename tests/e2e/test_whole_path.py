"""The whole path: the real OpenLineage client → Kafka → `lineage run` → index, changes, alerts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    nominal_time_run,
    parent_run,
    schema_dataset,
)
from openlineage.client.transport.kafka import KafkaConfig, KafkaTransport

from processor.index.edges import all_edges
from processor.index.view import View
from processor.local import KafkaCluster
from processor.model.alert import Alert, AlertKind, Severity, Status
from processor.model.codec import decode_alert
from processor.model.identity import dataset, job
from processor.model.observation import RunState as KnownState
from tests.support.events import at, run_id
from tests.support.indexing import World
from tests.waiting import eventually

NAMESPACE = "postgres://warehouse:5432"
PRODUCER = "https://example.com/company"
COLUMNS = ("order_id", "amount", "customer_id")


@pytest.fixture
def world(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> World:
    return World.make(kafka.bootstrap, redis_url, topic_prefix, reconcile_interval_s=2.0)


@pytest.fixture
def client(world: World) -> Iterator[OpenLineageClient]:
    config = KafkaConfig(
        config={"bootstrap.servers": world.settings.kafka["bootstrap.servers"]},
        topic=world.settings.topics.events,
        flush=True,
    )
    opened = OpenLineageClient(transport=KafkaTransport(config))
    with contextlib.closing(opened):
        yield opened


def fields(*names: str) -> schema_dataset.SchemaDatasetFacet:
    return schema_dataset.SchemaDatasetFacet(
        fields=[schema_dataset.SchemaDatasetFacetFields(name=name, type="varchar") for name in names]
    )


def made_of(**sources: str) -> column_lineage_dataset.ColumnLineageDatasetFacet:
    """Output column = column of staging's source."""
    return column_lineage_dataset.ColumnLineageDatasetFacet(
        fields={
            output: column_lineage_dataset.Fields(
                inputFields=[column_lineage_dataset.InputField(NAMESPACE, source.split(".")[0], source.split(".")[1])]
            )
            for output, source in sources.items()
        }
    )


def ingest(number: int, state: RunState, minutes: float, columns: tuple[str, ...]) -> RunEvent:
    """The ingest writes `orders` from a source outside."""
    parent = parent_run.ParentRunFacet(
        run=parent_run.Run(runId=run_id(900)), job=parent_run.Job(namespace="airflow", name="daily")
    )
    nominal = nominal_time_run.NominalTimeRunFacet(nominalStartTime=at(minutes))
    ended = state is RunState.COMPLETE
    return RunEvent(
        eventType=state,
        eventTime=at(minutes),
        run=Run(runId=run_id(number), facets={"parent": parent, "nominalTime": nominal}),
        job=Job(namespace="airflow", name="daily.ingest_orders"),
        producer=PRODUCER,
        inputs=[InputDataset(namespace="kafka://shop:9092", name="orders")],
        outputs=[OutputDataset(NAMESPACE, "orders", facets={"schema": fields(*columns)})] if ended else [],
    )


def mart(number: int, minutes: float) -> RunEvent:
    """The mart reads `orders` and says which columns it uses."""
    lineage = made_of(revenue="orders.amount", orders="orders.order_id")
    output = OutputDataset(
        NAMESPACE, "revenue", facets={"schema": fields("revenue", "orders"), "columnLineage": lineage}
    )
    return RunEvent(
        eventType=RunState.COMPLETE,
        eventTime=at(minutes),
        run=Run(runId=run_id(number)),
        job=Job(namespace="airflow", name="daily.revenue"),
        producer=PRODUCER,
        inputs=[InputDataset(NAMESPACE, "orders")],
        outputs=[output],
    )


def published(world: World) -> list[Alert]:
    return [decode_alert(each.value or b"") for each in world.read(world.settings.topics.alerts)]


def drifts(world: World) -> list[Alert]:
    return [alert for alert in published(world) if alert.finding.kind is AlertKind.SCHEMA_DRIFT]


def test_what_the_real_client_emits_is_in_the_index(world: World, client: OpenLineageClient) -> None:
    for state, minutes in ((RunState.START, 0), (RunState.RUNNING, 1), (RunState.COMPLETE, 2)):
        client.emit(ingest(1, state, minutes, COLUMNS))
    client.emit(mart(2, 5))
    world.catch_up()

    with world.store() as store:
        view = View(store)
        edges = {
            (e.type.value, str(e.src.field or e.src.name), str(e.dst.field or e.dst.name)) for e in all_edges(view)
        }
        run = view.run(job("airflow", "daily.ingest_orders"), run_id(1))
        columns = view.columns(dataset(NAMESPACE, "orders"))
    assert edges == {
        ("parent", "daily", "daily.ingest_orders"),
        ("reads", "orders", "daily.ingest_orders"),
        ("writes", "daily.ingest_orders", "orders"),
        ("reads", "orders", "daily.revenue"),
        ("writes", "daily.revenue", "revenue"),
        ("derives", "amount", "revenue"),
        ("derives", "order_id", "orders"),
    }
    assert run is not None
    assert run.state is KnownState.COMPLETE
    assert run.parent == (job("airflow", "daily"), run_id(900))
    assert [column.path for column in columns] == list(COLUMNS)
    assert world.dead_letters() == []


def test_a_dropped_column_that_is_read_raises_an_alert_that_says_what_breaks_and_ends_when_taken_back(
    world: World, client: OpenLineageClient
) -> None:
    with world.process("run") as running:
        client.emit(ingest(1, RunState.COMPLETE, 0, COLUMNS))
        client.emit(mart(2, 5))
        client.emit(ingest(3, RunState.COMPLETE, 60, ("amount", "customer_id", "order_id")))
        assert eventually(lambda: world.behind() == 0 and world.outbox() == 0), running.text
        assert drifts(world) == [], "reordered columns are no drift"

        client.emit(ingest(4, RunState.COMPLETE, 120, ("order_id", "customer_id")))
        assert eventually(lambda: len(drifts(world)) == 1), running.text
        alert = drifts(world)[0]
        assert (alert.status, alert.finding.severity) == (Status.FIRING, Severity.CRITICAL)
        assert alert.finding.subject == dataset(NAMESPACE, "orders")
        assert [change.path for change in alert.finding.changes] == ["amount"]
        assert alert.finding.cause.job == job("airflow", "daily.ingest_orders")
        assert alert.finding.cause.run_id == run_id(4)
        assert [affected.node for affected in alert.finding.impact.columns] == [
            dataset(NAMESPACE, "revenue").column("revenue")
        ]
        assert [affected.node for affected in alert.finding.impact.datasets] == [dataset(NAMESPACE, "revenue")]
        assert "amount" in alert.finding.summary
        assert "revenue" in alert.finding.summary

        client.emit(ingest(5, RunState.COMPLETE, 180, COLUMNS))
        assert eventually(lambda: len(drifts(world)) == 2), running.text
        last = drifts(world)[-1]
        assert (last.finding.alert_id, last.status) == (alert.finding.alert_id, Status.RESOLVED)
