"""Holds what was told against what was true.

Rules kept here:
- each label is a unit of recall: it is hit by an alert of its kind about one of its subjects (its own, or that of one
  of its members) that fires between the beginning and the end of the incident;
- each firing is a unit of precision. It is true if it hits a label for the first time, has a severity that fits, does
  not end before the incident does, and not long after it. A firing that a label allows beside itself is neither true
  nor false; any other is false;
- the time to alert counts from the moment when the evidence was in the index.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from processor.model.identity import Node
from processor.telemetry.logs import configure
from tests.eval.label import Label
from tests.eval.play import Episode, Size, Told, is_grave, play
from tests.eval.timing import HOUR_US, at, shown

_SLACK_US = 3 * HOUR_US
"""How long an alert may take to end once the evidence of the end is there, at least: a sweep or two."""


class Problem(NamedTuple):
    """A false alarm or a miss."""

    seed: int
    what: str
    time: str
    kind: str
    subject: str
    sentence: str
    reason: str
    is_grave: bool = True


@dataclass(slots=True)
class Score:
    """The figures of one kind of alert. `waits_us`: times to alert."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    hits: int = 0
    beside: int = 0
    waits_us: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Scores:
    """All of it."""

    kinds: dict[str, Score] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    grave_false: int = 0
    weeks: float = 0.0
    events: int = 0

    def of(self, kind: str) -> Score:
        """The figures of a kind."""
        return self.kinds.setdefault(kind, Score())


class Claim(NamedTuple):
    """What an alert says, or lets one of its members say."""

    kind: str
    subject: Node


def evaluate(seed: int, size: Size, kinds: frozenset[str]) -> Scores:
    """Play one history and score what was told of it."""
    configure("warning", "json")
    return score(play(seed, size), size.days, kinds)


def score(told: Told, days: int, known: frozenset[str]) -> Scores:
    """The figures of one history; labels of kinds that are not `known` do not count."""
    judge = _Judge(told, days, known)
    for episode in told.episodes:
        judge.judge(episode)
    judge.miss()
    judge.scores.weeks, judge.scores.events = days / 7, told.events
    return judge.scores


def together(many: list[Scores]) -> Scores:
    """The figures of several histories."""
    whole = Scores()
    for one in many:
        for kind, there in one.kinds.items():
            mine = whole.of(kind)
            mine.tp, mine.fp, mine.fn = mine.tp + there.tp, mine.fp + there.fp, mine.fn + there.fn
            mine.hits, mine.beside = mine.hits + there.hits, mine.beside + there.beside
            mine.waits_us += there.waits_us
        whole.problems += one.problems
        whole.grave_false += one.grave_false
        whole.weeks += one.weeks
        whole.events += one.events
    return whole


