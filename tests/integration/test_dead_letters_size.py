"""Bad records at the limits of what the dead-letter topic takes, on real Kafka: neither lost nor a lasting stop."""

from __future__ import annotations

import random
from collections import Counter

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from processor.local import KafkaCluster
from processor.model.dead_letter import take_apart
from tests.support.indexing import World, encoded, pipelines

LARGEST = 1_000_000
# What Kafka adds to a value: its batch's header, the key, lengths, and nothing for compression that does not help.
AROUND = 200


def noise(size: int, seed: int) -> bytes:
    """Bytes that nothing makes shorter."""
    return random.Random(seed).randbytes(size)


def test_the_largest_record_that_an_input_takes_is_kept_whole(
    kafka: KafkaCluster, redis_url: str, topic_prefix: str
) -> None:
    topics = {name: f"{topic_prefix}{name}" for name in ("events", "changes", "alerts", "dead_letters")}
    world = World.make(kafka.bootstrap, redis_url, topic_prefix, topics={**topics, "max_message_bytes": LARGEST})
    largest = noise(LARGEST - AROUND, 1)
    headers = [("h" * 20_000, noise(20_000, 2))]
    world.produce([largest])
    world.produce([noise(LARGEST - AROUND - 50_000, 3)], headers=list(headers))
    world.catch_up()
    letters = sorted(world.dead_letters(), key=lambda letter: len(letter.value or b""))
    assert [letter.value for letter in letters] == sorted(
        (each.value for each in world.sent), key=lambda v: len(v or b"")
    )
    assert letters[0].headers[0] == headers[0]


def test_what_the_dead_letter_topic_does_not_take_leaves_a_letter_that_tells_where_it_is(
    kafka: KafkaCluster, redis_url: str, topic_prefix: str
) -> None:
    """A batch is judged as a whole: letters beside one that is too large, or too many small ones, are kept whole."""
    letters_topic = f"{topic_prefix}dead_letters"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    [made] = admin.create_topics([NewTopic(letters_topic, 1, 1, config={"max.message.bytes": "3000"})]).values()
    made.result(30)
    world = World.make(kafka.bootstrap, redis_url, topic_prefix)
    small = [b"\x01" + noise(600, seed) for seed in range(30)]
    large = [b"\x01" + noise(5_000, seed) for seed in range(3)]
    world.produce([*small[:20], *large, *encoded(pipelines(50)), *small[20:]])
    world.catch_up()
    letters = world.dead_letters()
    assert Counter(letter.value for letter in letters) == Counter([*small, *[None] * len(large)])
    left = [take_apart(letter.headers) for letter in letters if letter.value is None]
    expected = {each.place: len(each.key or b"") + 5_001 for each in world.sent if each.value in large}
    assert {each.place: each.left_bytes for each in left} == expected
    assert world.behind() == 0
    assert world.digest() == world.oracle()
