"""What the bench finds: figures, each with what it must reach and what it aims at."""

from __future__ import annotations

import statistics
from typing import NamedTuple

import msgspec


class Mark(NamedTuple):
    """A figure's name and unit, and its marks: values must be at most so large, or at least where `more` is better."""

    name: str
    unit: str
    must: float | None = None
    aim: float | None = None
    more: bool = False

    def reaches(self, value: float, mark: float | None) -> bool | None:
        """Whether a value reaches a mark; None where there is none."""
        if mark is None:
            return None
        return value >= mark if self.more else value <= mark


class Figure(msgspec.Struct, frozen=True):
    """A mark, and what was measured in each round."""

    case: str
    mark: Mark
    values: tuple[float, ...]

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median is what it must be."""
        return self.mark.reaches(self.value, self.mark.must)

    @property
    def aimed(self) -> bool | None:
        """Whether the median is what it aims at."""
        return self.mark.reaches(self.value, self.mark.aim)

    def summary(self) -> dict[str, object]:
        """It as `results.json` has it."""
        mark = self.mark
        return {
            "name": mark.name,
            "value": self.value,
            "unit": mark.unit,
            "must": mark.must,
            "aim": mark.aim,
            "met": self.met,
        }


class Point(NamedTuple):
    """A point of a curve that is drawn; `x` may be a name."""

    series: str
    x: float | str
    y: float


class Findings(msgspec.Struct):
    """All of one run of the bench. `points`: what the plots draw, by plot."""

    figures: list[Figure] = []
    points: dict[str, list[Point]] = {}
    machine: str = ""
    when: str = ""

    def add(self, case: str, mark: Mark, *values: float) -> Figure:
        """Take in what was measured."""
        figure = Figure(case, mark, values)
        self.figures.append(figure)
        return figure

    def draw(self, plot: str, series: str, x: float | str, y: float) -> None:
        """Add a point to a plot."""
        self.points.setdefault(plot, []).append(Point(series, x, y))

    def value(self, name: str) -> float | None:
        """What was found under this name, if it was."""
        return next((each.value for each in self.figures if each.mark.name == name), None)
