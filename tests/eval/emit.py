"""The events of a run as its integration sends them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from tests.eval.estate import Company, Job, Style, Table
from tests.eval.spelling import Engine, spelled

Json = dict[str, Any]

_SPEC = "https://openlineage.io/spec"
_PRODUCERS = {
    Style.SPARK: "https://github.com/OpenLineage/OpenLineage/tree/1.54.0/integration/spark",
    Style.DATABRICKS: "https://github.com/OpenLineage/OpenLineage/tree/1.54.0/integration/spark",
    Style.FLINK: "https://github.com/OpenLineage/OpenLineage/tree/1.54.0/integration/flink",
    Style.PYTHON: "https://github.com/OpenLineage/OpenLineage/tree/1.54.0/client/python",
}
_AIRFLOW = "https://github.com/apache/airflow/tree/providers-openlineage/2.20.3"
_DBT = "https://github.com/OpenLineage/OpenLineage/tree/1.54.0/integration/dbt"
CATALOG = "https://example.com/catalog-sync/2.1"
_TYPES = {
    Style.AIRFLOW_DAG: ("AIRFLOW", "DAG"),
    Style.AIRFLOW_BASH: ("AIRFLOW", "TASK"),
    Style.AIRFLOW_TASK: ("AIRFLOW", "TASK"),
    Style.DBT_RUN: ("DBT", "JOB"),
    Style.DBT_MODEL: ("DBT", "MODEL"),
    Style.DBT_SEED: ("DBT", "SEED"),
    Style.DBT_TEST: ("DBT", "TEST"),
    Style.SPARK: ("SPARK", "SQL_JOB"),
    Style.DATABRICKS: ("SPARK", "SQL_JOB"),
    Style.FLINK: ("FLINK", "JOB"),
}
_EAGER = frozenset({Style.DBT_MODEL, Style.DBT_SEED, Style.DBT_TEST})
"""Integrations that state the datasets of a run when it starts."""


@dataclass(slots=True)
class Run:
    """One run of a job. `attempt`: how often it was tried before. `nominal_us`: for which time it was started.

    `held_until_us`: before that its events do not get through.
    """

    run_id: str
    job: Job
    started_us: int
    nominal_us: int
    parent: Run | None = None
    attempt: int = 0
    held_until_us: int = 0


class Emitter:
    """Makes the JSON of events. What does not change between two events is encoded once (`forget`)."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self._parts: dict[tuple[str, str], msgspec.Raw] = {}

    def forget(self) -> None:
        """The company has changed."""
        self._parts.clear()

    def event(self, run: Run, state: str, time_us: int) -> bytes:
        """One event of a run."""
        job = run.job
        tells = state in {"COMPLETE", "RUNNING"} or (state == "START" and job.style in _EAGER)
        return msgspec.json.encode(
            {
                "eventTime": moment(time_us),
                "eventType": state,
                "producer": _producer(job),
                "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
                "run": {"runId": run.run_id, "facets": _run_facets(run, state)},
                "job": self._part("job", job, lambda: self._job(job)),
                "inputs": self._part("inputs", job, lambda: self._inputs(job)) if tells else [],
                "outputs": self._part("outputs", job, lambda: self._outputs(job)) if tells else [],
            }
        )

    def table_event(self, table: Table, time_us: int, **facets: object) -> bytes:
        """An event about a dataset alone, as a catalog sends it."""
        stated = {name: _facet(CATALOG, name, **body) for name, body in facets.items() if isinstance(body, dict)}
        return self._table_event(table, time_us, stated)

    def schema_event(self, table: Table, time_us: int) -> bytes:
        """A catalog states the schema of a table."""
        return self._table_event(table, time_us, {"schema": self._schema(CATALOG, table)})

    def _table_event(self, table: Table, time_us: int, stated: Json) -> bytes:
        return msgspec.json.encode(
            {
                "eventTime": moment(time_us),
                "producer": CATALOG,
                "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/DatasetEvent",
                "dataset": {"namespace": table.namespace, "name": table.name, "facets": stated},
            }
        )

    def _part(self, what: str, job: Job, make: Any) -> msgspec.Raw:  # noqa: ANN401 - whatever JSON is made of
        key = (what, job.key)
        if key not in self._parts:
            self._parts[key] = msgspec.Raw(msgspec.json.encode(make()))
        return self._parts[key]

    def _job(self, job: Job) -> Json:
        producer = _producer(job)
        facets: Json = {}
        if job.style in _TYPES:
            integration, kind = _TYPES[job.style]
            processing = "STREAMING" if job.style is Style.FLINK else "BATCH"
            facets["jobType"] = _facet(
                producer, "jobType", processingType=processing, integration=integration, jobType=kind
            )
        if job.style is Style.AIRFLOW_BASH:
            facets["sourceCode"] = _facet(producer, "sourceCode", language="bash", sourceCode="./run.sh")
        facets["ownership"] = _facet(producer, "ownership", owners=[{"name": f"team:{job.namespace}"}])
        return {"namespace": job.namespace, "name": job.name, "facets": facets}

    def _inputs(self, job: Job) -> list[Json]:
        stated = [] if job.hides_inputs else [key for key in job.inputs if key not in job.unseen]
        return [self._input(job, key) for key in stated]

    def _input(self, job: Job, key: str) -> Json:
        table = self._company.tables[key]
        namespace, name = job.called.get(key, (table.namespace, table.name))
        facets = {"dataSource": _facet(_producer(job), "dataSource", name=namespace, uri=namespace)}
        if job.style is not Style.AIRFLOW_TASK:
            facets["schema"] = self._schema(_producer(job), table)
        return {"namespace": namespace, "name": name, "facets": facets}

    def _outputs(self, job: Job) -> list[Json]:
        return [] if job.hides_outputs else [self._output(job, self._company.tables[key]) for key in job.outputs]

    def _output(self, job: Job, table: Table) -> Json:
        producer = _producer(job)
        facets = {
            "schema": self._schema(_producer(job), table),
            "dataSource": _facet(producer, "dataSource", name=table.namespace, uri=table.namespace),
        }
        mapping = {} if job.hides_mappings or job.hides_inputs else job.mappings.get(table.key, {})
        fields = {column: self._sources(job, sources) for column, sources in mapping.items()}
        if stated := {column: there for column, there in fields.items() if there["inputFields"]}:
            facets["columnLineage"] = _facet(producer, "columnLineage", fields=stated)
        if table.symlink:
            namespace, name = table.symlink
            names = [{"namespace": namespace, "name": name, "type": "TABLE"}]
            facets["symlinks"] = _facet(producer, "symlinks", identifiers=names)
        return {"namespace": table.namespace, "name": table.name, "facets": facets}

    def _sources(self, job: Job, sources: Iterable[tuple[str, str]]) -> Json:
        seen = [(key, column) for key, column in sources if key not in job.unseen]
        kind = [{"type": "DIRECT", "subtype": "IDENTITY", "description": "", "masking": False}]
        found = []
        for key, column in seen:
            table = self._company.tables[key]
            namespace, name = job.called.get(key, (table.namespace, table.name))
            found.append({"namespace": namespace, "name": name, "field": column, "transformations": kind})
        return {"inputFields": found}

    def _schema(self, producer: str, table: Table) -> Json:
        version = self._company.versions[table.engine]
        fields = [_field(name, meaning, table.engine, version) for name, meaning in table.columns.items()]
        return _facet(producer, "schema", fields=fields)


