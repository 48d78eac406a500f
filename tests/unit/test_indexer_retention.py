"""How long Kafka keeps the input, as a metric; a broker that does not tell is no trouble."""

from __future__ import annotations

import math
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from processor.indexer.retention import Retention
from processor.telemetry.metrics import REGISTRY


class _Brokers:
    def __init__(self, **config: str) -> None:
        self._config = config

    def describe_configs(self, resources: list[Any], **_: object) -> dict[Any, Future[Any]]:
        future: Future[Any] = Future()
        if self._config:
            future.set_result({name: SimpleNamespace(value=value) for name, value in self._config.items()})
        else:
            future.set_exception(KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)))
        return dict.fromkeys(resources, future)


def _shown(brokers: _Brokers, topic: str) -> float | None:
    retention = Retention(cast("AdminClient", brokers), [topic])
    retention.look()
    retention.look()
    return REGISTRY.get_sample_value("lineage_processor_retention_seconds", {"topic": topic})


@pytest.mark.parametrize(
    ("retention_ms", "policy", "seconds"),
    [
        ("604800000", "delete", 604_800),
        ("-1", "delete", math.inf),
        ("604800000", "compact", math.inf),
        ("604800000", "compact,delete", 604_800),
    ],
)
def test_the_time_that_kafka_keeps_records_is_shown(retention_ms: str, policy: str, seconds: float) -> None:
    brokers = _Brokers(**{"retention.ms": retention_ms, "cleanup.policy": policy})
    assert _shown(brokers, "kept") == seconds


def test_a_broker_that_does_not_tell_is_no_trouble() -> None:
    assert _shown(_Brokers(), "secret") is None
