"""Faust's way to Kafka, reading without delay.

Its client asks a broker for all partitions of which it holds nothing, and asks that broker no second time before it
has answered. A partition whose records were just taken is in no request then, and what comes into it waits until the
others have something, or for as long as the broker may take to answer: a second and a half, where Faust says so. Here
that is short.
"""

from __future__ import annotations

from typing import Final

import faust
from aiokafka import AIOKafkaConsumer as Client  # type: ignore[import-untyped]  # it ships no types
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport

_MOST_WAIT_MS: Final = 100


class _Thread(AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Transport) -> Client:
        client = super()._create_worker_consumer(transport)
        client._fetch_max_wait_ms = _MOST_WAIT_MS  # noqa: SLF001  Faust has no setting for it; read when it starts
        return client


class _Consumer(Consumer):
    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)


class _Transport(Transport):
    Consumer = _Consumer


def read_promptly(app: faust.App) -> None:
    """Let an app that has not started read what comes within a tenth of a second."""
    app.transport = _Transport(app.conf.broker_consumer, app)
