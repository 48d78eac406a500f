"""What the demo shows: what happens scrolls by, how things stand is below. Plain lines where nobody looks."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from processor.demo.watch import Figures
from processor.model.alert import Alert
from processor.render.alerts import alert_block, alert_lines

__all__ = ["PlainScreen", "Screen", "TerminalScreen"]

_STATUS_EVERY_S: Final = 5.0
_OVER: Final = "the story is over; Ctrl-C ends the demo"


class Screen(Protocol):
    """Where the demo shows what happens."""

    def progress(self, message: str, fraction: float | None) -> None:
        """Something starts; how far it is from 0 to 1, where known."""

    def note(self, time: datetime, text: str) -> None:
        """The story goes on."""

    def alert(self, alert: Alert) -> None:
        """An alert has come, or is over."""

    def say(self, text: str) -> None:
        """Something about the demo itself."""

    def status(self, at: datetime | None, played: float, figures: Figures, firing: int) -> None:
        """How things stand: simulated time, share of the story that was played, figures, alerts."""


class PlainScreen:
    """One line after the other, none of them twice in a row."""

    def __init__(self, console: Console, status_every_s: float = _STATUS_EVERY_S) -> None:
        """Print to a console; how things stand at most every so many seconds."""
        self._console = console
        self._status_every_s = status_every_s
        self._last = self._last_status = ""
        self._is_over = False
        self._status_at_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _t: TracebackType | None
    ) -> None:
        pass

    def progress(self, message: str, fraction: float | None) -> None:  # noqa: ARG002  a line cannot be half done
        """See `Screen`; a message is printed once, however often it comes."""
        if message != self._last:
            self._last = message
            self._line(Text(message))

    def note(self, time: datetime, text: str) -> None:
        """See `Screen`."""
        self._line(_story(time, text))

    def alert(self, alert: Alert) -> None:
        """See `Screen`."""
        self._line(alert_lines(alert))

    def say(self, text: str) -> None:
        """See `Screen`."""
        self._line(Text(text))

    def status(self, at: datetime | None, played: float, figures: Figures, firing: int) -> None:
        """See `Screen`; every few seconds only, and only what is new."""
        if time.monotonic() - self._status_at_s < self._status_every_s:
            return
        self._status_at_s = time.monotonic()
        told = "  ".join(f"{name} {value}" for name, value in _figures(figures, firing))
        line = f"{_time(at)}  {played:4.0%}  {told}"
        if line != self._last_status:
            self._last_status = line
            self._line(Text(line))
        if played >= 1 and not self._is_over:
            self._is_over = True
            self.say(f"{_OVER[0].upper()}{_OVER[1:]}")

    def _line(self, line: RenderableType) -> None:
        self._console.print(line, soft_wrap=True)
        self._console.file.flush()


class TerminalScreen:
    """A view that lives at the bottom of the terminal, and what happens above it."""

    def __init__(self, console: Console, commands: Iterable[tuple[str, str]]) -> None:
        """`commands`: what to try next, each with what it shows."""
        self._commands = list(commands)
        self._console = console
        self._live = Live(console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _t: TracebackType | None
    ) -> None:
        self._live.stop()

    def progress(self, message: str, fraction: float | None) -> None:
        """See `Screen`."""
        bar = ProgressBar(total=1.0, completed=fraction or 0.0, pulse=fraction is None, width=40)
        line = Table.grid(padding=(0, 2))
        line.add_row(bar, Text(message))
        self._live.update(line)

    def note(self, time: datetime, text: str) -> None:
        """See `Screen`."""
        self._live.console.print(_story(time, text))

    def alert(self, alert: Alert) -> None:
        """See `Screen`."""
        self._live.console.print(alert_block(alert))

    def say(self, text: str) -> None:
        """See `Screen`."""
        self._live.console.print(Text(text, style="dim"))

    def status(self, at: datetime | None, played: float, figures: Figures, firing: int) -> None:
        """See `Screen`."""
        self._live.update(Group(Rule(style="dim"), self._head(at, played), _grid(figures, firing), self._next()))

    def _head(self, at: datetime | None, played: float) -> Table:
        head = Table.grid(padding=(0, 2))
        what = _OVER if played >= 1 else "playing five days of a company"
        head.add_row(Text(_time(at), style="bold"), ProgressBar(total=1.0, completed=played, width=30), Text(what))
        return head

    def _next(self) -> RenderableType:
        table = Table.grid(padding=(0, 3))
        for command, shows in self._commands:
            table.add_row(Text(f"  {command}", style="cyan"), Text(shows, style="dim"))
        return Group(Text("\nTry next, in a second terminal in this folder:", style="bold"), table)


def _story(time: datetime, text: str) -> Text:
    return Text.assemble((f"{_time(time)}  ", "dim"), (text, "italic"))


def _time(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def _figures(figures: Figures, firing: int) -> list[tuple[str, str]]:
    return [
        ("events", f"{figures.events:,}"),
        ("events/s", f"{figures.per_second:.0f}"),
        ("lag", str(figures.lag)),
        ("nodes", f"{figures.nodes:,}"),
        ("edges", f"{figures.edges:,}"),
        ("dead letters", str(figures.dead_letters)),
        ("alerts firing", str(firing)),
        ("processor", "ready" if figures.is_ready else "not ready"),
    ]


def _grid(figures: Figures, firing: int) -> Table:
    table = Table.grid(padding=(0, 3))
    pairs = _figures(figures, firing)
    table.add_row(*(Text(name, style="dim") for name, _ in pairs))
    table.add_row(*(Text(value, style="bold") for _, value in pairs))
    return table
