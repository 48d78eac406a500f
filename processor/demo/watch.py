"""What becomes of the played events: figures from the processes' metrics, alerts from their topic."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

from confluent_kafka import Consumer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from processor import settings, wiring
from processor.demo.stage import Stage
from processor.index.edges import all_edges
from processor.index.view import View
from processor.model.alert import Alert, Status
from processor.model.codec import UnreadableRecordError, decode_alert
from processor.model.identity import Kind

__all__ = ["Alerts", "Figures", "Gauges"]

_PREFIX: Final = "lineage_processor_"
_EVERY_S: Final = 1.0
_COUNT_EVERY_S: Final = 3.0
_TIMEOUT_S: Final = 2.0

Samples = dict[str, dict[tuple[str, ...], float]]
"""Values by name of the metric and values of its labels."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How the processor does. `nodes` and `edges`: size of the index, looked at every few seconds."""

    events: int = 0
    per_second: float = 0.0
    lag: int = 0
    dead_letters: int = 0
    nodes: int = 0
    edges: int = 0
    is_ready: bool = True


class Gauges:
    """Reads the figures, at most once a second."""

    def __init__(self, stage: Stage) -> None:
        """Watch a stage's processes; the settings in force are the stage's."""
        self._urls = (stage.indexer_url, stage.alerter_url)
        self._store = wiring.open_store(settings.load())
        self._read_at_s = self._counted_at_s = 0.0
        self._size = (0, 0)
        self.figures = Figures()

    def close(self) -> None:
        """Let go of Valkey."""
        self._store.close()

    def look(self) -> Figures:
        """The newest figures."""
        now_s = time.monotonic()
        if now_s - self._read_at_s >= _EVERY_S:
            self._count(now_s)
            self.figures = self._figures([_samples(url) for url in self._urls], now_s - self._read_at_s)
            self._read_at_s = now_s
        return self.figures

    def _count(self, now_s: float) -> None:
        """How big the index is: it is small here, so everything is simply read."""
        if now_s - self._counted_at_s < _COUNT_EVERY_S:
            return
        self._counted_at_s, view = now_s, View(self._store)
        nodes = sum(view.count(kind) for kind in (Kind.DATASET, Kind.JOB))
        self._size = (nodes, sum(1 for _ in all_edges(view)))

    def _figures(self, found: list[Samples | None], elapsed_s: float) -> Figures:
        known = [samples for samples in found if samples is not None]
        if not known:
            return replace(self.figures, per_second=0.0, is_ready=False)
        events = int(_total(known, "events_total"))
        return Figures(
            events=events,
            per_second=max(0, events - self.figures.events) / elapsed_s,
            lag=int(_total(known, "lag_messages")),
            dead_letters=int(_total(known, "dead_letters_total")),
            nodes=self._size[0],
            edges=self._size[1],
            is_ready=len(known) == len(found),
        )


def _total(found: Iterable[Samples], name: str) -> float:
    return sum(sum(samples.get(_PREFIX + name, {}).values()) for samples in found)


def _samples(url: str) -> Samples | None:
    try:
        with urlopen(f"{url}/metrics", timeout=_TIMEOUT_S) as answer:  # noqa: S310  our own process, loopback
            text = answer.read().decode()
    except (URLError, OSError):
        return None
    samples: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return samples


class Alerts:
    """Follows the topic of alerts from its start."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        """Connect to Kafka; nothing is committed."""
        config = {"bootstrap.servers": bootstrap, "group.id": "lineage-demo", "enable.auto.commit": False}
        self._consumer = Consumer({**config, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 50})
        partitions = self._consumer.list_topics(topic, timeout=10).topics[topic].partitions
        self._consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        self._known: dict[str, Alert] = {}

    @property
    def firing(self) -> list[Alert]:
        """Those that fire now."""
        return [alert for alert in self._known.values() if alert.status is Status.FIRING]

    def news(self, wait_s: float) -> list[Alert]:
        """What has changed; waits so long for the first."""
        fresh = []
        for message in self._consumer.consume(100, wait_s):
            alert = _decoded(message.value()) if message.error() is None else None
            if alert is not None and self._is_newer(alert):
                self._known[alert.finding.alert_id] = alert
                fresh.append(alert)
        return fresh

    def close(self) -> None:
        """Let go of Kafka."""
        self._consumer.close()

    def _is_newer(self, alert: Alert) -> bool:
        known = self._known.get(alert.finding.alert_id)
        return known is None or known.version < alert.version


def _decoded(value: str | bytes | None) -> Alert | None:
    if not isinstance(value, bytes):
        return None
    try:
        return decode_alert(value)
    except UnreadableRecordError:
        return None
