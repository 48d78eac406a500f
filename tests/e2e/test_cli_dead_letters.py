"""Dead letters by the command, on real Kafka: back to where they came from byte for byte, and away."""

from __future__ import annotations

import os
import pty
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from processor.local import KafkaCluster
from tests.support.command import COMMAND, Lineage, environment
from tests.support.events import event, facet, table
from tests.support.indexing import World, encoded

Headers = list[tuple[str, bytes | None]]


class Sent(NamedTuple):
    """All that there is to a record."""

    partition: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Headers


AN_HOUR_AGO_MS = time.time_ns() // 1_000_000 - 3_600_000
HOSTILE = [
    Sent(2, b"\x00\xffkey", b"\x80\x04garbage", AN_HOUR_AGO_MS, [("a", b"\xff"), ("a", b"again"), ("none", None)]),
    Sent(0, None, None, AN_HOUR_AGO_MS + 1, [("", b""), ("\u202e", b"\x00")]),
    Sent(1, b"", b"", AN_HOUR_AGO_MS + 2, [("__connect.errors.topic", b"mine"), ("lineage.reason", b"mine")]),
    Sent(1, b"k" * 10_000, b'{"eventTime": "never"}', AN_HOUR_AGO_MS + 3, []),
]


@pytest.fixture
def world(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> World:
    return World.make(kafka.bootstrap, redis_url, topic_prefix)


def command(world: World, folder: Path) -> Lineage:
    return Lineage(folder, world.settings.to_environment())


def send(world: World, records: Sequence[Sent]) -> None:
    producer = Producer({"bootstrap.servers": world.settings.kafka["bootstrap.servers"]})
    for each in records:
        headers: Any = each.headers
        producer.produce(
            world.settings.topics.events,
            each.value,
            each.key,
            partition=each.partition,
            timestamp=each.timestamp_ms,
            headers=headers,
        )
    assert producer.flush(30) == 0


def events(world: World) -> list[Sent]:
    return sorted((_sent(each) for each in world.messages(world.settings.topics.events)), key=repr)


def _sent(message: Message) -> Sent:
    headers: Any = message.headers() or []
    return Sent(message.partition() or 0, message.key(), message.value(), message.timestamp()[1], headers)


def redriven(records: Sequence[Sent], attempt: int) -> list[Sent]:
    counted: Headers = [("lineage.attempt", str(attempt).encode())]
    return [each._replace(headers=[*each.headers, *counted]) for each in records]


def test_a_record_comes_back_byte_for_byte_and_does_not_loop(world: World, tmp_path: Path) -> None:
    lineage = command(world, tmp_path)
    send(world, HOSTILE)
    world.catch_up()
    letters = sorted(world.dead_letters(), key=repr)
    tried = lineage.ok("dead-letters", "redrive", "--all", "--dry-run", "-o", "ndjson")
    assert [each["to"] for each in tried.lines] == [world.settings.topics.events] * len(HOSTILE)
    assert "would send 4 records back" in tried.err
    assert (len(events(world)), sorted(world.dead_letters(), key=repr)) == (len(HOSTILE), letters)

    assert "4 records sent back" in lineage.ok("dead-letters", "redrive", "--all").err
    assert events(world) == sorted([*HOSTILE, *redriven(HOSTILE, 1)], key=repr)
    assert "left out: 4 that were sent back before" in lineage.ok("dead-letters", "redrive", "--all").err
    assert lineage.ok("dead-letters", "list", "-o", "json").json == []
    assert [each["redriven"] for each in lineage.ok("dead-letters", "list", "--all", "-o", "json").json] == [True] * 4

    world.catch_up()
    assert [each["attempt"] for each in lineage.ok("dead-letters", "list", "-o", "ndjson").lines] == [2] * 4
    lineage.ok("dead-letters", "redrive", "--all")
    world.catch_up()
    assert events(world) == sorted([*HOSTILE, *redriven(HOSTILE, 1), *redriven(HOSTILE, 2)], key=repr)
    spent = lineage.ok("dead-letters", "redrive", "--all").err
    assert "left out: 4 that were dead letters 3 times or more" in spent
    assert len(events(world)) == 3 * len(HOSTILE)


def test_chosen_letters_only(world: World, tmp_path: Path) -> None:
    lineage = command(world, tmp_path)
    send(world, HOSTILE)
    world.catch_up()
    counts = lineage.ok("dead-letters", "list", "--count", "-o", "json").json
    topic = world.settings.topics.events
    assert sorted((each["reason"], each["topic"], each["count"]) for each in counts) == [
        ("contract", topic, 1),
        ("empty", topic, 1),
        ("null", topic, 1),
        ("unknown_format", topic, 1),
    ]
    chosen = lineage.ok("dead-letters", "list", "--reason", "null", "--reason", "empty", "--since", "1h", "-o", "json")
    assert sorted(each["reason"] for each in chosen.json) == ["empty", "null"]
    assert lineage.ok("dead-letters", "list", "--until", "1h", "-o", "json").json == []
    [where] = [each["where"] for each in chosen.json if each["reason"] == "null"]
    assert lineage("dead-letters", "redrive", where, "0:999").code == 1
    assert lineage("dead-letters", "redrive").code == 2
    assert lineage("dead-letters", "redrive", "--all", "--to", "nowhere").code == 2
    assert lineage("dead-letters", "redrive", "--all", "--to", world.settings.topics.dead_letters).code == 2
    assert len(events(world)) == len(HOSTILE)
    assert "1 record sent back" in lineage.ok("dead-letters", "redrive", where).err
    assert events(world) == sorted([*HOSTILE, *redriven([HOSTILE[1]], 1)], key=repr)


def test_what_was_too_large_for_its_letter_comes_back_whole_once_it_is_mended(
    kafka: KafkaCluster, redis_url: str, topic_prefix: str, tmp_path: Path
) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    small = NewTopic(f"{topic_prefix}dead_letters", 1, 1, config={"max.message.bytes": "3000"})
    [made] = admin.create_topics([small]).values()
    made.result(30)
    world = World.make(kafka.bootstrap, redis_url, topic_prefix, max_value_bytes=1024)
    large = event(outputs=[table("big", notes=facet(text=os.urandom(4000).hex()))])
    world.produce(encoded([event("small"), large]), headers=[("trace", b"\xff")])
    world.catch_up()
    [letter] = world.dead_letters()
    assert letter.value is None
    world.settings = world.settings.changed(max_value_bytes=1_000_000)
    lineage = command(world, tmp_path)
    [listed] = lineage.ok("dead-letters", "list", "-o", "json").json
    assert listed["bytes"] > 8000
    assert "1 record sent back" in lineage.ok("dead-letters", "redrive", "--reason", "too_large").err
    world.catch_up()
    assert len(world.messages(world.settings.topics.events)) == 3
    assert world.digest() == world.oracle()


def test_purging_a_topic_takes_the_oldest_and_nothing_else(world: World, tmp_path: Path) -> None:
    lineage = command(world, tmp_path)
    send(world, HOSTILE[:3])
    world.catch_up()
    lineage.ok("dead-letters", "redrive", "--reason", "null")
    newest_us = max(message.timestamp()[1] for message in world.messages(world.settings.topics.dead_letters)) * 1000
    between = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(newest_us // 1_000_000 + 1))
    while time.time() * 1_000_000 <= newest_us + 1_000_000:
        time.sleep(0.05)
    send(world, HOSTILE[3:])
    world.catch_up()
    refused = lineage("dead-letters", "purge", "--reason", "null", "--yes")
    assert (refused.code, "--before TIME or --all" in refused.err) == (2, True)
    alone = lineage("dead-letters", "purge", "--before", between)
    assert (alone.code, "--yes" in alone.err) == (2, True)
    told = "3 dead letters (2 of them never sent back)"
    assert f"would throw away {told}" in lineage.ok("dead-letters", "purge", "--before", between, "--dry-run").err
    assert len(lineage.ok("dead-letters", "list", "--all", "-o", "json").json) == 5
    assert f"threw away {told}" in lineage.ok("dead-letters", "purge", "--before", between, "--yes").err
    left = lineage.ok("dead-letters", "list", "--all", "-o", "json").json
    assert sorted((each["reason"], each["attempt"]) for each in left) == [("contract", 1), ("null", 2)]
    lineage.ok("dead-letters", "purge", "--all", "--in", "topic", "--yes")
    assert world.messages(world.settings.topics.dead_letters) == []


def test_a_person_at_a_terminal_is_asked_first(world: World, tmp_path: Path) -> None:
    send(world, HOSTILE[:1] * 11)
    world.catch_up()
    lineage = command(world, tmp_path)
    assert _at_terminal(lineage, b"n\n", "dead-letters", "redrive", "--all") == (1, True)
    assert len(events(world)) == 11
    assert _at_terminal(lineage, b"y\n", "dead-letters", "redrive", "--all") == (0, True)
    assert len(events(world)) == 22
    assert _at_terminal(lineage, b"n\n", "dead-letters", "purge", "--all") == (1, True)
    assert len(lineage.ok("dead-letters", "list", "--all", "-o", "json").json) == 11


def _at_terminal(lineage: Lineage, answer: bytes, *arguments: str) -> tuple[int, bool]:
    """Exit code, and whether it asked."""
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=lineage.folder,
        env=environment(**lineage.settings),
        stdin=theirs,
        stderr=theirs,
        check=False,
    )
    os.close(theirs)
    said = os.read(ours, 65536)
    os.close(ours)
    return done.returncode, b"? [y/N]" in said


def test_what_load_kept_goes_to_the_topic_and_leaves_the_file(world: World, tmp_path: Path) -> None:
    lineage = command(world, tmp_path)
    assert lineage("load", "-", stdin=b'{"eventTime": 7}\nno json\n').code == 1
    assert (
        "1 record sent back" in lineage.ok("dead-letters", "redrive", "--in", "file", "--reason", "unknown_format").err
    )
    [letter] = lineage.ok("dead-letters", "list", "-o", "json").json
    assert (letter["where"], letter["reason"]) == ("file:1", "contract")
    assert [(each.value, each.headers) for each in events(world)] == [(b"no json", [("lineage.attempt", b"1")])]
    world.catch_up()
    assert [
        (each["attempt"], each["source"].split(":")[0])
        for each in lineage.ok("dead-letters", "list", "--in", "topic", "-o", "json").json
    ] == [(2, world.settings.topics.events)]


def test_what_load_kept_is_indexed_once_it_is_mended(lineage: Lineage) -> None:
    large = encoded([event(outputs=[table("big", notes=facet(text="x" * 3000))])])[0]
    assert lineage.having(LINEAGE_MAX_VALUE_BYTES="1024")("load", "-", stdin=b"no json\n" + large).code == 1
    assert lineage.ok("export", "edges", "-o", "ndjson").lines == []
    done = lineage.ok("dead-letters", "redrive", "--all").err
    assert ("1 record sent back" in done, "1 record rejected again" in done) == (True, True)
    assert len(lineage.ok("export", "edges", "-o", "ndjson").lines) == 1
    [left] = lineage.ok("dead-letters", "list", "-o", "json").json
    assert (left["reason"], left["attempt"]) == ("unknown_format", 2)
    assert "threw away 1 dead letter" in lineage.ok("dead-letters", "purge", "--reason", "unknown_format", "--yes").err
    assert lineage.ok("dead-letters", "list", "-o", "json").json == []
