"""What each label of a metric says, and of which values it may be: none without bounds."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from processor.model.alert import AlertKind, Severity, Status
from processor.model.change import ItemKind
from processor.model.errors import Reason, Stage
from processor.model.observation import EdgeType

__all__ = ["LABELS", "Label", "label_of"]


class Label(NamedTuple):
    """What a label says. `values`: all that there are; where it is empty, `text` says what bounds them."""

    text: str
    values: frozenset[str] = frozenset()


def _of(text: str, *values: str) -> Label:
    return Label(text, frozenset(values))


def _enum(text: str, values: type[StrEnum]) -> Label:
    return _of(text, *(each.value for each in values))


_TOPIC: Final = Label("name of a topic: as many as are configured")

LABELS: Final[Mapping[str, Label]] = {
    "cause": _of("why records were read again", "went_back", "rebuilt"),
    "clock": _of("from when age is measured: the record's timestamp, or the event's time", "record", "event"),
    "condition": _of("condition of readiness", "assigned", "kafka", "redis", "schema registry", "rejects", "serving"),
    "dependency": _of("what was away", "kafka", "redis", "schema registry"),
    "error": Label("name or class of an error: as many as the client library has"),
    "facet": Label("name of a facet of the contract, or `other`"),
    "kind": _enum("kind of alert", AlertKind),
    "lineage_processor_changes_total.kind": _enum("what became different", ItemKind),
    "lineage_processor_index_nodes.kind": _of("kind of node", "dataset", "job"),
    "measure": _of("what is measured", "datasets", "runs", "columns"),
    "method": _of("HTTP method", "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "other"),
    "namespace": Label("namespace of datasets or jobs: of the largest 50; empty for all together"),
    "operation": Label("operation on the index: as many as the code has"),
    "outcome": _of("what became of a record", "indexed", "silent", "rejected"),
    "lineage_processor_commits_total.outcome": _of("how a commit ended", "committed", "rebalanced", "failed"),
    "partition": Label("number of an input partition: those that this process reads"),
    "python": Label("version of Python: one"),
    "reason": _enum("why a record was rejected", Reason),
    "lineage_processor_sink_dropped_total.reason": _of("why it will never be told", "refused", "superseded"),
    "role": _of("what the process does", "indexer", "alerter", "api"),
    "route": Label("template of a route, or `none`: as many as the API has"),
    "severity": _enum("how urgent", Severity),
    "sink": _of("who is told", "alertmanager", "dead_letters", "queues", "slack", "topic", "webhook"),
    "stage": _enum("step at which a record was rejected", Stage),
    "lineage_processor_stage_seconds.stage": _of(
        "step of a batch", "consume", "decode", "reduce", "apply", "announce", "commit"
    ),
    "event": _of("change of the assignment", "assigned", "revoked", "lost"),
    "stat": _of("of all datasets", "average", "max"),
    "step": _of(
        "what the alerter has done with it; `published` where something came of it", "read", "judged", "published"
    ),
    "status": _of("what became of the alert", *(each.value for each in Status)),
    "lineage_processor_http_requests_total.status": Label("HTTP status"),
    "topic": _TOPIC,
    "trigger": _of("what was judged", "change", "sweep"),
    "type": _enum("type of edge", EdgeType),
    "version": Label("version of the processor: one"),
}
"""By name, and by `metric.name` where the same name says something else there."""


def label_of(metric: str, name: str) -> Label:
    """What a label of a metric says. Raises KeyError for one that nobody described."""
    return LABELS.get(f"{metric}.{name}") or LABELS[name]
