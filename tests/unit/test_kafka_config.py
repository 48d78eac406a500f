"""What librdkafka is told: sizes that fit together, by its own judgment too."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer

from processor.kafka_config import consumer_config
from processor.settings import Settings, Topics

MB = 1024 * 1024
RECEIVE, FETCH = "receive.message.max.bytes", "fetch.max.bytes"


def config(largest_bytes: int, **kafka: str) -> dict[str, object]:
    given = {name.replace("_", "."): value for name, value in kafka.items()}
    settings = Settings(
        kafka={"bootstrap.servers": "localhost:1", **given}, topics=Topics(max_message_bytes=largest_bytes)
    )
    return consumer_config(settings)


@pytest.mark.parametrize("largest_bytes", [1024, 32 * MB, 100 * MB, 900_000_000])
@pytest.mark.parametrize("kafka", [{}, {"fetch_max_bytes": "200000000"}, {"message_max_bytes": "90000000"}])
def test_the_largest_record_of_the_topics_can_be_received(largest_bytes: int, kafka: dict[str, str]) -> None:
    told = config(largest_bytes, **kafka)
    received = int(str(told[RECEIVE]))
    assert received > largest_bytes
    assert received >= 100_000_000
    assert received >= int(kafka.get("fetch_max_bytes", 0)) + 512
    Consumer(told).close()  # librdkafka refuses sizes that do not fit together


def test_a_size_that_the_user_sets_stands() -> None:
    assert config(200 * MB, receive_message_max_bytes="70000000")[RECEIVE] == "70000000"


def test_a_size_beyond_what_librdkafka_takes_is_left_to_its_judgment() -> None:
    told = config(900_000_000, fetch_max_bytes="2147483135")
    assert told[RECEIVE] == 2_147_483_647
    Consumer(told).close()
