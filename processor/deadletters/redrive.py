"""Sending dead letters back to where they were read.

Rules kept here:
- at least once: a letter is noted as sent back after Kafka has confirmed it, so a redrive that is cut short sends the
  last ones again when it is repeated; the index joins them to the same;
- no loop: a record that is redriven carries how often it was a dead letter, and is left out once that is too often;
- byte for byte: key, value, the headers that the record brought, and its timestamp; but a record which is so old that
  its topic would soon delete it gets the time of its sending;
- what was too large for its dead letter is fetched from where it was read.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import Message

from processor.deadletters.choice import Choice
from processor.deadletters.letter import DeadLetter, as_bytes
from processor.deadletters.topic import Position, notes, position_of
from processor.indexer.publisher import Outgoing, Publisher
from processor.indexer.source import headers_of
from processor.model.dead_letter import with_attempt
from processor.model.errors import DependencyError
from processor.model.observation import Place

__all__ = ["Limits", "Pace", "Plan", "Redrive", "make_plan", "pages"]

_SETTLE_S: Final = 60.0
_PAGE_BYTES: Final = 8 * 1024 * 1024
_PAGES_A_SECOND: Final = 10
_MOST_IN_PAGE: Final = 500


def wall_ms() -> int:
    """Tell the wall clock, in milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What is left out, and where the rest goes.

    Left out are letters of `max_attempts` or more, and those in `redriven`, which were sent back before.
    `to`: the topic to send to, None for that which each was read from; `of_file`: that for letters from the file, ""
    for the index.
    """

    max_attempts: int
    redriven: frozenset[Position] = frozenset()
    to: str | None = None
    of_file: str = ""

    def topic(self, letter: DeadLetter) -> str | None:
        """Where a letter goes; None where that is not known."""
        return self.to or (self.of_file if letter.line else letter.topic)


@dataclass(slots=True)
class Plan:
    """Which of the letters that were `found` are sent back, and how many are not, and why."""

    found: set[str] = field(default_factory=set)
    send: set[str] = field(default_factory=set)
    topics: Counter[str] = field(default_factory=Counter)
    spent: int = 0
    before: int = 0
    nowhere: int = 0

    def take(self, letter: DeadLetter, limits: Limits) -> None:
        """Decide on a letter that was chosen."""
        topic = limits.topic(letter)
        self.found.add(letter.where)
        if topic is None:
            self.nowhere += 1
        elif not letter.line and position_of(letter.where) in limits.redriven:
            self.before += 1
        elif letter.attempt >= limits.max_attempts:
            self.spent += 1
        else:
            self.send.add(letter.where)
            self.topics[topic] += 1


def make_plan(letters: Iterable[DeadLetter], choice: Choice, limits: Limits) -> Plan:
    """Decide on every letter."""
    plan = Plan()
    for letter in letters:
        if choice.takes(letter):
            plan.take(letter, limits)
    return plan


class Pace:
    """At most so many a second, evenly."""

    def __init__(
        self,
        rate: float,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Start at once; `now_s` is a monotonic clock."""
        self.rate = rate
        self._now_s = now_s
        self._sleep = sleep
        self._next_s = now_s()

    @property
    def page(self) -> int:
        """How many to send together."""
        return max(1, min(_MOST_IN_PAGE, int(self.rate / _PAGES_A_SECOND)))

    def wait(self, count: int) -> None:
        """Wait until so many more may go. Time that was lost is not made up for."""
        now_s = self._now_s()
        if self._next_s > now_s:
            self._sleep(self._next_s - now_s)
        self._next_s = max(self._next_s, now_s) + count / self.rate


def pages(letters: Iterable[DeadLetter], most: int) -> Iterator[list[DeadLetter]]:
    """So many at a time, fewer where they are large."""
    page: list[DeadLetter] = []
    size = 0
    for letter in letters:
        page.append(letter)
        size += len(letter.value or b"")
        if len(page) >= most or size >= _PAGE_BYTES:
            yield page
            page, size = [], 0
    if page:
        yield page


@dataclass(slots=True)
class Redrive:
    """Sends letters of the topic. `fetch`: the record at a place, None where it is no longer kept.

    `partitions`: how many each topic has; `kept_ms`: for how long it keeps a record. `refused` and `gone` name the
    letters that could not be sent: too large for the topic, or left where they were read and no longer there.
    `renewed` counts those that got a new timestamp.
    """

    publisher: Publisher
    notes_topic: str
    to: str | None
    partitions: Mapping[str, int]
    kept_ms: Mapping[str, float]
    fetch: Callable[[Place], Message | None]
    now_ms: Callable[[], int] = wall_ms
    sent: int = 0
    renewed: int = 0
    refused: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def send(self, page: Iterable[DeadLetter]) -> None:
        """Send a page and note it down. Raises `DependencyError`; what was not noted is sent again another time."""
        outgoing = {letter.where: self._outgoing(letter) for letter in page}
        self.gone += [where for where, record in outgoing.items() if record is None]
        ready = {where: record for where, record in outgoing.items() if record is not None}
        self.publisher.send(list(ready.values()))
        refused = settle(self.publisher)
        sent = [where for where, record in ready.items() if not any(record is each for each in refused)]
        self.refused += [where for where in ready if where not in sent]
        self.publisher.send(notes(self.notes_topic, map(position_of, sent)))
        self.publisher.settle(_SETTLE_S)
        self.sent += len(sent)

    def _outgoing(self, letter: DeadLetter) -> Outgoing | None:
        place, parts = letter.parts.place, letter.parts
        key, value, own = letter.key, letter.value, parts.own
        if parts.left_bytes is not None:
            original = None if place is None else self.fetch(place)
            if original is None:
                return None
            key, value = as_bytes(original.key()), as_bytes(original.value())
            own = tuple(headers_of(original) or ())
        topic = self.to or letter.topic or ""
        headers = with_attempt(own, parts.attempt)
        timestamp_ms = self._timestamp_ms(topic, parts.timestamp_ms)
        return Outgoing(topic, key, value, headers, None, timestamp_ms, self._partition(topic, place))

    def _timestamp_ms(self, topic: str, own_ms: int | None) -> int:
        """The record's own; 0, which is the time of sending, where it has none or half of its time is over."""
        if own_ms is None or self.now_ms() - own_ms < self.kept_ms.get(topic, 0) / 2:
            return own_ms or 0
        self.renewed += 1
        return 0

    def _partition(self, topic: str, place: Place | None) -> int:
        """The partition that it came from, where it goes back to the same topic."""
        is_back = place is not None and place.topic == topic and place.partition < self.partitions.get(topic, 0)
        return place.partition if place is not None and is_back else -1


def settle(publisher: Publisher) -> list[Outgoing]:
    """Wait until everything has arrived but what the topic does not take for its size, and give that."""
    try:
        publisher.settle(_SETTLE_S)
    except DependencyError:
        refused = publisher.give_up_too_large()
        if not refused:
            raise
        publisher.settle(_SETTLE_S)
        return refused
    return []
