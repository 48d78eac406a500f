"""The demo from its start to its end."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from types import FrameType
from typing import Final

from rich.console import Console

from processor.demo.company import Beat, beats
from processor.demo.play import Producers
from processor.demo.screen import PlainScreen, TerminalScreen
from processor.demo.stage import Stage, staged
from processor.demo.watch import Alerts, Gauges
from processor.home import Demo, announced, refuse_second_demo
from processor.local import LocalServiceError
from processor.local.ports import HOST
from processor.model.errors import DependencyError

__all__ = ["Plan", "show"]

_TICK_S: Final = 0.1
_SETTLE_S: Final = 8.0
_TOPIC: Final = "lineage.events"
_ALERTS: Final = "lineage.alerts"

AnyScreen = PlainScreen | TerminalScreen


@dataclass(frozen=True, slots=True)
class Plan:
    """How long the story takes, and when the demo ends: by itself, after so many seconds, or at Ctrl-C (None)."""

    play_s: float
    exit_after_play: bool = False
    end_after_s: float | None = None


@dataclass(slots=True)
class _Interruption:
    """Whether an ending signal has come. `is_awaited`: it is looked for; else it interrupts whatever is done.

    What it interrupts may be a place that no exception gets out of, or one that leaves a lock behind.
    """

    has_come: bool = False
    is_awaited: bool = False


def show(plan: Plan, home: Path) -> None:
    """Run the demo; returns when it is over, however that came. Raises `DependencyError`, `UsageError`."""
    # Before anything is started; `announced` looks again, for one that came meanwhile.
    refuse_second_demo(home)
    console = Console(highlight=False)
    screen = TerminalScreen(console, _commands()) if console.is_terminal else PlainScreen(console)
    with suppress(KeyboardInterrupt), _interrupted_once() as interruption, screen:
        try:
            _run(plan, home, screen, interruption)
        except LocalServiceError as error:
            raise DependencyError("local services", str(error)) from error
    console.print("The demo is over; nothing of it is left.", style="dim")


def _run(plan: Plan, home: Path, screen: AnyScreen, interruption: _Interruption) -> None:
    with (
        staged(screen.progress) as stage,
        announced(home, Demo(os.getpid(), stage.redis_url, stage.bootstrap, stage.api_port)),
        closing(Alerts(stage.bootstrap, _ALERTS)) as alerts,
        closing(Producers(stage.bootstrap, _TOPIC)) as producers,
        closing(Gauges(stage)) as gauges,
    ):
        screen.say(f"The HTTP API listens, too: http://{HOST}:{stage.api_port}/api/v2/alerts")
        interruption.is_awaited = True
        _Performance(plan, screen, stage, alerts, producers, gauges).run(interruption)


class _Performance:
    """Plays the story at its pace and shows what becomes of it."""

    def __init__(
        self, plan: Plan, screen: AnyScreen, stage: Stage, alerts: Alerts, producers: Producers, gauges: Gauges
    ) -> None:
        self._plan = plan
        self._screen = screen
        self._stage = stage
        self._alerts = alerts
        self._gauges = gauges
        self._producers = producers
        self._story = list(beats(datetime.now(UTC)))
        self._at: datetime | None = None

    def run(self, interruption: _Interruption) -> None:
        """Until the plan says that it is over, or an interruption has come."""
        started_s = time.monotonic()
        played = 0
        while not (interruption.has_come or self._is_over(elapsed_s := time.monotonic() - started_s)):
            due = self._due(elapsed_s)
            for beat in self._story[played:due]:
                self._play(beat)
            self._producers.flush()
            played = max(played, due)
            self._show(elapsed_s)
        self._show_alerts(wait_s=1.0)

    def _due(self, elapsed_s: float) -> int:
        """How many beats have had their time."""
        start, end = self._story[0].time, self._story[-1].time
        reached = start + (end - start) * min(1.0, elapsed_s / self._plan.play_s)
        return bisect_right(self._story, reached, key=attrgetter("time"))

    def _play(self, beat: Beat) -> None:
        self._at = beat.time
        if beat.note:
            self._screen.note(beat.time, beat.note)
        if beat.event is not None:
            self._producers.send(beat.event)

    def _show(self, elapsed_s: float) -> None:
        self._show_alerts(_TICK_S)
        share = min(1.0, elapsed_s / self._plan.play_s)
        self._screen.status(self._at, share, self._gauges.look(), len(self._alerts.firing))
        worker = self._stage.worker
        if not worker.is_running:
            raise LocalServiceError(f"{worker.name} has ended, its log says:\n{worker.log_tail()}")

    def _show_alerts(self, wait_s: float) -> None:
        for alert in self._alerts.news(wait_s):
            self._screen.alert(alert)

    def _is_over(self, elapsed_s: float) -> bool:
        if self._plan.end_after_s is not None and elapsed_s >= self._plan.end_after_s:
            return True
        return self._plan.exit_after_play and elapsed_s >= self._plan.play_s + _SETTLE_S


@contextmanager
def _interrupted_once() -> Iterator[_Interruption]:
    """Let the first of the ending signals interrupt, and the others wait for the end that it brings."""
    interruption, numbers = _Interruption(), (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        interruption.has_come = True
        if not interruption.is_awaited:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _commands() -> list[tuple[str, str]]:
    """What to try next, spelt so that it works where the demo was started."""
    lineage = _spelling(sys.argv[0])
    return [
        (f"{lineage} alerts", "what fires, the gravest first"),
        (
            f"{lineage} why customer_features.lifetime_value --since 4d",
            "what may have spoilt a feature, the likeliest first",
        ),
        (f"{lineage} down raw.orders.discount", "what the dropped column breaks"),
        (f"{lineage} up churn_model", "where the model's data comes from"),
        (f"{lineage} show marts.fct_orders", "columns, writers, readers, schema history"),
        (f"{lineage} export edges -o table", "the whole graph"),
    ]


def _spelling(program: str) -> str:
    found = shutil.which("lineage")
    path = Path(program).absolute()
    if path.name != "lineage" or (found and Path(found).absolute() == path):
        return "lineage"
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
