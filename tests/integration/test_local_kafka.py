"""The local Kafka is Apache Kafka itself, alone or three together, and keeps only what it is told to keep."""

import socket
import tempfile
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from processor.local import KafkaCluster, LocalServiceError
from processor.local import kafka as module
from processor.local.ports import HOST, free_ports
from tests.waiting import GUARD_S


def create(bootstrap: str, topic: str, replicas: int = 1) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    [made] = admin.create_topics([NewTopic(topic, 1, replicas)]).values()
    made.result(GUARD_S)


def produce(bootstrap: str, topic: str, values: list[bytes]) -> None:
    failed: list[KafkaError] = []
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "log_level": 0})
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _message: failed.append(error) if error else None)
    assert producer.flush(GUARD_S) == 0
    assert not failed


def consume(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    settings = {"bootstrap.servers": bootstrap, "group.id": f"{topic}-reader", "auto.offset.reset": "earliest"}
    consumer = Consumer({**settings, "log_level": 0})
    try:
        consumer.subscribe([topic])
        return [message.value() for message in consumer.consume(count, GUARD_S)]
    finally:
        consumer.close()


def test_what_is_produced_is_consumed(kafka: KafkaCluster, topic_prefix: str) -> None:
    topic = f"{topic_prefix}in"
    create(kafka.bootstrap, topic)
    produce(kafka.bootstrap, topic, [b"one", b"two"])
    assert consume(kafka.bootstrap, topic, 2) == [b"one", b"two"]


def test_a_topic_that_nobody_made_is_not_there(kafka: KafkaCluster, topic_prefix: str) -> None:
    topic = f"{topic_prefix}nowhere"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for _again in range(2):
        error = admin.list_topics(topic, timeout=GUARD_S).topics[topic].error
        assert error is not None
        assert error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_it_leaves_nothing_behind() -> None:
    with KafkaCluster() as cluster:
        folder = cluster.broker(0).folder.parent
        assert folder.is_dir()
    assert not cluster.broker(0).process.is_running
    assert not folder.exists()


def test_a_given_folder_keeps_its_topics_and_records(tmp_path: Path) -> None:
    with KafkaCluster(data_dir=tmp_path) as first:
        create(first.bootstrap, "kept")
        produce(first.bootstrap, "kept", [b"one"])
    with KafkaCluster(data_dir=tmp_path) as second:
        produce(second.bootstrap, "kept", [b"two"])
        assert consume(second.bootstrap, "kept", 2) == [b"one", b"two"]


def test_a_killed_broker_comes_back_with_what_was_acknowledged() -> None:
    with KafkaCluster() as cluster:
        create(cluster.bootstrap, "kept")
        produce(cluster.bootstrap, "kept", [b"one"])
        with pytest.raises(LocalServiceError, match="kill it first"):
            cluster.restart(0)
        cluster.kill(0)
        cluster.restart(0)
        assert consume(cluster.bootstrap, "kept", 1) == [b"one"]


def test_three_brokers_go_on_without_one() -> None:
    with KafkaCluster(brokers=3) as cluster:
        create(cluster.bootstrap, "kept", replicas=3)
        produce(cluster.bootstrap, "kept", [b"one"])
        leader = AdminClient({"bootstrap.servers": cluster.bootstrap}).list_topics("kept", timeout=GUARD_S)
        cluster.kill(leader.topics["kept"].partitions[0].leader - 1)
        produce(cluster.bootstrap, "kept", [b"two"])
        assert consume(cluster.bootstrap, "kept", 2) == [b"one", b"two"]


def test_a_setting_of_ones_own_wins() -> None:
    with KafkaCluster(settings={"auto.create.topics.enable": "true"}) as cluster:
        produce(cluster.bootstrap, "made-by-itself", [b"one"])
        assert consume(cluster.bootstrap, "made-by-itself", 1) == [b"one"]


def test_a_port_that_another_process_took_first_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as quicker:
        taken = [quicker.getsockname()[1], *free_ports(2)]
        answers = iter([taken, free_ports(3)])
        monkeypatch.setattr(module, "free_ports", lambda count: next(answers)[:count])
        with KafkaCluster() as cluster:
            assert cluster.broker(0).node.port != taken[0]


def test_a_broker_that_cannot_start_says_why_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cluster = KafkaCluster(settings={"log.retention.ms": "soon"})
    with pytest.raises(LocalServiceError, match="soon"):
        cluster.start()
    assert not list(tmp_path.iterdir())
