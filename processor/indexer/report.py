"""What the loop tells of its batches: metrics, and log lines that do not grow with the traffic."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from processor.decode import read_schemas
from processor.decode.compile import compile_contract
from processor.indexer.progress import Tracker
from processor.indexer.records import Partition, Record, Sorted
from processor.resources import schemas_dir
from processor.telemetry import metrics

__all__ = ["Report", "contract_facets", "stage"]

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Measured:
    """A measurement. One that does not count is not told: of a turn that brought no records, say."""

    counts: bool = True


@contextmanager
def stage(name: str) -> Iterator[Measured]:
    """Measure a stage of one batch."""
    measured, begun_s = Measured(), time.perf_counter()
    yield measured
    if measured.counts:
        metrics.STAGE_SECONDS.labels(name).observe(time.perf_counter() - begun_s)


def contract_facets() -> frozenset[str]:
    """Name the facets that the contract describes."""
    schemas = read_schemas(schemas_dir())
    containers = compile_contract(schemas.event, schemas.facets).containers
    return frozenset(name for container in containers.values() for name in container.facets)


class Report:
    """Counts batches. `wall_us` is the wall clock.

    `facets`: the facets that are counted by name. Names come from the events: each would be a time series for good.
    """

    def __init__(self, wall_us: Callable[[], int], facets: frozenset[str]) -> None:
        """Start with nothing known of earlier workers."""
        self._wall_us = wall_us
        self._known_facets = facets
        self._had: dict[bytes, int] = {}
        self._problems = _Occasional()
        self._rejects = _Occasional()

    def had(self, offsets: list[dict[bytes, int]]) -> None:
        """Take note of how far the index has read: what comes from before that is a replay."""
        self._had = {}
        for bucket in offsets:
            for partition, offset in bucket.items():
                self._had[partition] = max(offset, self._had.get(partition, 0))

    def batch(self, records: list[Record], result: Sorted) -> None:
        """Count an indexed batch."""
        metrics.BATCH_RECORDS.observe(len(records))
        metrics.EVENTS.labels("rejected").inc(len(result.rejected))
        metrics.EVENTS.labels("silent").inc(result.silent)
        metrics.EVENTS.labels("indexed").inc(len({place for _, place in result.sourced}))
        self._replays(records)
        self._freshness(records, result)
        self._rejected(result)
        self._facets(result)

    def lag(self, tracker: Tracker, owned: frozenset[Partition]) -> None:
        """Show how far behind each partition is."""
        now_us = self._wall_us()
        for each in owned:
            labels = (each.topic, str(each.number))
            lag = tracker.lag(each)
            if lag is not None:
                metrics.LAG_MESSAGES.labels(*labels).set(lag)
                metrics.LAG_SECONDS.labels(*labels).set(tracker.lag_s(each, now_us))
            if tracker.watermark_us(each):
                metrics.WATERMARK.labels(*labels).set(tracker.watermark_us(each) / 1e6)

    def _replays(self, records: list[Record]) -> None:
        had = {each: self._had.get(each.key, 0) for each in {record.partition for record in records}}
        replayed = sum(record.offset < had[record.partition] for record in records)
        if replayed:
            metrics.REPLAYED.inc(replayed)

    def _freshness(self, records: list[Record], result: Sorted) -> None:
        now_us = self._wall_us()
        stamps_us = [record.timestamp_us for record in records if record.timestamp_us is not None]
        if stamps_us:
            metrics.FRESHNESS.labels("record").observe(max(0, now_us - max(stamps_us)) / 1e6)
        if result.sourced:
            newest_us = max(observation.time_us for observation, _ in result.sourced)
            metrics.FRESHNESS.labels("event").observe(max(0, now_us - newest_us) / 1e6)

    def _rejected(self, result: Sorted) -> None:
        for (reason, at), count in Counter((r.reason, r.stage) for _, r in result.rejected).items():
            metrics.DEAD_LETTERS.labels(reason.value, at.value).inc(count)
        if result.rejected:
            record, rejected = result.rejected[0]
            self._rejects.say(
                "records were rejected",
                len(result.rejected),
                reason=rejected.reason.value,
                pointer=rejected.pointer,
                detail=rejected.detail,
                topic=record.partition.topic,
                partition=record.partition.number,
                offset=record.offset,
            )

    def _facets(self, result: Sorted) -> None:
        problems = [(problem, place) for said, place in result.sourced for problem in said.problems]
        for facet, count in Counter(problem.facet for problem, _ in problems).items():
            metrics.FACETS_DROPPED.labels(facet if facet in self._known_facets else "other").inc(count)
        if problems:
            problem, place = problems[0]
            self._problems.say(
                "facets were dropped",
                len(problems),
                facet=problem.facet,
                pointer=problem.pointer,
                detail=problem.detail,
                topic=place.topic,
                partition=place.partition,
                offset=place.offset,
            )


class _Occasional:
    """A warning with its count and one example, at most once in a while."""

    def __init__(self, pause_s: float = 10.0) -> None:
        self._pause_s = pause_s
        self._said_s = -pause_s
        self._count = 0

    def say(self, text: str, count: int, **example: object) -> None:
        self._count += count
        if time.monotonic() - self._said_s < self._pause_s:
            return
        _log.warning(text, count=self._count, **{f"first_{name}": value for name, value in example.items()})
        self._said_s, self._count = time.monotonic(), 0
