"""The topics: which there must be, how they are made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from processor import wiring
from processor.model.errors import DependencyError, UsageError
from processor.settings import Settings

__all__ = ["create_topics", "ensure_topics", "missing_topics", "wanted_topics"]

T = TypeVar("T")
_TIMEOUT_S: Final = 10.0
_ASK_S: Final = 3.0
_POLL_S: Final = 0.1
_DAY_MS: Final = 24 * 3600 * 1000
_CHANGES_KEPT_DAYS: Final = 7
_DEAD_LETTERS_KEPT_DAYS: Final = 30
# A dead letter is its record and the headers that say why.
_HEADERS_BYTES: Final = 1024 * 1024


def wanted_topics(settings: Settings) -> dict[str, dict[str, str]]:
    """Give the topics that there must be, each with its configuration."""
    largest = settings.topics.max_message_bytes
    names = settings.topics
    inputs = {each.topic: {"max.message.bytes": str(largest)} for each in settings.input_topics}
    return {
        **inputs,
        names.changes: {
            "cleanup.policy": "delete",
            "retention.ms": str(_CHANGES_KEPT_DAYS * _DAY_MS),
            "max.message.bytes": str(largest),
        },
        names.alerts: {"cleanup.policy": "compact", "max.message.bytes": str(largest)},
        names.dead_letters: {
            "cleanup.policy": "delete",
            "retention.ms": str(_DEAD_LETTERS_KEPT_DAYS * _DAY_MS),
            "max.message.bytes": str(largest + _HEADERS_BYTES),
        },
    }


def missing_topics(settings: Settings) -> list[str]:
    """Name the topics that are not there. Raises `DependencyError` when Kafka does not answer."""
    return _missing(wiring.kafka_admin(settings), wanted_topics(settings))


def create_topics(settings: Settings) -> list[str]:
    """Create the topics that are not there, and name them.

    Raises `UsageError` when the broker refuses, `DependencyError` when it does not answer.
    """
    admin, wanted = wiring.kafka_admin(settings), wanted_topics(settings)
    missing = _missing(admin, wanted)
    if not missing:
        return []
    new = [
        NewTopic(name, settings.topics.partitions, settings.topics.replication, config=wanted[name]) for name in missing
    ]
    created = _created(admin, new)
    _wait_until_there(admin, missing)
    return created


def _created(admin: AdminClient, new: list[NewTopic]) -> list[str]:
    futures = _asked(lambda: admin.create_topics(new, operation_timeout=_TIMEOUT_S, request_timeout=_TIMEOUT_S))
    return [name for name, future in futures.items() if _is_created(name, future)]


def ensure_topics(settings: Settings) -> list[str]:
    """Create what is missing if `create_topics` says so; else raise a `UsageError` that names it."""
    if settings.create_topics:
        return create_topics(settings)
    missing = missing_topics(settings)
    if missing:
        raise UsageError(
            f"missing topics: {', '.join(missing)}; make them with `lineage topics create`,"
            " or set LINEAGE_CREATE_TOPICS=true"
        )
    return []


def _wait_until_there(admin: AdminClient, names: list[str]) -> None:
    """Wait until a client that asks for the topics finds them: brokers learn of them a moment after their creation."""
    deadline_s = time.monotonic() + _TIMEOUT_S
    while _missing(admin, names):
        if time.monotonic() > deadline_s:
            raise DependencyError("Kafka", f"new topics do not appear: {', '.join(_missing(admin, names))}")
        time.sleep(_POLL_S)


def _missing(admin: AdminClient, wanted: Iterable[str]) -> list[str]:
    there = _asked(lambda: admin.list_topics(timeout=_ASK_S)).topics
    return [name for name in wanted if name not in there]


def _is_created(name: str, future: Any) -> bool:  # noqa: ANN401  the client does not say of what its futures are
    try:
        future.result(_TIMEOUT_S)
    except KafkaException as error:
        code = error.args[0].code()
        if code == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        if code in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError.REQUEST_TIMED_OUT):  # noqa: SLF001
            raise DependencyError("Kafka", f"topic {name}: {error.args[0].str()}") from error
        raise UsageError(f"topic {name} cannot be created: {error.args[0].str()}") from error
    return True


def _asked(question: Callable[[], T]) -> T:
    try:
        return question()
    except KafkaException as error:
        raise DependencyError("Kafka", error.args[0].str()) from error
