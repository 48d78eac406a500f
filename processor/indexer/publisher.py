"""Sending records so that each is known to have arrived.

Rules kept here:
- nothing counts as sent before its delivery report says so;
- a record that failed is sent again and never dropped: a refusal is loud (`DependencyError`), however lasting;
- what the topic does not take for its size is sent once more alone, for the broker judges whole batches; if that does
  not help, its `smaller` stands in for it, and that is said;
- an idempotent producer that broke for good is a `BrokenClientError`: the process has to start anew.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from processor.indexer.errors import BrokenClientError
from processor.indexer.points import Point, Reached, pass_by
from processor.indexer.records import Headers
from processor.model.errors import DependencyError
from processor.telemetry import metrics

__all__ = ["Outgoing", "Publisher"]

_POLL_S: Final = 0.1
# How the client is told that nothing is asked for.
_NOW: Final = 0
_ANY: Final = -1
_TOO_LARGE: Final = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to send. `smaller`: what stands in for it where the topic does not take it for its size.

    Without a timestamp it gets that of its sending, without a partition that of its key.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    smaller: Outgoing | None = None
    timestamp_ms: int = _NOW
    partition: int = _ANY


class Publisher:
    """Sends through one producer. For one thread.

    Every record has a number and is `waiting` until it is confirmed; meanwhile it is unsent, on its way, or failed.
    """

    def __init__(self, producer: Producer, reached: Reached = pass_by) -> None:
        """Take over a producer with `enable.idempotence` and `acks=all`; `reached`: see `points`."""
        self._producer = producer
        self._reached = reached
        self._waiting: dict[int, Outgoing] = {}
        self._unsent: deque[int] = deque()
        self._failed: dict[int, KafkaError] = {}
        self._number = 0

    def send(self, records: Sequence[Outgoing]) -> None:
        """Hand records over; `settle` tells when they have arrived."""
        for record in records:
            self._number += 1
            self._waiting[self._number] = record
            self._unsent.append(self._number)
        self._produce_unsent()

    def settle(self, timeout_s: float) -> None:
        """Return once everything that was sent has arrived; what failed before is sent again first.

        Raises `DependencyError` when something was refused or is still on its way after the time.
        """
        self._unsent.extend(self._failed)
        self._failed.clear()
        deadline_s = time.monotonic() + timeout_s
        while len(self._waiting) > len(self._failed) and time.monotonic() < deadline_s:
            self._produce_unsent()
            # A flush does not wait for the linger to fill a batch, so the last one leaves at once.
            self._producer.flush(_POLL_S)
        self._send_alone(deadline_s)
        self._raise_failure(timeout_s)

    def _send_alone(self, deadline_s: float) -> None:
        """Send each again by itself that was refused for its size, and in the end what stands in for it."""
        for number in [each for each in self._failed if self._is_too_large(each)]:
            record = self._waiting[number]
            self._try_alone(number, record, deadline_s)
            if record.smaller is not None and self._is_too_large(number):
                self._stand_in(number, record.smaller, deadline_s)

    def _stand_in(self, number: int, smaller: Outgoing, deadline_s: float) -> None:
        self._try_alone(number, smaller, deadline_s)
        if number not in self._waiting:
            metrics.CUT.labels(smaller.topic).inc()
            _log.error("a record is too large for its topic; one without its bytes stands in", topic=smaller.topic)

    def give_up_too_large(self) -> list[Outgoing]:
        """Forget what was refused for its size, and give it: only for whom that is not to be waited for."""
        refused = [number for number in self._failed if self._is_too_large(number)]
        for number in refused:
            del self._failed[number]
        return [self._waiting.pop(number) for number in refused]

    def _is_too_large(self, number: int) -> bool:
        return number in self._failed and self._failed[number].code() in _TOO_LARGE

    def _try_alone(self, number: int, record: Outgoing, deadline_s: float) -> None:
        """Send one alone, and wait for what becomes of it."""
        del self._failed[number]
        try:
            self._produce(number, record)
        except BufferError:
            self._unsent.append(number)
        except KafkaException as error:
            self._failed[number] = error.args[0]
        while number in self._waiting and number not in self._failed and time.monotonic() < deadline_s:
            self._producer.flush(_POLL_S)

    def _produce_unsent(self) -> None:
        """Give the client what it takes; when its queue is full, the rest goes later."""
        while self._unsent:
            number = self._unsent[0]
            try:
                self._produce(number, self._waiting[number])
            except BufferError:
                return
            except KafkaException as error:
                self._failed[number] = error.args[0]
            self._unsent.popleft()
            self._producer.poll(0)

    def _produce(self, number: int, record: Outgoing) -> None:
        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                del self._waiting[number]
                self._reached(Point.ARRIVED)
            else:
                self._failed[number] = error

        self._producer.produce(
            record.topic,
            record.value,
            record.key,
            headers=list(record.headers),
            on_delivery=on_delivery,
            partition=record.partition,
            timestamp=record.timestamp_ms,
        )
        self._reached(Point.HANDED)

    def _raise_failure(self, timeout_s: float) -> None:
        if self._failed:
            error = next(iter(self._failed.values()))
            kind = BrokenClientError if error.fatal() else DependencyError
            raise kind("Kafka", f"{self._told(self._failed)} were not taken: {error.str()}")
        if self._waiting:
            raise DependencyError("Kafka", f"{self._told(self._waiting)} are not confirmed after {timeout_s:.0f} s")

    def _told(self, numbers: Iterable[int]) -> str:
        topics = [self._waiting[number].topic for number in numbers]
        return f"{len(topics)} records for {', '.join(sorted(set(topics)))}"
