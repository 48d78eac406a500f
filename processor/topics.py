"""The topics at the broker: which are missing, which are not as they must be, and how that is mended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but its stubs do not say so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
)
from confluent_kafka.cimpl import NewTopic

from processor import wiring
from processor.model.errors import DependencyError, UsageError
from processor.settings import Settings
from processor.topic_rules import PARTITIONS, Fault, Found, faults, wanted_topics

__all__ = ["create_topics", "describe", "ensure_topics", "mend", "missing_topics", "wrong_topics"]

T = TypeVar("T")
_TIMEOUT_S: Final = 10.0
_ASK_S: Final = 3.0
_POLL_S: Final = 0.1
_TRANSIENT: Final = (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError.REQUEST_TIMED_OUT)  # noqa: SLF001

_log = structlog.get_logger(__name__)


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
    """Create what is missing if `create_topics` says so; else raise a `UsageError` that names it.

    Raises `UsageError` too for topics that are there and not as they must be.
    """
    created = create_topics(settings) if settings.create_topics else []
    missing = [] if created else missing_topics(settings)
    if missing:
        raise UsageError(
            f"missing topics: {', '.join(missing)}; make them with `lineage topics create`,"
            " or set LINEAGE_CREATE_TOPICS=true"
        )
    _refuse_wrong_topics(settings)
    return created


def _refuse_wrong_topics(settings: Settings) -> None:
    try:
        wrong = wrong_topics(settings)
    except UsageError as error:  # the right DescribeConfigs is missing: that keeps nobody from working
        _log.info("how the topics are set up is not known", reason=str(error))
        return
    if wrong:
        more = f" ({len(wrong) - 1} more: `lineage doctor` lists them)" if len(wrong) > 1 else ""
        raise UsageError(f"{wrong[0]}{more}; mend it with `lineage topics create --fix`")


def wrong_topics(settings: Settings) -> list[Fault]:
    """Tell what is wrong with the topics that are there.

    Raises `UsageError` where the broker does not let this user know, `DependencyError` when it does not answer.
    """
    admin = wiring.kafka_admin(settings)
    return faults(settings, describe(admin, wanted_topics(settings)))


def describe(admin: AdminClient, names: Iterable[str]) -> dict[str, Found]:
    """Tell how those of these topics are that are there. Raises as `wrong_topics` does."""
    there = _asked(lambda: admin.list_topics(timeout=_ASK_S)).topics
    resources = {name: ConfigResource(ConfigResource.Type.TOPIC, name) for name in names if name in there}
    if not resources:
        return {}
    futures = _asked(lambda: admin.describe_configs(list(resources.values()), request_timeout=_TIMEOUT_S))
    configs = {name: _told(f"topic {name}", futures[resource]) for name, resource in resources.items()}
    return {name: Found(len(there[name].partitions), _values(config)) for name, config in configs.items()}


def _values(config: dict[str, Any]) -> dict[str, str]:
    return {name: str(entry.value) for name, entry in config.items()}


def mend(settings: Settings, wrong: Sequence[Fault]) -> None:
    """Set topics to what they must be. Raises `UsageError` when the broker refuses, `DependencyError` as ever."""
    admin = wiring.kafka_admin(settings)
    for fault in wrong:
        [future] = (_enlarged if fault.setting == PARTITIONS else _altered)(admin, fault).values()
        _told(f"topic {fault.topic}", future)


def _enlarged(admin: AdminClient, fault: Fault) -> dict[Any, Any]:
    new = [NewPartitions(fault.topic, int(fault.wanted))]
    return _asked(lambda: admin.create_partitions(new, operation_timeout=_TIMEOUT_S))


def _altered(admin: AdminClient, fault: Fault) -> dict[Any, Any]:
    return _asked(lambda: admin.incremental_alter_configs([_change(fault)], request_timeout=_TIMEOUT_S))


def _change(fault: Fault) -> Any:  # noqa: ANN401  the client's stubs lack it
    entry = ConfigEntry(fault.setting, fault.wanted, incremental_operation=AlterConfigOpType.SET)
    return ConfigResource(ConfigResource.Type.TOPIC, fault.topic, incremental_configs=[entry])


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
        _told(f"topic {name}", future)
    except UsageError as error:
        cause = error.__cause__
        if isinstance(cause, KafkaException) and cause.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise
    return True


def _told(what: str, future: Any) -> Any:  # noqa: ANN401  as above
    """The answer; `UsageError` if it is a refusal, `DependencyError` if there is none."""
    try:
        return future.result(_TIMEOUT_S)
    except TimeoutError:
        raise DependencyError("Kafka", f"{what}: no answer within {_TIMEOUT_S:g} s") from None
    except KafkaException as error:
        if error.args[0].code() in _TRANSIENT:
            raise DependencyError("Kafka", f"{what}: {error.args[0].str()}") from error
        raise UsageError(f"{what} is refused by the broker: {error.args[0].str()}") from error


def _asked(question: Callable[[], T]) -> T:
    try:
        return question()
    except KafkaException as error:
        raise DependencyError("Kafka", error.args[0].str()) from error
