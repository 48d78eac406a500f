"""Which topics there must be, how they are made, and what is wrong with one that is there. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from processor.settings import Settings

__all__ = ["Fault", "Found", "faults", "wanted_topics"]

PARTITIONS: Final = "partitions"
_CLEANUP: Final = "cleanup.policy"
_RETENTION: Final = "retention.ms"
_SIZE: Final = "max.message.bytes"
_DAY_MS: Final = 24 * 3600 * 1000
_CHANGES_KEPT_DAYS: Final = 7
_DEAD_LETTERS_KEPT_DAYS: Final = 30
_FOR_EVER: Final = -1
# A dead letter is its record and the headers that say why.
_HEADERS_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as it is: how many partitions, and its configuration."""

    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing about a topic that is not as it must be. `setting` is `partitions` or a topic's setting in Kafka."""

    topic: str
    setting: str
    found: str
    wanted: str
    why: str

    def __str__(self) -> str:
        return f"{self.topic} has {self.setting}={self.found}, not {self.wanted}: {self.why}"


def wanted_topics(settings: Settings) -> dict[str, dict[str, str]]:
    """Give the topics that there must be, each with its configuration."""
    largest = settings.topics.max_message_bytes
    names = settings.topics
    inputs = {each.topic: {_SIZE: str(largest)} for each in settings.input_topics}
    return {
        **inputs,
        names.changes: {_CLEANUP: "delete", _RETENTION: str(_CHANGES_KEPT_DAYS * _DAY_MS), _SIZE: str(largest)},
        names.alerts: {_CLEANUP: "compact", _SIZE: str(largest)},
        names.dead_letters: {
            _CLEANUP: "delete",
            _RETENTION: str(_DEAD_LETTERS_KEPT_DAYS * _DAY_MS),
            _SIZE: str(largest + _HEADERS_BYTES),
        },
    }


def faults(settings: Settings, there: Mapping[str, Found]) -> list[Fault]:
    """All that is wrong with the topics that are there."""
    names = settings.topics
    inputs = {each.topic: there[each.topic] for each in settings.input_topics if each.topic in there}
    found = [fault for name, topic in inputs.items() for fault in _of_input(settings, name, topic)]
    if names.changes in there:
        found += _cleanup(
            names.changes, there[names.changes], "delete", "compaction drops changes that nobody has read"
        )
    if names.alerts in there:
        found += _cleanup(names.alerts, there[names.alerts], "compact", "an alert's newest state must never expire")
    if names.dead_letters in there:
        found += _cleanup(
            names.dead_letters, there[names.dead_letters], "delete", "compaction drops all but one of a key"
        )
        found += _room(names.dead_letters, there[names.dead_letters], inputs)
    return found


def _of_input(settings: Settings, name: str, topic: Found) -> Iterator[Fault]:
    yield from _cleanup(name, topic, "delete", "compaction drops all events of a key but its last")
    if "partitions" in settings.topics.model_fields_set and topic.partitions < settings.topics.partitions:
        why = "no more indexers than partitions can work; raise it, or lower LINEAGE_TOPICS__PARTITIONS"
        yield Fault(name, PARTITIONS, str(topic.partitions), str(settings.topics.partitions), why)
    kept_ms, late_ms = int(topic.config.get(_RETENTION, _FOR_EVER)), int(settings.keep.late_days * _DAY_MS)
    if kept_ms != _FOR_EVER and kept_ms < late_ms:
        why = f"events may come {settings.keep.late_days:g} days late (LINEAGE_KEEP__LATE_DAYS), and be read again"
        yield Fault(name, _RETENTION, str(kept_ms), str(late_ms), why)


def _cleanup(name: str, topic: Found, wanted: str, why: str) -> Iterator[Fault]:
    policy = topic.config.get(_CLEANUP, wanted)
    if policy != wanted:
        yield Fault(name, _CLEANUP, policy, wanted, why)


def _room(name: str, topic: Found, inputs: Mapping[str, Found]) -> Iterator[Fault]:
    """A dead letter is longer than its record, so its topic must take longer ones than every input does."""
    largest = max((int(each.config.get(_SIZE, 0)) for each in inputs.values()), default=0)
    taken = int(topic.config.get(_SIZE, largest + 1))
    if taken <= largest:
        why = f"the inputs take {largest}, and a large bad record would be kept without its bytes"
        yield Fault(name, _SIZE, str(taken), str(largest + _HEADERS_BYTES), why)
