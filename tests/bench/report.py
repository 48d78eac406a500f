"""What was found, for people and for machines."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from tests.bench.figures import Figure, Findings

FOLDER = Path("build/bench")
RESULTS = FOLDER / "results.json"
FINDINGS = FOLDER / "findings.json"


def show(console: Console, found: Findings, only: str | None = None) -> None:
    """A table of all figures, or of those of one case."""
    drawn = Table("case", "figure", title=f"{found.when}, {found.machine}", title_justify="left")
    for name in ("min", "median", "max", "must", "aim"):
        drawn.add_column(name, justify="right")
    drawn.add_column("met")
    for each in (figure for figure in found.figures if only in (None, figure.case)):
        drawn.add_row(each.case, f"{each.mark.name}, {each.mark.unit}", *cells(each), verdict(each))
    console.print(drawn)


def cells(figure: Figure) -> tuple[str, ...]:
    """Minimum, median, maximum, must, aim."""
    must, aim = figure.mark.must, figure.mark.aim
    sign = "≥" if figure.mark.more else "≤"
    values = (min(figure.values), figure.value, max(figure.values))
    marks = ("" if mark is None else f"{sign} {number(mark)}" for mark in (must, aim))
    return (*map(number, values), *marks)


def verdict(figure: Figure) -> str:
    """Whether the marks are reached, in a word."""
    if figure.met is None:
        return ""
    return "aim" if figure.aimed else "yes" if figure.met else "NO"


def number(value: float) -> str:
    """Three digits that matter."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def machine() -> str:
    """What it was measured on."""
    text = Path("/proc/cpuinfo").read_text("utf-8") if Path("/proc/cpuinfo").exists() else ""
    models = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    model = models[0] if models else platform.machine()
    system = f"Linux {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {model}, {memory:.0f} GB, {system}"


def date(found: Findings, *cases: str) -> None:
    """Say when and on what these cases are measured, and how busy it was."""
    found.machine, found.when = machine(), datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    found.loads |= dict.fromkeys(cases, os.getloadavg()[0])


def write(found: Findings) -> None:
    """Write `results.json`, and all that the plots and the page need."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode([each.summary() for each in found.figures])))
    FINDINGS.write_bytes(msgspec.json.format(msgspec.json.encode(found)))


def earlier() -> Findings:
    """What the last run found; nothing where there was none."""
    return msgspec.json.decode(FINDINGS.read_bytes(), type=Findings) if FINDINGS.exists() else Findings()
