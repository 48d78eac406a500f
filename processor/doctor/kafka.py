"""What `lineage doctor` finds out about Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but its stubs do not say so
    AdminClient,
    ConfigResource,
    OffsetSpec,
)

from processor import wiring
from processor.doctor.checks import Check, bad, good, unknown
from processor.model.errors import UsageError
from processor.settings import Settings
from processor.topics import wanted_topics

__all__ = ["of_kafka"]

_TIMEOUT_S: Final = 3.0
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
        yield bad("kafka", f"{where} does not answer: {why}", "is it running, and are address and secrets right?")
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
    try:
        configs = {name: _config(admin, name) for name in wanted if name in partitions}
    except KafkaException as error:
        yield unknown("topic settings", f"the broker does not tell: {error.args[0].str()}")
        return
    yield from _of_configs(settings, configs)


def _config(admin: AdminClient, topic: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    [future] = admin.describe_configs([resource], request_timeout=_TIMEOUT_S).values()
    return {name: str(entry.value) for name, entry in future.result(_TIMEOUT_S).items()}


def _of_configs(settings: Settings, configs: dict[str, dict[str, str]]) -> Iterator[Check]:
    names = settings.topics
    problems = [*_compaction(names.alerts, configs), *_sizes(settings, configs)]
    yield from problems or [good("topic settings", "as they should be")]


def _compaction(alerts: str, configs: dict[str, dict[str, str]]) -> Iterator[Check]:
    policy = configs.get(alerts, {}).get("cleanup.policy", "compact")
    if "compact" not in policy:
        yield bad(
            "topic settings", f"{alerts} has cleanup.policy={policy}", "set it to compact: the newest state counts"
        )


def _sizes(settings: Settings, configs: dict[str, dict[str, str]]) -> Iterator[Check]:
    """A dead letter is longer than its record, so its topic must take longer ones than every input does."""
    letters = settings.topics.dead_letters
    inputs = [each.topic for each in settings.input_topics]
    largest = max((int(configs[name]["max.message.bytes"]) for name in inputs if name in configs), default=0)
    taken = int(configs.get(letters, {}).get("max.message.bytes", largest + 1))
    if taken <= largest:
        yield bad(
            "topic settings",
            f"{letters} takes {taken} bytes, the inputs {largest}: a large bad record would be kept without its bytes",
            f"raise max.message.bytes of {letters}",
        )


def _lag(admin: AdminClient, settings: Settings, partitions: dict[str, list[int]]) -> Check:
    wanted = [TopicPartition(each.topic, n) for each in settings.input_topics for n in partitions.get(each.topic, ())]
    group = settings.groups.indexer
    try:
        members = _members(admin, group)
        lag = sum(_behind(admin, group, wanted).values())
    except (KafkaException, TimeoutError) as error:
        return unknown("lag", f"the broker does not tell: {error}")
    if lag and not members:
        return bad("lag", f"{lag} records wait and nobody reads them", "start: lineage run")
    return good("lag", f"{lag} records behind; indexers in group {group}: {members}")


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
