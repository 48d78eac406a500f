"""Events to Kafka: what is said to be sent is confirmed.

Rules kept here:
- a request's events count as sent when Kafka has confirmed each (`acks=all`, idempotent);
- what is not confirmed in time is claimed by nobody: the client sends it again, and the index converges on the double;
- what waits is bounded by the client's own queue: when that is full, nothing more is taken.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from processor.api.intake import OutgoingEvent
from processor.api.problems import ProblemError
from processor.model.errors import DependencyError

__all__ = ["Sender"]

_POLL_S: Final = 0.1
_ASK_S: Final = 3.0
_RETRY_S: Final = 2
_TOO_LARGE: Final = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE)
_log = structlog.get_logger(__name__)


class Sender:
    """Sends through one producer, whose reports a thread of its own waits for. Use it in a `with`."""

    def __init__(self, producer: Producer, topic: str, timeout_s: float, on_broken: Callable[[], None]) -> None:
        """Take over a producer with `enable.idempotence` and `acks=all`.

        `on_broken` is called once the producer can send nothing more for good: the process has to start anew.
        """
        self._producer = producer
        self._topic = topic
        self._timeout_s = timeout_s
        self._on_broken = on_broken
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._wait_for_reports, name="kafka reports", daemon=True)
        self._thread.start()

    async def send(self, records: Sequence[OutgoingEvent]) -> None:
        """Return once Kafka has confirmed all of them. Raises `ProblemError`: nothing is claimed then."""
        delivery = _Delivery(len(records), asyncio.get_running_loop())
        try:
            self._produce(records, delivery)
            async with asyncio.timeout(self._timeout_s):
                await delivery.done
        except TimeoutError:
            raise _away("Kafka has not confirmed the events in time") from None
        except BufferError:
            raise _away("too many events wait for Kafka") from None
        except KafkaException as error:
            raise self._refused(error.args[0]) from None
        finally:
            delivery.done.cancel()

    def ask(self) -> None:
        """Raise `DependencyError` unless Kafka answers and the topic is there. Blocks for seconds."""
        try:
            there = self._producer.list_topics(self._topic, timeout=_ASK_S).topics[self._topic]
        except KafkaException as error:
            raise DependencyError("Kafka", error.args[0].str()) from error
        if there.error is not None:
            raise DependencyError("Kafka", there.error.str())

    def close(self, timeout_s: float) -> None:
        """Wait for what is on its way, and end the thread."""
        self._producer.flush(timeout_s)
        self._ended.set()
        self._thread.join(timeout_s)

    def _produce(self, records: Sequence[OutgoingEvent], delivery: _Delivery) -> None:
        for key, value in records:
            self._producer.produce(self._topic, value, key, on_delivery=delivery.report)

    def _wait_for_reports(self) -> None:
        while not self._ended.is_set():
            self._producer.poll(_POLL_S)

    def _refused(self, error: KafkaError) -> ProblemError:
        if error.code() in _TOO_LARGE:
            detail = "an event is larger than the topic takes; nothing of the request is claimed to be sent"
            return ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
        _log.warning("events were not taken", detail=error.str(), fatal=error.fatal())
        if error.fatal():
            self._on_broken()
        return _away("Kafka did not take the events")


class _Delivery:
    """What is still to be confirmed of one request's events."""

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.done = loop.create_future()
        self._loop = loop
        self._left = count
        self._error: KafkaError | None = None
        if not count:
            self.done.set_result(None)

    def report(self, error: KafkaError | None, _message: Message) -> None:
        """Take a report in; called by the thread that waits for them."""
        self._left -= 1
        self._error = self._error or error
        if not self._left and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if self.done.done():
            return
        if self._error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(KafkaException(self._error))


def _away(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, f"{detail}; send them again later", retry_s=_RETRY_S)
