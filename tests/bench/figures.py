"""What the bench finds: figures, each with what it must reach and what it aims at."""

from __future__ import annotations

import statistics
from collections.abc import Collection
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

    case: str
    series: str
    x: float | str
    y: float


class Findings(msgspec.Struct):
    """All of one run. `points`: what the plots draw, by plot. `loads`: of the machine, before each case."""

    figures: list[Figure] = []
    points: dict[str, list[Point]] = {}
    loads: dict[str, float] = {}
    machine: str = ""
    when: str = ""

    def add(self, case: str, mark: Mark, *values: float) -> Figure:
        """Take in what was measured."""
        figure = Figure(case, mark, values)
        self.figures.append(figure)
        return figure

    def forget(self, cases: Collection[str]) -> None:
        """Make room for measuring these anew."""
        self.figures = [each for each in self.figures if each.case not in cases]
        for plot, points in self.points.items():
            self.points[plot] = [point for point in points if point.case not in cases]

    def draw(self, case: str, plot: str, series: str, at: tuple[float | str, float]) -> None:
        """Add a point to a plot."""
        self.points.setdefault(plot, []).append(Point(case, series, *at))

    def value(self, name: str) -> float | None:
        """What was found under this name, if it was."""
        return next((each.value for each in self.figures if each.mark.name == name), None)
