"""What the demo says where there is no terminal."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

from rich.console import Console

from processor.demo.screen import PlainScreen
from processor.demo.watch import Figures

AT = datetime(2026, 3, 2, 6, tzinfo=UTC)


def said(*shown: tuple[float, Figures]) -> list[str]:
    """The lines that are printed as things come to stand so: share of the story that was played, figures."""
    out = io.StringIO()
    screen = PlainScreen(Console(file=out), status_every_s=0)
    for played, figures in shown:
        screen.status(AT, played, figures, firing=2)
    return out.getvalue().splitlines()


def test_how_things_stand_is_said_again_only_when_it_is_otherwise() -> None:
    figures = Figures(events=7)
    lines = said((0.5, figures), (0.5, figures), (0.5, replace(figures, events=8)))
    assert [("events 7" in line, "events 8" in line) for line in lines] == [(True, False), (False, True)]


def test_that_the_story_is_over_is_said_once() -> None:
    figures = Figures(events=7)
    lines = said((0.5, figures), (1.0, figures), (1.0, figures), (1.0, replace(figures, dead_letters=1)))
    assert [line for line in lines if "over" in line] == ["The story is over; Ctrl-C ends the demo"]
    assert len(lines) == 4
