"""What librdkafka is told, for each kind of client. Pure.

Rules kept here: a user's setting wins over a default of ours, and what the guarantees rest on wins over both
(`settings` refuses it before).
"""

from __future__ import annotations

from typing import Any, Final

from processor.settings import Settings

__all__ = [
    "admin_config",
    "alerts_log_config",
    "api_producer_config",
    "api_reader_config",
    "consumer_config",
    "producer_config",
    "reader_config",
]

# librdkafka's own defaults, and how much a response may hold at all.
_FETCH_BYTES: Final = 50 * 1024 * 1024
_RECEIVE_BYTES: Final = 100_000_000
_MOST_RECEIVE_BYTES: Final = 2_147_483_647
# What a response holds besides records; librdkafka asks for no less than 512.
_ENVELOPE_BYTES: Final = 1024 * 1024
_LISTENER_KBYTES: Final = 1024
_QUEUED_KBYTES: Final = 128 * 1024
_LARGEST_MESSAGE: Final = 1_000_000_000
_DEFAULTS: Final[dict[str, Any]] = {
    # A broker that comes back is found within a second, whatever it was that took it away.
    "reconnect.backoff.max.ms": 1000,
    "socket.keepalive.enable": True,
    "log.connection.close": False,
}
_CONSUMER: Final[dict[str, Any]] = {
    "auto.offset.reset": "earliest",
    # The default back-off of one second, once the queue is full, costs a hundredfold with small queues.
    "fetch.queue.backoff.ms": 10,
    "fetch.wait.max.ms": 50,
}
_CONSUMER_MUST: Final[dict[str, Any]] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
}
_CLASSIC: Final[dict[str, Any]] = {
    "partition.assignment.strategy": "cooperative-sticky",
    # How long the partitions of a process that was killed stand still.
    "session.timeout.ms": 15_000,
    "heartbeat.interval.ms": 3000,
}
_PRODUCER: Final[dict[str, Any]] = {
    "compression.type": "zstd",
    "linger.ms": 5,
    # The same partition for a key as Java's clients choose.
    "partitioner": "murmur2_random",
}
# A client that connects only where it has to tries a controller that is gone without a pause: most of a core's time.
_ASKING: Final[dict[str, Any]] = {"enable.sparse.connections": False}
_PRODUCER_MUST: Final[dict[str, Any]] = {"enable.idempotence": True, "acks": "all"}


# A client that is given a setting of the other kind warns of it each time.
_OF_CONSUMERS: Final = (
    *("auto.offset.", "check.crcs", "fetch.", "group.", "heartbeat.", "max.partition.", "max.poll.", "queued."),
    *("partition.assignment.", "session.timeout."),
)
_OF_PRODUCERS: Final = (
    *("batch.", "compression.", "delivery.", "linger.", "message.send.", "message.timeout.", "partitioner", "queue."),
    *("request.required.", "request.timeout.", "retries", "sticky.", "transaction"),
)


def consumer_config(settings: Settings) -> dict[str, Any]:
    """Configure the indexer's consumer."""
    return {
        **_DEFAULTS,
        **_CONSUMER,
        "queued.max.messages.kbytes": max(1, settings.queued_bytes // 1024),
        "client.id": "lineage-indexer",
        "receive.message.max.bytes": _largest_response(settings),
        **(_CLASSIC if settings.group_protocol == "classic" else {}),
        **_without(_OF_PRODUCERS, settings.require_kafka()),
        **_CONSUMER_MUST,
        "group.id": settings.groups.indexer,
        "group.protocol": settings.group_protocol,
        **({"group.instance.id": settings.group_instance_id} if settings.group_instance_id else {}),
    }


def alerts_log_config(settings: Settings) -> dict[str, Any]:
    """Configure a consumer that reads a topic on its own. The group is only a name that the client insists on."""
    alone = ("group.", "partition.assignment.", "session.timeout.", "heartbeat.", "max.poll.", "auto.offset.")
    return {
        **_DEFAULTS,
        **_CONSUMER,
        "client.id": "lineage-alerter",
        "receive.message.max.bytes": _largest_response(settings),
        **_without((*_OF_PRODUCERS, *alone), settings.require_kafka()),
        **_CONSUMER_MUST,
        "group.id": settings.groups.alerter,
    }


def producer_config(settings: Settings) -> dict[str, Any]:
    """Configure a producer that takes any record which a consumer could read."""
    given = _without(_OF_CONSUMERS, settings.require_kafka())
    largest = {"message.max.bytes": _LARGEST_MESSAGE}
    return {**_DEFAULTS, **_PRODUCER, "client.id": "lineage-indexer", **given, **largest, **_PRODUCER_MUST}


def api_producer_config(settings: Settings) -> dict[str, Any]:
    """Configure a producer for events that a client waits for: what is late is let go, and what waits is bounded."""
    late_ms = int(settings.api.send_timeout_s * 1000)
    own = {"client.id": "lineage-api", "queue.buffering.max.kbytes": _QUEUED_KBYTES, "message.timeout.ms": late_ms}
    return {**producer_config(settings), **own, "linger.ms": settings.kafka.get("linger.ms", 2)}


def api_reader_config(settings: Settings) -> dict[str, Any]:
    """Configure a consumer for one client that listens: it reads on its own, and little ahead."""
    own = {"client.id": "lineage-api", "queued.max.messages.kbytes": _LISTENER_KBYTES, "auto.offset.reset": "earliest"}
    return {**alerts_log_config(settings), **own}


def admin_config(settings: Settings) -> dict[str, Any]:
    """Configure a client that asks and creates."""
    given = _without((*_OF_CONSUMERS, *_OF_PRODUCERS), settings.require_kafka())
    return {**_DEFAULTS, **_ASKING, "client.id": "lineage", **given}


def reader_config(settings: Settings) -> dict[str, Any]:
    """Configure a consumer that only looks, and reads whatever the topics take."""
    # A question about the end of one partition would hold up the reading of the next for that long.
    waits = {"fetch.wait.max.ms": 20}
    return {**admin_config(settings), **waits, "receive.message.max.bytes": _largest_response(settings)}


def _largest_response(settings: Settings) -> int:
    """Tell how many bytes a response may have: a full fetch and, on top, the largest record that the topics take.

    A broker sends at least one batch whatever its size; were it more than the consumer receives, the consumer would
    stand in front of it for good.
    """
    given = settings.require_kafka()
    sizes = (given.get(name, "") for name in ("fetch.max.bytes", "message.max.bytes"))
    fetch = max((int(size) for size in sizes if size.isdecimal()), default=_FETCH_BYTES)
    wanted = (
        max(fetch, _FETCH_BYTES) + max(settings.topics.max_message_bytes, settings.max_value_bytes) + _ENVELOPE_BYTES
    )
    return min(_MOST_RECEIVE_BYTES, max(_RECEIVE_BYTES, wanted))


def _without(prefixes: tuple[str, ...], given: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in given.items() if not key.startswith(prefixes)}
