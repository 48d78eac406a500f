"""Clients that only single commands need."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException
from confluent_kafka.admin import ConfigResource  # type: ignore[attr-defined]  # public, but its stubs do not say so

from processor import wiring
from processor.decode.limits import Limits
from processor.decode.observe import Observe, build_observer
from processor.decode.schemas import read_schemas
from processor.indexer.publisher import Publisher
from processor.kafka_config import reader_config
from processor.model.errors import DependencyError, UsageError
from processor.resources import schemas_dir
from processor.settings import Settings

__all__ = ["file_observer", "kept_ms", "open_publisher", "open_reader", "partitions_of"]

_ANSWER_S: Final = 10.0
_LOG: Final = logging.getLogger("librdkafka")


def open_publisher(settings: Settings, topic: str) -> Publisher:
    """A publisher for a topic that is known to be there. Raises `UsageError`, `DependencyError`."""
    partitions_of(settings, [topic])
    return wiring.open_publisher(settings)


def partitions_of(settings: Settings, topics: Iterable[str]) -> dict[str, int]:
    """Ask how many partitions topics have. Raises `UsageError` where one is not there, `DependencyError`."""
    admin = wiring.kafka_admin(settings)
    try:
        there = admin.list_topics(timeout=_ANSWER_S).topics
    except KafkaException as error:
        raise DependencyError("Kafka", error.args[0].str()) from error
    for topic in topics:
        if topic not in there:
            raise UsageError(f"there is no topic {topic}; create it with: lineage topics create")
    return {topic: len(there[topic].partitions) for topic in topics}


def kept_ms(settings: Settings, topics: Iterable[str]) -> dict[str, float]:
    """Ask for how long topics keep a record, in milliseconds; 0 where the broker does not tell."""
    admin, kept = wiring.kafka_admin(settings), dict[str, float]()
    for topic in topics:
        [future] = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values()
        try:
            told = future.result(_ANSWER_S)["retention.ms"].value
        except (KafkaException, TimeoutError):
            told = "0"
        kept[topic] = math.inf if told == "-1" else float(told or 0)
    return kept


@contextmanager
def open_reader(settings: Settings, **also: Any) -> Iterator[Consumer]:  # noqa: ANN401  librdkafka's own
    """A consumer that is assigned by hand and leaves no trace in any group. Raises `UsageError`.

    `also`: further settings of librdkafka, with underscores for dots.
    """
    # A name that the client insists on; that of the indexer's is one that the user has a right to.
    own: dict[str, Any] = {
        "group.id": settings.groups.indexer,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
    }
    own |= {name.replace("_", "."): value for name, value in also.items()}
    try:
        consumer = Consumer({**reader_config(settings), **own}, logger=_LOG)
    except (KafkaException, ValueError) as error:
        raise UsageError(f"a setting under LINEAGE_KAFKA__ cannot be used: {error}") from error
    try:
        yield consumer
    finally:
        consumer.close()


def file_observer(settings: Settings) -> Observe:
    """What reads the values of files: any format. Raises `UsageError` for a bad schema of the user's own."""
    schemas = read_schemas(schemas_dir(), settings.facet_schemas)
    limits = Limits(value_bytes=settings.max_value_bytes)
    return build_observer("auto", schemas, None, limits, wiring.latest_us(settings))
