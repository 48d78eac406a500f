"""Sending records so that each is known to have arrived.

Rules kept here:
- nothing counts as sent before its delivery report says so;
- a record that failed is sent again and never dropped: a refusal is loud (`DependencyError`), however lasting;
- an idempotent producer that broke for good is a `BrokenClientError`: the process has to start anew.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from processor.indexer.errors import BrokenClientError
from processor.indexer.points import Point, Reached, pass_by
from processor.indexer.records import Headers
from processor.model.errors import DependencyError

__all__ = ["Outgoing", "Publisher"]

_POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to send."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


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
        self._raise_failure(timeout_s)

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
            record.topic, record.value, record.key, headers=list(record.headers), on_delivery=on_delivery
        )
        self._reached(Point.HANDED)

    def _raise_failure(self, timeout_s: float) -> None:
        if self._failed:
            error = next(iter(self._failed.values()))
            kind = BrokenClientError if error.fatal() else DependencyError
            raise kind("Kafka", f"{len(self._failed)} records were not taken: {error.str()}")
        if self._waiting:
            raise DependencyError("Kafka", f"{len(self._waiting)} records are not confirmed after {timeout_s:.0f} s")
