"""Which offsets are to be committed and which are known to be.

Rules kept here:
- an offset means: everything before it is in the index, its changes are published, its dead letters are confirmed;
- a commit that fails because of a rebalance is no error: the new owner reads those records again, and the index
  joins them to the same;
- what was not confirmed is committed again, until the partition is someone else's.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from processor.indexer.points import Point, Reached, pass_by
from processor.indexer.records import Partition
from processor.indexer.timing import Every
from processor.telemetry import metrics

__all__ = ["Commits"]

_REPEAT_S: Final = 1.0
_SAY_AGAIN_S: Final = 10.0
_NOTHING_NEW: Final = KafkaError._NO_OFFSET  # noqa: SLF001  the underscore marks codes of the client itself
_OF_REBALANCE: Final = frozenset(
    {
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError._ASSIGNMENT_LOST,  # noqa: SLF001
    }
)

_log = structlog.get_logger(__name__)


class Commits:
    """Commits asynchronously; `answered` is the consumer's `on_commit`."""

    def __init__(self, reached: Reached = pass_by) -> None:
        """Start with nothing to commit; `reached`: see `points`."""
        self._reached = reached
        self._wanted: dict[Partition, int] = {}
        self._confirmed: dict[Partition, int] = {}
        self._sent_s = 0.0
        self._say_due = Every(_SAY_AGAIN_S)

    @property
    def open(self) -> dict[Partition, int]:
        """Offsets that are to be committed and are not known to be."""
        return {each: offset for each, offset in self._wanted.items() if self._confirmed.get(each) != offset}

    def want(self, offsets: Mapping[Partition, int]) -> None:
        """Take note of where to read on."""
        self._wanted.update(offsets)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop partitions that are no longer ours, or come anew."""
        for each in partitions:
            self._wanted.pop(each, None)
            self._confirmed.pop(each, None)

    def send(self, consumer: Consumer) -> None:
        """Commit what is open; the answer comes to `answered`."""
        offsets = [TopicPartition(each.topic, each.number, offset) for each, offset in self.open.items()]
        if not offsets:
            return
        self._sent_s = time.monotonic()
        try:
            consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self._failed(error.args[0])

    def send_again(self, consumer: Consumer) -> None:
        """Commit what has been open for a while."""
        if time.monotonic() - self._sent_s > _REPEAT_S:
            self.send(consumer)

    def answered(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """Take the answer to a commit."""
        for each in partitions:
            failure = error or each.error
            if failure is None:
                self._confirmed[Partition(each.topic, each.partition)] = each.offset
        failures = [failure for failure in (error, *(each.error for each in partitions)) if failure is not None]
        if failures:
            self._failed(failures[0])
        else:
            metrics.COMMITS.labels("committed").inc()
            self._reached(Point.COMMITTED)

    def _failed(self, error: KafkaError) -> None:
        if error.code() == _NOTHING_NEW:
            return
        outcome = "rebalanced" if error.code() in _OF_REBALANCE else "failed"
        metrics.COMMITS.labels(outcome).inc()
        text = "offsets were not committed, will be read or committed again"
        if outcome == "rebalanced":
            _log.info(text, error=error.str())
        elif self._say_due.is_due:
            _log.warning(text, error=error.str())
            self._say_due.done()