class _Judge:
    def __init__(self, told: Told, days: int, known: frozenset[str]) -> None:
        self.scores = Scores()
        self._seed = told.seed
        self._end_us = at(days)
        self._told = told
        self._labels = [label for label in told.labels if label.kind in known]
        self._hit: dict[int, set[Node]] = {}

    def judge(self, episode: Episode) -> None:
        head, *members = _claims(episode)
        count = self.scores.of(head.kind)
        label = self._fresh(head, episode)
        hit = [(claim, found) for claim in members if (found := self._fresh(claim, episode))]
        for claim, found in hit:
            self._mark(found, claim, episode)
        if label is None:
            if hit or (head.kind == "alert_storm" and self._is_beside(head, episode)):
                count.tp += 1
            elif self._is_beside(head, episode):
                count.beside += 1
            else:
                self._false(episode, head, self._why(head, episode))
            return
        self._mark(label, head, episode)
        fault = self._fault(label, episode)
        if fault:
            self._false(episode, head, fault)
        else:
            count.tp += 1

    def miss(self) -> None:
        """Every label that nobody told."""
        for label in self._labels:
            is_evident = label.visible_us is not None and label.visible_us < self._end_us - label.grace_us
            if id(label) in self._hit or not is_evident or label.is_optional:
                continue
            self.scores.of(label.kind).fn += 1
            until = shown(label.until_us) if label.until_us else "the end"
            reason = f"evident from {shown(label.visible_us or 0)}, lasting until {until}"
            subject = ", ".join(sorted(map(str, label.subjects))[:4])
            self.scores.problems.append(
                Problem(self._seed, "miss", shown(label.from_us), label.kind, subject, label.name, reason)
            )

    def _fresh(self, claim: Claim, episode: Episode) -> Label | None:
        """The label that is told by this for the first time."""
        for label in self._labels:
            if not label.tells(claim.kind, claim.subject) or not label.from_us <= episode.fired_us:
                continue
            if not _is_in_time(label, episode.fired_us):
                continue
            there = self._hit.get(id(label))
            if there is None or (label.is_each and claim.subject not in there):
                return label
        return None

    def _mark(self, label: Label, claim: Claim, episode: Episode) -> None:
        if id(label) not in self._hit:
            count = self.scores.of(label.kind)
            count.hits += 1
            if label.visible_us is not None:
                count.waits_us.append(max(0, episode.fired_us - label.visible_us))
        self._hit.setdefault(id(label), set()).add(claim.subject)

    def _is_beside(self, claim: Claim, episode: Episode) -> bool:
        return any(
            claim.kind == beside.kind and claim.subject in beside.subjects
            for label in self._labels_at(episode.fired_us)
            for beside in label.besides
        )

    def _labels_at(self, time_us: int) -> list[Label]:
        """What is wrong at a time, whether or not its kind is judged here."""
        return [label for label in self._told.labels if label.first_us <= time_us and _is_in_time(label, time_us)]

    def _why(self, claim: Claim, episode: Episode) -> str:
        told = [label for label in self._labels if label.tells(claim.kind, claim.subject)]
        if any(_is_in_time(label, episode.fired_us) for label in told):
            return "told before: a double"
        if told:
            when = ", ".join(f"{shown(one.from_us)} to {shown(one.until_us or self._end_us)}" for one in told)
            return f"not then, but {when}"
        noises = self._told.noises.get(claim.subject, ())
        if noise := [f"{what} at {shown(time_us)}" for time_us, what in noises if time_us <= episode.fired_us]:
            return f"harmless: {', '.join(noise)}"
        near = [label.name for label in self._labels_at(episode.fired_us) if claim.subject in label.subjects]
        return f"another thing is wrong with it: {', '.join(near)}" if near else "nothing is wrong with it"

    def _fault(self, label: Label, episode: Episode) -> str | None:
        if episode.alert.finding.severity not in label.severities:
            return f"severity {episode.alert.finding.severity.value} does not fit {label.name}"
        if episode.is_handed_over:
            return None
        resolved_us, until_us = episode.resolved_us, label.until_us or self._end_us
        may_end_us = until_us if label.may_end_us is None else min(until_us, label.may_end_us)
        if resolved_us is not None and resolved_us < may_end_us:
            return f"resolved at {shown(resolved_us)}, before {label.name} was over at {shown(until_us)}"
        if label.over_us is None:
            return None
        latest_us = label.over_us + label.linger_us + _SLACK_US
        if latest_us < (resolved_us or self._end_us):
            ended = shown(resolved_us) if resolved_us else "never"
            return f"{label.name} was over at {shown(label.over_us)}, resolved {ended}"
        return None

    def _false(self, episode: Episode, claim: Claim, reason: str) -> None:
        self.scores.of(claim.kind).fp += 1
        finding, grave = episode.alert.finding, is_grave(episode.alert)
        self.scores.grave_false += grave
        self.scores.problems.append(
            Problem(
                self._seed,
                "false alarm",
                shown(episode.fired_us),
                claim.kind,
                str(finding.subject),
                finding.summary,
                reason,
                grave,
            )
        )


def _claims(episode: Episode) -> list[Claim]:
    findings = [episode.alert.finding, *([episode.last.finding] if episode.last else [])]
    head = Claim(findings[0].kind.value, findings[0].subject)
    members = dict.fromkeys(Claim(m.kind.value, m.subject) for finding in findings for m in finding.members)
    return [head, *members]


def _is_in_time(label: Label, time_us: int) -> bool:
    end_us = label.over_us if label.until_us is not None else None
    return label.until_us is None or time_us <= max(label.until_us, end_us or 0) + _SLACK_US
