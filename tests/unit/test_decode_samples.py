"""Sample events, modeled on what the integrations send, are read whole."""

from pathlib import Path

import pytest

from processor.decode import Decoder, TypedEvent, TypedEvents, build_decoder, read_schemas
from processor.resources import schemas_dir

SAMPLES = Path(__file__).parent.parent / "samples"
NAMES = [
    "airflow_task_fail",
    "airflow_task_start",
    "dataset_event_rename",
    "dbt_model_complete",
    "flink_running",
    "job_event_explicit_lineage",
    "spark_sql_complete",
]


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return build_decoder("auto", read_schemas(schemas_dir()))


def read(decoder: Decoder, name: str) -> TypedEvent:
    found = decoder((SAMPLES / f"{name}.json").read_bytes())
    assert isinstance(found, TypedEvents), found
    return found.events[0]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_a_sample_is_rejected_or_dropped(decoder: Decoder, name: str) -> None:
    assert read(decoder, name).bad_facets == ()


def test_a_dbt_model(decoder: Decoder) -> None:
    event = read(decoder, "dbt_model_complete")
    body, output = event.body, event.body.outputs[0]
    assert (event.kind, body.eventType) == ("run", "COMPLETE")
    assert body.run.facets.parent.root.job.name == "dbt-run-shop"
    assert body.run.facets.processing_engine.name == "dbt"
    assert list(body.run.facets.rest) == ["dbt_version"]
    assert body.job.facets.ownership.owners[0].name == "team:analytics"
    assert [(c.name, c.type) for c in output.facets.schema.fields] == [("id", "bigint"), ("amount", "numeric")]
    amount = output.facets.columnLineage.fields["amount"].inputFields
    assert [(source.name, source.field) for source in amount] == [
        ("shop.raw.orders", "amount"),
        ("shop.seeds.currencies", "rate"),
    ]
    assert output.facets.columnLineage.dataset[0].transformations[0].type == "INDIRECT"
    assert output.outputFacets.outputStatistics.rowCount == 812


def test_dbt_puts_assertions_among_the_facets_of_the_dataset(decoder: Decoder) -> None:
    facets = read(decoder, "dbt_model_complete").body.inputs[0].facets
    assert [(check.column, check.success) for check in facets.dataQualityAssertions.assertions] == [("id", True)]


def test_an_airflow_task(decoder: Decoder) -> None:
    event = read(decoder, "airflow_task_start")
    assert event.body.inputs == ()
    assert event.body.run.facets.nominalTime.nominalStartTime == "2026-03-02T00:00:00Z"
    assert event.body.run.facets.kept().keys() == {"parent", "nominalTime", "processing_engine", "airflow"}


def test_a_failure_says_why_and_nothing_of_its_datasets(decoder: Decoder) -> None:
    event = read(decoder, "airflow_task_fail")
    assert event.body.run.facets.errorMessage.message == 'relation "raw.orders" does not exist'
    assert (event.body.inputs, event.body.outputs) == (None, None)


def test_a_spark_query(decoder: Decoder) -> None:
    event = read(decoder, "spark_sql_complete")
    source, target = event.body.inputs[0], event.body.outputs[0]
    customer = source.facets.schema.fields[1]
    assert customer.fields[1].fields[0].name == "city"
    assert source.facets.symlinks.identifiers[0].namespace == "s3://lake"
    assert source.inputFacets.inputStatistics.fileCount == 4
    assert target.facets.lifecycleStateChange.lifecycleStateChange == "OVERWRITE"
    assert target.facets.columnLineage.fields["orders"].inputFields[1].transformations[0].subtype == "GROUP_BY"


def test_a_stream_without_an_end(decoder: Decoder) -> None:
    job_type = read(decoder, "flink_running").body.job.facets.jobType
    assert (job_type.processingType, job_type.emissionPattern.windowDuration) == ("STREAMING", 300)


def test_explicit_lineage_of_a_job(decoder: Decoder) -> None:
    event = read(decoder, "job_event_explicit_lineage")
    model, own_job, seed = event.body.job.facets.lineage.entries
    assert event.kind == "job"
    assert model.fields["score"].inputs[0].field == "orders"
    assert (own_job.type, own_job.name) == ("JOB", None)
    assert (own_job.fields, seed.inputs) == (None, ())


def test_a_renamed_dataset(decoder: Decoder) -> None:
    event = read(decoder, "dataset_event_rename")
    facets = event.body.dataset.facets
    assert event.kind == "dataset"
    assert facets.lifecycleStateChange.previousIdentifier.name == "shop.analytics.orders"
    assert facets.deleted == {"ownership"}
    assert facets.rest["acme_contract"].endswith(b'"sla_minutes":30}')
