"""The producers of a chaos run: one thread that sends what is due, and knows what the brokers have acknowledged."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError, Message, Producer

from tests.chaos.run.records import MARK, Sending

_TICK_S: Final = 0.1
_FLUSH_S: Final = 180.0


class Sender:
    """Sends records over the length of a run, in their order."""

    def __init__(self, bootstrap: str, topic: str, seconds: float, sendings: Sequence[Sending]) -> None:
        self.acknowledged: set[tuple[int, int]] = set()
        self.refused = 0
        self._topic = topic
        self._seconds = seconds
        self._left = list(reversed(sendings))
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "linger.ms": 20,
                "delivery.timeout.ms": 150_000,
                "log_level": 0,
            }
        )
        self._thread = threading.Thread(target=self._work, name="producers", daemon=True)
        self._began_s = 0.0

    def start(self) -> None:
        """Begin; the run's clock starts now."""
        self._began_s = time.monotonic()
        self._thread.start()

    def finish(self) -> None:
        """Wait until all is sent, and acknowledged or refused for good."""
        self._thread.join()
        assert self._producer.flush(_FLUSH_S) == 0, "the producers cannot get rid of their records"

    def _work(self) -> None:
        while self._left:
            done = (time.monotonic() - self._began_s) / self._seconds
            while self._left and self._left[-1].when <= done:
                self._send(self._left.pop())
            self._producer.poll(_TICK_S)

    def _send(self, sending: Sending) -> None:
        headers: list[tuple[str, str | bytes | None]] = [(MARK, sending.bad.encode())] if sending.bad else []
        while True:
            try:
                self._producer.produce(
                    self._topic, sending.value, sending.key, headers=headers, on_delivery=self._delivered
                )
            except BufferError:
                self._producer.poll(_TICK_S)
            else:
                return

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.acknowledged.add((message.partition() or 0, message.offset() or 0))
        else:
            self.refused += 1
