"""The table of `docs/performance.md`, rewritten between two markers."""

from __future__ import annotations

import os
from itertools import groupby
from pathlib import Path
from typing import Final

from tests.bench.figures import Figure, Findings
from tests.bench.report import cells, verdict

PAGE: Final = Path("docs/performance.md")
BEGIN: Final = "<!-- measured: `make bench-docs` writes this anew -->"
END: Final = "<!-- end of what was measured -->"
_HEAD: Final = "| figure | unit | min | median | max | must | aim | met |\n|---|---|--:|--:|--:|--:|--:|---|"


def rewrite(found: Findings, plots: list[Path], page: Path = PAGE) -> None:
    """Put what was found in the place of what stood between the markers. Raises `ValueError` without them."""
    before, rest = _split(page.read_text("utf-8"), BEGIN, page)
    _, after = _split(rest, END, page)
    page.write_text(f"{before}{BEGIN}\n\n{_measured(found, plots)}\n\n{END}{after}", "utf-8")


def _split(text: str, marker: str, page: Path) -> tuple[str, str]:
    before, there, after = text.partition(marker)
    if not there:
        raise ValueError(f"{page} has no line {marker}")
    return before, after


def _measured(found: Findings, plots: list[Path]) -> str:
    marked = [each for each in found.figures if each.mark.must is not None]
    parts = [
        f"Measured {found.when} on: {found.machine}. {_loads(found)}",
        _verdicts(marked),
        _table(marked),
        "### Shown beside them",
        _by_case([each for each in found.figures if each.mark.must is None]),
        "\n\n".join(f"![{path.stem}](images/{path.name})" for path in plots),
    ]
    return "\n\n".join(parts)


def _loads(found: Findings) -> str:
    """How far the figures can be relied on."""
    rounds = max((len(each.values) for each in found.figures), default=0)
    loads = sorted(found.loads.values()) or [0.0]
    told = f"Rounds: {rounds}. Cases: {', '.join(found.loads)}. Load before each: {loads[0]:.1f} to {loads[-1]:.1f}."
    if loads[-1] > (os.cpu_count() or 1):
        told += " **The machine was busy with other things**: CPU figures are too high, wall times mean little."
    return told


def _verdicts(marked: list[Figure]) -> str:
    missed = [each.mark.name for each in marked if not each.met]
    reached = f"{len(marked) - len(missed)} of {len(marked)} figures reach their mark."
    return reached + (f" Below it: {'; '.join(missed)}." if missed else "")


def _table(figures: list[Figure]) -> str:
    rows = (
        f"| {each.mark.name} | {each.mark.unit} | {' | '.join(cells(each))} | {verdict(each)} |" for each in figures
    )
    return "\n".join([_HEAD, *rows])


def _by_case(figures: list[Figure]) -> str:
    groups = groupby(figures, key=lambda each: each.case)
    return "\n\n".join(f"**{case}**\n\n{_plain(list(some))}" for case, some in groups)


def _plain(figures: list[Figure]) -> str:
    rows = (f"| {each.mark.name} | {each.mark.unit} | {' | '.join(cells(each)[:3])} |" for each in figures)
    return "\n".join(["| figure | unit | min | median | max |\n|---|---|--:|--:|--:|", *rows])
