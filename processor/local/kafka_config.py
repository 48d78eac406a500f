"""The settings of a Kafka broker that is also a controller (KRaft), sized for one machine and short lives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from processor.local.ports import HOST

__all__ = ["SECURE_PROTOCOL", "Node", "properties"]

SECURE_PROTOCOL: Final = "secure.protocol"
"""A setting of ours: `SSL` or `SASL_SSL` opens a listener called SECURE beside the plain one."""

_QUORUM_REPLICAS: Final = 3

_SETTINGS: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # A topic is made on purpose or not at all.
    "auto.create.topics.enable": "false",
    "delete.topic.enable": "true",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    # Tests let members die and want to see it noticed.
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "4000",
    "group.consumer.min.heartbeat.interval.ms": "200",
    "group.consumer.heartbeat.interval.ms": "500",
    # The default wants 128 MB at once.
    "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
    # With the default a broker that was killed waits 9 s at its restart, taken for its own double.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "300",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1000",
    # All brokers stop together here; handing over leadership would only wait for a quorum that is gone.
    "controlled.shutdown.enable": "false",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
}


@dataclass(frozen=True, slots=True)
class Node:
    """One broker: its number from 1 on, and the ports it listens on."""

    number: int
    port: int
    controller_port: int
    secure_port: int


def properties(node: Node, nodes: Sequence[Node], logs: Path, settings: Mapping[str, str]) -> str:
    """Return the text of `server.properties` for one of the nodes; `settings` has the last word."""
    replicas = min(len(nodes), _QUORUM_REPLICAS)
    secure = settings.get(SECURE_PROTOCOL)
    given = {name: value for name, value in settings.items() if name != SECURE_PROTOCOL}
    merged = {
        **_SETTINGS,
        "node.id": str(node.number),
        "controller.quorum.voters": ",".join(f"{each.number}@{HOST}:{each.controller_port}" for each in nodes),
        "listeners": f"PLAINTEXT://{HOST}:{node.port},CONTROLLER://{HOST}:{node.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{node.port}",
        "log.dirs": str(logs),
        **_replication(replicas),
        **(_secure_listener(node, secure) if secure else {}),
        **given,
    }
    return "".join(f"{name}={value}\n" for name, value in merged.items())


def _secure_listener(node: Node, protocol: str) -> dict[str, str]:
    """Return the settings of one listener more; what it trusts and whom it lets in, the caller's settings say."""
    address = f"PLAINTEXT://{HOST}:{node.port},SECURE://{HOST}:{node.secure_port}"
    return {
        "listeners": f"{address},CONTROLLER://{HOST}:{node.controller_port}",
        "advertised.listeners": address,
        "listener.security.protocol.map": f"PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:{protocol}",
    }


def _replication(replicas: int) -> dict[str, str]:
    """Return the settings of Kafka's own topics, and the defaults for everyone's."""
    in_sync = str(max(1, replicas - 1))
    topics = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
    factors = {f"{topic}.replication.factor": str(replicas) for topic in topics}
    minimums = {f"{topic}.min.isr": in_sync for topic in topics[1:]}
    return {**factors, **minimums, "default.replication.factor": str(replicas), "min.insync.replicas": in_sync}
