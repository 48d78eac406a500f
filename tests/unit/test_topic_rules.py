"""What is wrong with a topic that is there."""

from __future__ import annotations

import pytest

from processor.settings import Settings
from processor.topic_rules import Found, faults, wanted_topics

DAY_MS = 24 * 3600 * 1000


def made(settings: Settings) -> dict[str, Found]:
    return {name: Found(6, config) for name, config in wanted_topics(settings).items()}


def of(settings: Settings, topic: str, partitions: int = 6, **config: str) -> list[tuple[str, str, str]]:
    there = made(settings)
    given = {name.replace("_", "."): value for name, value in config.items()}
    there[topic] = Found(partitions, {**there[topic].config, **given})
    return [(fault.setting, fault.found, fault.wanted) for fault in faults(settings, there)]


def test_topics_as_they_are_made_are_right_and_missing_ones_are_none_of_the_faults() -> None:
    assert faults(Settings(), made(Settings())) == []
    assert faults(Settings(), {}) == []


@pytest.mark.parametrize(
    ("topic", "policy", "wanted"),
    [
        ("lineage.alerts", "delete", "compact"),
        ("lineage.alerts", "compact,delete", "compact"),
        ("lineage.changes", "compact", "delete"),
        ("lineage.dead-letters", "compact", "delete"),
        ("lineage.events", "compact", "delete"),
    ],
)
def test_what_is_kept_is_kept_in_the_right_way(topic: str, policy: str, wanted: str) -> None:
    assert of(Settings(), topic, cleanup_policy=policy) == [("cleanup.policy", policy, wanted)]


def test_events_are_kept_for_as_long_as_they_may_come_late() -> None:
    assert of(Settings(), "lineage.events", retention_ms=str(7 * DAY_MS)) == []
    assert of(Settings(), "lineage.events", retention_ms="-1") == []
    short = str(7 * DAY_MS - 1)
    assert of(Settings(), "lineage.events", retention_ms=short) == [("retention.ms", short, str(7 * DAY_MS))]
    later = Settings(keep={"late_days": 8})
    assert of(later, "lineage.events", retention_ms=str(7 * DAY_MS))


def test_fewer_partitions_are_wrong_only_to_who_has_said_how_many() -> None:
    wanting = Settings(topics={"partitions": 6})
    assert of(wanting, "lineage.events", 5) == [("partitions", "5", "6")]
    assert of(wanting, "lineage.events", 7) == of(wanting, "lineage.alerts", 1) == []
    assert of(Settings(), "lineage.events", 1) == []


def test_a_dead_letter_has_room_for_its_record_and_its_headers() -> None:
    [(setting, found, wanted)] = of(Settings(), "lineage.dead-letters", max_message_bytes="5000")
    assert (setting, found) == ("max.message.bytes", "5000")
    assert int(wanted) > int(wanted_topics(Settings())["lineage.events"]["max.message.bytes"])


def test_a_fault_says_which_topic_what_is_what_should_be_and_why() -> None:
    there = {"lineage.alerts": Found(1, {"cleanup.policy": "delete"})}
    [fault] = faults(Settings(), there)
    assert str(fault) == (
        "lineage.alerts has cleanup.policy=delete, not compact: an alert's newest state must never expire"
    )
