"""Plays a company: starts what is due, lets it run, fail and be tried again, and delivers the events.

Events arrive seconds later, sometimes hours, sometimes twice. What happens to the company besides (`Act`) is put into
the same queue.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from typing import Any, NamedTuple

from processor.model.identity import Node
from tests.eval.emit import Emitter, Run, run_id
from tests.eval.estate import Company, Job, Style, Unit
from tests.eval.label import Label
from tests.eval.timing import HOUR_US, MINUTE_US, Rhythm, at, starts

_FAILS = 0.015
_FAILS_AGAIN = 0.15
_LATE = 0.004
_DOUBLED = 0.005
_ATTEMPTS = 3
_TELLS_EVERY_US = 4 * HOUR_US


class Delivery(NamedTuple):
    """An event as it arrives."""

    arrives_us: int
    value: bytes


class Started(NamedTuple):
    """A unit that was started: its frame's run, and for which time."""

    unit: Unit
    frame: Run | None
    nominal_us: int


class World:
    """One history, played once. `labels` are complete when it is over. `declared`: what its policy says."""

    def __init__(self, company: Company, chance: random.Random) -> None:
        self.company = company
        self.chance = chance
        self.labels: list[Label] = []
        self.emitter = Emitter(company)
        self.outage = (0, 0)
        self.declared: dict[str, list[Any]] = {}
        self.noises: dict[Node, list[tuple[int, str]]] = {}
        self.missed: dict[int, Label] = {}
        self.hangs: dict[str, tuple[int | None, Label]] = {}
        self._witnesses: dict[str, list[Label]] = {}
        self._acts: list[tuple[int, int, Callable[[int], None]]] = []
        self._mail: list[tuple[int, int, bytes]] = []
        self._count = 0

    # What others put into it

    def act(self, time_us: int, change: Callable[[int], None]) -> None:
        """Change the company at a time."""

        def done(now_us: int) -> None:
            change(now_us)
            self.emitter.forget()

        self.push(time_us, done)

    def label(self, label: Label, *witnesses: Job) -> Label:
        """Add a label. The first completed run of a witness after it begins, and after it ends, is the evidence."""
        self.labels.append(label)
        for witness in witnesses:
            self._witnesses.setdefault(witness.key, []).append(label)
        return label

    def note(self, time_us: int, what: str, *nodes: Node) -> None:
        """Remember that something harmless happened to these."""
        for node in nodes:
            self.noises.setdefault(node, []).append((time_us, what))

    def push(self, time_us: int, step: Callable[[int], None]) -> None:
        """Do something at a time."""
        self._count += 1
        heappush(self._acts, (time_us, self._count, step))

    def deliver(self, value: bytes, time_us: int) -> int:
        """Send an event; when it arrives."""
        arrives_us = time_us + int(self.chance.uniform(0.3, 20) * 1_000_000)
        if self.outage[0] <= arrives_us < self.outage[1]:
            arrives_us = self.outage[1] + self.chance.randrange(60_000_000)
        self._post(arrives_us, value)
        if self.chance.random() < _DOUBLED:
            self._post(arrives_us + int(self.chance.expovariate(1 / 5) * HOUR_US), value)
        return arrives_us

    def schedule(self, unit: Unit) -> None:
        """Start a unit whenever it is due."""
        first_us = at(unit.first_day)
        if unit.schedule.rhythm is Rhythm.STREAMING:
            self.push(first_us + self.chance.randrange(HOUR_US), lambda now_us: self._stream(unit.tasks[0], now_us))
            return
        for due_us in starts(unit.schedule, self.chance, self.company.days, self.company.holidays):
            if due_us >= first_us:
                self.push(due_us, lambda now_us: self.start(unit, now_us, now_us))

    def play(self) -> Iterator[Delivery]:
        """Everything that arrives, in the order of arrival."""
        for unit in self.company.units:
            self.schedule(unit)
        end_us = at(self.company.days)
        while self._acts and self._acts[0][0] < end_us:
            now_us, _, step = heappop(self._acts)
            yield from self._arrived(now_us)
            step(now_us)
        yield from self._arrived(end_us)

    # Runs

    def start(self, unit: Unit, now_us: int, nominal_us: int) -> None:
        """Start a unit for a time that may be long gone."""
        if unit.is_dead:
            self._miss(unit, now_us)
            return
        frame = self._begin(unit.frame, now_us, nominal_us, None) if unit.frame else None
        self._next(Started(unit, frame, nominal_us), 0, now_us)

    def _miss(self, unit: Unit, now_us: int) -> None:
        """It should have been started: that it was not is the evidence."""
        label = self.missed.get(id(unit))
        if label is not None and label.visible_us is None:
            label.visible_us = now_us

    def _back(self, unit: Unit, now_us: int) -> None:
        """All of it has been started again: a turn that fails halfway brings back a part of its tasks."""
        label = self.missed.get(id(unit))
        if label is not None and label.until_us is not None and now_us >= label.until_us and label.over_us is None:
            label.over_us = now_us + int(2 * unit.tasks[-1].minutes * MINUTE_US)

    def _next(self, started: Started, place: int, now_us: int) -> None:
        tasks = started.unit.tasks
        if place >= len(tasks):
            if started.frame:
                self._tell(started.frame, "COMPLETE", now_us)
            return
        queued_us = now_us + int(self.chance.uniform(2, 40) * 1_000_000)
        self.push(queued_us, lambda then_us: self._try(started, place, 0, then_us))

    def _try(self, started: Started, place: int, attempt: int, now_us: int) -> None:
        job = started.unit.tasks[place]
        if job is started.unit.tasks[-1]:
            self._back(started.unit, now_us)
        run = self._begin(job, now_us, started.nominal_us, started.frame, attempt)
        if job.key in self.hangs and not attempt:
            self._hang(run)
            return
        lasts_us = int(job.minutes * self.chance.lognormvariate(0, 0.25) * MINUTE_US)
        chance = _FAILS if not attempt else _FAILS_AGAIN
        if job.style is Style.DATABRICKS:
            self.push(now_us + lasts_us, lambda then_us: self._tell(run, "RUNNING", then_us))
        elif self.chance.random() < chance:
            self.push(now_us + lasts_us // 2, lambda then_us: self._fail(started, place, run, then_us))
        else:
            self.push(now_us + lasts_us, lambda then_us: self._end(started, place, run, then_us))

    def _begin(self, job: Job, now_us: int, nominal_us: int, parent: Run | None, attempt: int = 0) -> Run:
        run = Run(run_id(self.chance.getrandbits(128)), job, now_us, nominal_us, parent, attempt)
        if self.chance.random() < _LATE:
            run.held_until_us = now_us + int(min(self.chance.expovariate(1 / 2), 10) * HOUR_US)
        self._tell(run, "START", now_us)
        return run

    def _end(self, started: Started, place: int, run: Run, now_us: int) -> None:
        self._tell(run, "COMPLETE", now_us)
        self._next(started, place + 1, now_us)

    def _fail(self, started: Started, place: int, run: Run, now_us: int) -> None:
        """Try it again; when that does not help either, what comes after it is not started."""
        self._tell(run, "FAIL", now_us)
        if run.attempt + 1 < _ATTEMPTS:
            again_us = now_us + 5 * MINUTE_US
            self.push(again_us, lambda then_us: self._try(started, place, run.attempt + 1, then_us))
        elif started.frame:
            self._tell(started.frame, "FAIL", now_us)

    def _hang(self, run: Run) -> None:
        """The run hangs: it ends so much later than it began, or never."""
        lasts_us, label = self.hangs.pop(run.job.key)
        label.from_us = run.started_us
        label.visible_us = run.started_us + int(2 * run.job.minutes * MINUTE_US)
        if lasts_us is not None:
            self.push(run.started_us + lasts_us, lambda then_us: self._unhang(run, label, then_us))

    def _unhang(self, run: Run, label: Label, now_us: int) -> None:
        label.until_us = label.over_us = now_us
        self._tell(run, "ABORT", now_us)
        if run.parent:
            self._tell(run.parent, "FAIL", now_us)

    def _stream(self, job: Job, now_us: int) -> None:
        run = self._begin(job, now_us, now_us, None)
        self.push(now_us + MINUTE_US, lambda then_us: self._go_on(run, then_us))

    def _go_on(self, run: Run, now_us: int) -> None:
        self._tell(run, "RUNNING", now_us)
        self.push(now_us + _TELLS_EVERY_US, lambda then_us: self._go_on(run, then_us))

    # Events

    def _tell(self, run: Run, state: str, now_us: int) -> None:
        arrives_us = self.deliver(self.emitter.event(run, state, now_us), max(now_us, run.held_until_us))
        if state == "COMPLETE":
            for label in self._witnesses.get(run.job.key, ()):
                if not label.read or _says_it_reads(run.job, label.read):
                    _witness(label, now_us, arrives_us)

    def _post(self, arrives_us: int, value: bytes) -> None:
        self._count += 1
        heappush(self._mail, (arrives_us, self._count, value))

    def _arrived(self, now_us: int) -> Iterator[Delivery]:
        while self._mail and self._mail[0][0] <= now_us:
            arrives_us, _, value = heappop(self._mail)
            yield Delivery(arrives_us, value)


def _says_it_reads(job: Job, table: str) -> bool:
    return table in job.inputs and table not in job.unseen and not job.hides_inputs


def _witness(label: Label, now_us: int, arrives_us: int) -> None:
    if now_us < label.from_us:
        return
    if label.until_us is None or now_us < label.until_us:
        label.visible_us = min(label.visible_us or arrives_us, arrives_us)
    else:
        label.over_us = min(label.over_us or arrives_us, arrives_us)
