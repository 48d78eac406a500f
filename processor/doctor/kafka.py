"""What `lineage doctor` finds out about Kafka."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but its stubs do not say so
    AdminClient,
    OffsetSpec,
)

from processor import wiring
from processor.doctor.checks import Check, away, bad, good, unknown
from processor.model.errors import DependencyError, UsageError
from processor.settings import Settings
from processor.topic_rules import faults, wanted_topics
from processor.topics import describe

__all__ = ["of_kafka"]

_TIMEOUT_S: Final = 3.0
_NAMED: Final = 5
_CREATE: Final = "make them with: lineage topics create"


def of_kafka(settings: Settings) -> Iterator[Check]:
    """Look at the broker, the topics and the group."""
    if not settings.kafka.get("bootstrap.servers"):
        yield bad("kafka", "no address", "set LINEAGE_KAFKA__BOOTSTRAP_SERVERS=host:port")
        return
    try:
        told: list[str] = []
        admin = wiring.kafka_admin(settings, on_error=lambda error: told.append(str(error)))
    except UsageError as error:
        yield bad("kafka", str(error), "correct it")
        return
    yield from _of_cluster(admin, settings, told)


def _of_cluster(admin: AdminClient, settings: Settings, told: list[str]) -> Iterator[Check]:
    where = settings.kafka["bootstrap.servers"]
    try:
        metadata = admin.list_topics(timeout=_TIMEOUT_S)
    except KafkaException as error:
        admin.poll(0)  # now the client tells what it met on its way: a certificate, a password
        why = "; ".join(dict.fromkeys([error.args[0].str(), *told[:1]]))
        yield away("kafka", f"{where} does not answer: {why}", "is it running, and are address and secrets right?")
        yield unknown("topics", "not looked at, Kafka does not answer")
        yield unknown("lag", "not looked at, Kafka does not answer")
        return
    yield good("kafka", f"{where} answers, brokers: {len(metadata.brokers)}")
    partitions = {name: sorted(topic.partitions) for name, topic in metadata.topics.items()}
    yield from _of_topics(admin, settings, partitions)
    yield _lag(admin, settings, partitions)


def _of_topics(admin: AdminClient, settings: Settings, partitions: dict[str, list[int]]) -> Iterator[Check]:
    wanted = wanted_topics(settings)
    missing = [name for name in wanted if name not in partitions]
    if missing:
        yield bad("topics", f"missing: {', '.join(missing)}", _CREATE)
    else:
        yield good("topics", "all there: " + ", ".join(f"{name} ({len(partitions[name])})" for name in wanted))
    yield from _of_settings(admin, settings)


def _of_settings(admin: AdminClient, settings: Settings) -> Iterator[Check]:
    try:
        wrong = faults(settings, describe(admin, wanted_topics(settings)))
    except (UsageError, DependencyError) as error:
        yield unknown("topic settings", f"not known: {error}", "give this user the right DescribeConfigs")
        return
    for each in wrong:
        yield bad("topic settings", str(each), f"set {each.setting}={each.wanted}, or: lineage topics create --fix")
    if not wrong:
        yield good("topic settings", "as they should be")


def _lag(admin: AdminClient, settings: Settings, partitions: dict[str, list[int]]) -> Check:
    wanted = [TopicPartition(each.topic, n) for each in settings.input_topics for n in partitions.get(each.topic, ())]
    group = settings.groups.indexer
    try:
        members = _members(admin, group)
        behind = _behind(admin, group, wanted)
    except (KafkaException, TimeoutError) as error:
        return unknown("lag", f"the broker does not tell: {error}")
    lag, most = sum(behind.values()), _most(behind)
    if lag and not members:
        return bad("lag", f"{lag} records wait and nobody reads them{most}", "start: lineage run")
    return good("lag", f"{lag} records behind; indexers in group {group}: {members}{most}")


def _most(behind: Mapping[tuple[str, int], int]) -> str:
    """Name the partitions that are behind, the furthest first."""
    late = sorted((each for each, lag in behind.items() if lag), key=lambda each: -behind[each])
    told = ", ".join(f"{topic}:{number} ({behind[topic, number]})" for topic, number in late[:_NAMED])
    return f"; most in {told}" if late else ""


def _members(admin: AdminClient, group: str) -> int:
    [future] = admin.describe_consumer_groups([group], request_timeout=_TIMEOUT_S).values()
    try:
        return len(future.result(_TIMEOUT_S).members)
    except KafkaException:
        return 0  # there is no such group yet


def _behind(admin: AdminClient, group: str, wanted: list[TopicPartition]) -> dict[tuple[str, int], int]:
    if not wanted:
        return {}
    committed = _committed(admin, group, wanted)
    first = _offsets(admin, wanted, OffsetSpec.earliest())  # type: ignore[no-untyped-call]  # the client's stubs lack it
    last = _offsets(admin, wanted, OffsetSpec.latest())  # type: ignore[no-untyped-call]  # as above
    return {each: max(0, end - max(committed.get(each, -1), first.get(each, 0))) for each, end in last.items()}


def _committed(admin: AdminClient, group: str, wanted: list[TopicPartition]) -> dict[tuple[str, int], int]:
    request = [ConsumerGroupTopicPartitions(group, wanted)]
    [future] = admin.list_consumer_group_offsets(request, request_timeout=_TIMEOUT_S).values()
    return {(each.topic, each.partition): each.offset for each in future.result(_TIMEOUT_S).topic_partitions}


def _offsets(admin: AdminClient, wanted: list[TopicPartition], spec: Any) -> dict[tuple[str, int], int]:  # noqa: ANN401
    futures = admin.list_offsets(dict.fromkeys(wanted, spec), request_timeout=_TIMEOUT_S)
    return {(each.topic, each.partition): future.result(_TIMEOUT_S).offset for each, future in futures.items()}