def moment(time_us: int) -> str:
    """RFC 3339 with microseconds."""
    return datetime.fromtimestamp(time_us / 1_000_000, UTC).isoformat().replace("+00:00", "Z")


def run_id(bits: int) -> str:
    """A UUID of 128 random bits."""
    return str(uuid.UUID(int=bits, version=4))


def _field(name: str, meaning: str | dict[str, str], engine: Engine, version: int) -> Json:
    if isinstance(meaning, str):
        return {"name": name, "type": spelled(meaning, engine, version)}
    parts = [_field(part, plain, engine, version) for part, plain in meaning.items()]
    return {"name": name, "type": "struct", "fields": parts}


def _producer(job: Job) -> str:
    if job.style.value.startswith("airflow"):
        return _AIRFLOW
    return _DBT if job.style.value.startswith("dbt") else _PRODUCERS[job.style]


def _facet(producer: str, name: str, /, **body: object) -> Json:
    return {"_producer": producer, "_schemaURL": f"{_SPEC}/facets/1-0-0/{name}.json", **body}


def _run_facets(run: Run, state: str) -> Json:
    producer = _producer(run.job)
    facets: Json = {}
    if run.parent is not None:
        parent = run.parent
        job = {"namespace": parent.job.namespace, "name": parent.job.name}
        stated = {"job": job, "run": {"runId": parent.run_id}}
        facets["parent"] = _facet(producer, "parent", **stated, root=stated)
    if run.job.style.value.startswith("airflow"):
        facets["nominalTime"] = _facet(producer, "nominalTime", nominalStartTime=moment(run.nominal_us))
    if state == "FAIL":
        facets["errorMessage"] = _facet(producer, "errorMessage", message="it broke", programmingLanguage="python")
    return facets
