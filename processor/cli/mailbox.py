"""Both places where dead letters are kept, opened for one command, and what a person says of which are meant."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from processor.cli.guard import say
from processor.home import BOOTSTRAP, with_kafka
from processor.model.errors import Reason, Stage

if TYPE_CHECKING:
    from confluent_kafka import Consumer

    from processor.deadletters.choice import Choice
    from processor.deadletters.file import KeptFile
    from processor.deadletters.letter import DeadLetter
    from processor.deadletters.topic import Position
    from processor.settings import Settings


class Within(StrEnum):
    """One of the two places."""

    TOPIC = "topic"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The letters on the topic, if there is a Kafka, and those in the file."""

    settings: Settings
    consumer: Consumer | None
    kept: KeptFile | None

    @property
    def topic(self) -> str:
        """The dead-letter topic."""
        return self.settings.topics.dead_letters

    def on_topic(self) -> Iterator[DeadLetter]:
        """The letters on the topic."""
        from processor.deadletters.topic import read_topic

        return iter(()) if self.consumer is None else read_topic(self.consumer, self.topic)

    def in_file(self) -> Iterator[DeadLetter]:
        """The letters in the file; torn lines are told of."""
        from processor.render.text import counted

        if self.kept is None:
            return
        yield from self.kept.read()
        if self.kept.torn:
            say(f"{self.kept.path}: {counted(self.kept.torn, 'torn line')} passed over")

    def redriven(self) -> frozenset[Position]:
        """The letters on the topic that were sent back."""
        from processor.deadletters.topic import read_redriven

        return frozenset() if self.consumer is None else read_redriven(self.consumer, self.topic)

    def marked(self) -> Iterator[DeadLetter]:
        """All letters; those that were sent back are marked."""
        from processor.deadletters.topic import position_of

        before = self.redriven()
        for letter in self.on_topic():
            yield replace(letter, redriven=True) if position_of(letter.where) in before else letter
        yield from self.in_file()


@contextmanager
def mailbox(within: Within | None = None) -> Iterator[Mailbox]:
    """Both places, or one. Raises `UsageError` where the topic is asked for and there is no Kafka."""
    from processor import settings
    from processor.cli.clients import open_reader
    from processor.deadletters.file import KeptFile

    chosen = with_kafka(settings.load())
    kept = None if within is Within.TOPIC else KeptFile(chosen.home)
    if within is Within.TOPIC:
        chosen.require_kafka()
    if within is Within.FILE or not chosen.kafka.get(BOOTSTRAP):
        yield Mailbox(chosen, None, kept)
        return
    with open_reader(chosen) as consumer:
        yield Mailbox(chosen, consumer, kept)


def choice(
    *,
    where: Sequence[str] | None = None,
    reason: Sequence[Reason] | None,
    stage: Sequence[Stage] | None,
    topic: Sequence[str] | None,
    since: str | None,
    until: str | None,
) -> Choice:
    """Make what was asked for of the options. Raises `UsageError` for a time that is none."""
    from processor.deadletters.choice import Choice

    return Choice(
        frozenset(where or ()),
        frozenset(each.value for each in reason or ()),
        frozenset(each.value for each in stage or ()),
        frozenset(topic or ()),
        moment_us(since),
        moment_us(until),
    )


def moment_us(text: str | None) -> int | None:
    """A time, or an age counted from now. Raises `UsageError`."""
    from processor.render.times import parse_moment

    return None if text is None else parse_moment(text, time.time_ns() // 1000)


def within_of(where: Sequence[str], within: Within | None) -> Within | None:
    """The place that the names of letters speak of, where all speak of one."""
    named = {Within.FILE if each.startswith("file:") else Within.TOPIC for each in where}
    return named.pop() if within is None and len(named) == 1 else within
