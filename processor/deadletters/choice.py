"""Which dead letters are meant, and how many there are of each kind. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from processor.deadletters.letter import DeadLetter

__all__ = ["Choice", "Tally", "tally"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Every condition must hold; one that names nothing always does.

    Times are those of the letter, in microseconds: `since_us` and later, before `until_us`.
    """

    where: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    since_us: int | None = None
    until_us: int | None = None

    @property
    def has_filter(self) -> bool:
        """Whether anything but a place is asked for."""
        return bool(self.reasons or self.stages or self.topics) or self.has_time

    @property
    def has_time(self) -> bool:
        """Whether a time is asked for."""
        return self.since_us is not None or self.until_us is not None

    def takes(self, letter: DeadLetter) -> bool:
        """Whether this one is meant."""
        return (
            (not self.where or letter.where in self.where)
            and (not self.reasons or letter.reason in self.reasons)
            and (not self.stages or letter.stage in self.stages)
            and (not self.topics or letter.topic in self.topics)
            and self._is_in_time(letter.time_us)
        )

    def _is_in_time(self, time_us: int | None) -> bool:
        if time_us is None:
            return not self.has_time
        return (self.since_us is None or time_us >= self.since_us) and (
            self.until_us is None or time_us < self.until_us
        )


class _Like(NamedTuple):
    reason: str
    stage: str
    topic: str | None


@dataclass(slots=True)
class Tally:
    """How many letters are alike, and from when to when. `topic` is None for those from files."""

    reason: str
    stage: str
    topic: str | None
    count: int = 0
    oldest_us: int | None = None
    newest_us: int | None = None

    def add(self, letter: DeadLetter) -> None:
        """Count one more."""
        self.count += 1
        if letter.time_us is not None:
            self.oldest_us = min(letter.time_us, self.oldest_us or letter.time_us)
            self.newest_us = max(letter.time_us, self.newest_us or letter.time_us)


def tally(letters: Iterable[DeadLetter]) -> list[Tally]:
    """Count letters by reason, stage and topic, the most frequent first."""
    found: dict[_Like, Tally] = {}
    for letter in letters:
        like = _Like(letter.reason, letter.stage, letter.topic)
        found.setdefault(like, Tally(*like)).add(letter)
    return sorted(found.values(), key=lambda each: (-each.count, each.reason, each.stage, each.topic or ""))
