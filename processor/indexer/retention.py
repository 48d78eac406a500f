"""How long Kafka keeps the records of the input topics: what a lag has to be held against.

The question is asked aside, and its answer is looked at the next time: nobody waits for it. Where the brokers do not
tell (the right DescribeConfigs is missing) nothing is shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Final

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but its stubs do not say so
    AdminClient,
    ConfigResource,
)

from processor.indexer.timing import Every
from processor.telemetry import metrics

__all__ = ["Retention"]

_LOOK_S: Final = 60.0
_ASK_S: Final = 10.0
_NAME: Final = "retention.ms"
_POLICY: Final = "cleanup.policy"

_log = structlog.get_logger(__name__)


class Retention:
    """Shows the retention of topics as the brokers tell it."""

    def __init__(self, admin: AdminClient, topics: Sequence[str]) -> None:
        """Share the client; nothing is asked yet."""
        self._admin = admin
        self._resources = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics]
        self._asked: dict[Any, Future[Any]] = {}
        self._due = Every(_LOOK_S)
        self._is_told = False

    def look(self) -> None:
        """Take the answers that are in, and ask again when it is time to."""
        for resource in [each for each, future in self._asked.items() if future.done()]:
            self._take(resource.name, self._asked.pop(resource))
        if self._due.is_due and not self._asked:
            self._asked = self._admin.describe_configs(self._resources, request_timeout=_ASK_S)
            self._due.done()

    def _take(self, topic: str, future: Future[Any]) -> None:
        try:
            told = future.result()
        except KafkaException as error:
            if not self._is_told:
                _log.info("the retention of a topic is not known", topic=topic, reason=error.args[0].str())
            self._is_told = True
            return
        metrics.RETENTION.labels(topic).set(_seconds(str(told[_NAME].value), str(told[_POLICY].value)))


def _seconds(retention_ms: str, policy: str) -> float:
    """Of a topic that is only compacted, and of one without a limit, time deletes nothing."""
    kept_ms = int(retention_ms)
    return math.inf if kept_ms < 0 or "delete" not in policy else kept_ms / 1000
