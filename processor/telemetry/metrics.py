"""Every metric, once.

Rules kept here: prefix `lineage_processor_`, base units, and no label with unbounded values: never a
dataset, a job or a run; a namespace only where the largest few are told (coverage). Topics and partitions are bounded
by the deployment.
"""

from __future__ import annotations

import platform
from typing import Final, Literal, NamedTuple

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
)

from processor import __version__

__all__ = ["CATALOGUE", "REGISTRY", "Described"]


class Described(NamedTuple):
    """A metric as it is told of: its whole name, what it tells, and the names of its labels."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    text: str
    labels: tuple[str, ...]


REGISTRY: Final = CollectorRegistry()
CATALOGUE: Final[list[Described]] = []
"""Every metric of our own, in the order of this file."""
_PREFIX: Final = "lineage_processor_"
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_FRESHNESS_SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86_400.0)
_BATCH: Final = (1.0, 10.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0)


def _counter(name: str, text: str, *labels: str) -> Counter:
    CATALOGUE.append(Described(_PREFIX + name, "counter", text, labels))
    return Counter(_PREFIX + name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    CATALOGUE.append(Described(_PREFIX + name, "gauge", text, labels))
    return Gauge(_PREFIX + name, text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    CATALOGUE.append(Described(_PREFIX + name, "histogram", text, labels))
    return Histogram(_PREFIX + name, text, labels, buckets=buckets, registry=REGISTRY)


# Every process.
BUILD: Final = _gauge("build_info", "1, with the version in its labels", "version", "python")
ROLE: Final = _gauge("role_info", "1, with what this process does in its label", "role")
READY: Final = _gauge("ready", "Whether the process does its work now (1) or not (0)")
CONDITION: Final = _gauge("condition", "Whether a condition of readiness holds (1) or not (0)", "condition")
LAST_PROGRESS: Final = _gauge("last_progress_timestamp_seconds", "When the loop last made progress, Unix time")
REDIS_OPERATIONS: Final = _counter("redis_operations_total", "Operations on the index in Redis", "operation")
REDIS_SECONDS: Final = _histogram("redis_operation_seconds", "Time of operations on the index", _SECONDS, "operation")
REDIS_ERRORS: Final = _counter("redis_errors_total", "Failed operations on Redis, by class of error", "error")
REDIS_MEMORY: Final = _gauge("redis_memory_ratio", "Used part of the fullest server's maxmemory; 0 without a limit")
KAFKA_ERRORS: Final = _counter("kafka_errors_total", "Errors that the Kafka client reported, by name", "error")

# Indexer.
EVENTS: Final = _counter("events_total", "Records read, by what became of them", "outcome")
STAGE_SECONDS: Final = _histogram("stage_seconds", "Time of each stage for one batch", _SECONDS, "stage")
BATCH_RECORDS: Final = _histogram("batch_records", "Records in one batch", _BATCH)
FRESHNESS: Final = _histogram(
    "freshness_seconds",
    "Age of the newest record of a batch when the index has it, by the clock that it is measured from",
    _FRESHNESS_SECONDS,
    "clock",
)
LAG_MESSAGES: Final = _gauge("lag_messages", "Records not yet indexed", "topic", "partition")
LAG_SECONDS: Final = _gauge("lag_seconds", "Age of the last indexed record while behind", "topic", "partition")
RETENTION: Final = _gauge(
    "retention_seconds", "How long Kafka keeps the records of an input topic; +Inf where no time limits it", "topic"
)
WATERMARK: Final = _gauge("watermark_timestamp_seconds", "Event time reached, Unix time", "topic", "partition")
LATE_EVENTS: Final = _counter("late_events_total", "Run events that came later than the allowed lateness")
DEAD_LETTERS: Final = _counter("dead_letters_total", "Records sent to the dead letters", "reason", "stage")
CUT: Final = _counter("cut_records_total", "Dead letters sent without their bytes, too large for the topic", "topic")
INTAKE_STOPPED: Final = _gauge("intake_stopped", "1 when too many rejected records made it stop taking in")
FACETS_DROPPED: Final = _counter(
    "facets_dropped_total", "Facets left out for breaking their schema; those outside the contract as `other`", "facet"
)
CHANGES: Final = _counter("changes_total", "Changes published", "kind")
OUTBOX: Final = _gauge("outbox_entries", "Changes that waited for their confirmation at the last look")
COMMITS: Final = _counter("commits_total", "Offset commits", "outcome")
TOPICS_RENEWED: Final = _counter("topics_recreated_total", "Input topics found deleted and made anew", "topic")
REBALANCES: Final = _counter("rebalances_total", "Changes of the assignment", "event")
ASSIGNED: Final = _gauge("assigned_partitions", "Input partitions that this process reads")
RETRIES: Final = _counter("retries_total", "Times that a step was held back and tried again", "dependency")
RECORDS_REREAD: Final = _counter(
    "records_reread_total", "Records read again: the index lacked them (went_back), or was made anew (rebuilt)", "cause"
)
RECORDS_LOST: Final = _counter(
    "records_lost_total", "Records that the index lacks and that Kafka no longer retains", "topic"
)
REPLAYED: Final = _counter("replayed_records_total", "Records that the index had had before")

# Alerter.
ALERTS_FIRING: Final = _gauge("alerts_firing", "Alerts that fire now", "kind", "severity")
ALERT_TRANSITIONS: Final = _counter("alert_transitions_total", "Alerts opened and resolved", "kind", "status")
DETECT_SECONDS: Final = _histogram(
    "detect_seconds", "Time of a sweep, or of changes that came together, in the detectors", _SECONDS, "trigger"
)
CHANGE_SECONDS: Final = _histogram(
    "change_seconds",
    "How old a change was, by its record's time, at each step of its way to an alert",
    _SECONDS,
    "step",
)
LAST_SWEEP: Final = _gauge(
    "last_sweep_timestamp_seconds", "When this alerter last derived all alerts from the whole index, Unix time; 0 never"
)
JUDGEMENTS_FAILED: Final = _counter("judgements_failed_total", "Datasets and jobs that a detector stumbled over")
ALERTS_RESTORED: Final = _counter(
    "alerts_restored_total", "Alerts that the alerts topic knew and Redis had lost or had otherwise"
)
COVERAGE: Final = _gauge(
    "coverage_ratio",
    "Share that is complete, as measured last: over all (namespace is empty), and of the largest namespaces",
    "measure",
    "namespace",
)
LINEAGE_DEPTH: Final = _gauge(
    "lineage_depth", "Datasets that the data of a dataset passed through, as measured last", "stat"
)
SILENCE: Final = _gauge(
    "namespace_silence_ratio",
    "Time since a run last started in a namespace, to the longest that its job with the shortest cadence may be silent:"
    " above 1 all of them are. Of the namespaces with the most such jobs",
    "namespace",
)
SINK_ERRORS: Final = _counter("sink_errors_total", "Alerts that could not be delivered at once", "sink")
SINK_TOLD: Final = _counter("sink_told_total", "Alerts that a sink has taken, those told again included", "sink")
SINK_DROPPED: Final = _counter(
    "sink_dropped_total",
    "Messages that a sink will never get: refused by it, or superseded in a full queue",
    "sink",
    "reason",
)
SINK_WAITING: Final = _gauge("sink_queue_entries", "Transitions that wait to be told", "sink")
INDEX_NODES: Final = _gauge("index_nodes", "Nodes of the index at the last sweep", "kind")
INDEX_EDGES: Final = _gauge("index_edges", "Edges of the index at the last sweep", "type")

# API.
HTTP_REQUESTS: Final = _counter("http_requests_total", "Requests to the API", "route", "method", "status")
HTTP_SECONDS: Final = _histogram("http_request_seconds", "Time of requests to the API", _SECONDS, "route", "method")
EVENTS_TAKEN: Final = _counter("http_events_total", "Lineage events taken over HTTP, confirmed by Kafka")

# There from the start: the first of an outcome is an increase then.
for _outcome in ("indexed", "silent", "rejected"):
    EVENTS.labels(_outcome)
BUILD.labels(version=__version__, python=platform.python_version()).set(1)
ProcessCollector(registry=REGISTRY)
REGISTRY.register(PLATFORM_COLLECTOR)
REGISTRY.register(GC_COLLECTOR)
