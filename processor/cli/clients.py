"""Clients that only single commands need."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException

from processor import wiring
from processor.decode.decoder import build_decoder
from processor.decode.limits import Limits
from processor.decode.observe import Observe, observer
from processor.decode.schemas import read_schemas
from processor.indexer.publisher import Publisher
from processor.kafka_config import admin_config
from processor.model.errors import DependencyError, UsageError
from processor.resources import schemas_dir
from processor.settings import Settings

__all__ = ["file_observer", "open_publisher", "open_reader"]

_ANSWER_S: Final = 10.0
_LOG: Final = logging.getLogger("librdkafka")


def open_publisher(settings: Settings, topic: str) -> Publisher:
    """A publisher for a topic that is known to be there. Raises `UsageError`, `DependencyError`."""
    admin = wiring.kafka_admin(settings)
    try:
        there = admin.list_topics(timeout=_ANSWER_S).topics
    except KafkaException as error:
        raise DependencyError("Kafka", error.args[0].str()) from error
    if topic not in there:
        raise UsageError(f"there is no topic {topic}; create it with: lineage topics create")
    return wiring.open_publisher(settings)


@contextmanager
def open_reader(settings: Settings, **also: Any) -> Iterator[Consumer]:  # noqa: ANN401  librdkafka's own
    """A consumer that is assigned by hand and leaves no trace in any group. Raises `UsageError`.

    `also`: further settings of librdkafka, with underscores for dots.
    """
    own: dict[str, Any] = {"group.id": "lineage-reader", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    own |= {name.replace("_", "."): value for name, value in also.items()}
    try:
        consumer = Consumer({**admin_config(settings), **own}, logger=_LOG)
    except (KafkaException, ValueError) as error:
        raise UsageError(f"a setting under LINEAGE_KAFKA__ cannot be used: {error}") from error
    try:
        yield consumer
    finally:
        consumer.close()


def file_observer(settings: Settings) -> Observe:
    """What reads the values of files: any format. Raises `UsageError` for a bad schema of the user's own."""
    schemas = read_schemas(schemas_dir(), settings.facet_schemas)
    return observer(build_decoder("auto", schemas, None, Limits(value_bytes=settings.max_value_bytes)))
