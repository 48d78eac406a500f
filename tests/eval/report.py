"""Shows and writes the figures."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from tests.eval.score import Score, Scores
from tests.eval.timing import HOUR_US

GOAL = 0.99
FALSE_A_WEEK = 1.0


def precision(score: Score) -> float:
    """Share of the alerts that are true."""
    return score.tp / (score.tp + score.fp) if score.tp + score.fp else 1.0


def recall(score: Score) -> float:
    """Share of the incidents that were told."""
    return score.hits / (score.hits + score.fn) if score.hits + score.fn else 1.0


def is_met(whole: Scores, kinds: frozenset[str]) -> bool:
    """Whether every goal is met."""
    shares = (share for kind in kinds for share in (precision(whole.of(kind)), recall(whole.of(kind))))
    return all(share >= GOAL for share in shares) and _false_a_week(whole) <= FALSE_A_WEEK


def show(console: Console, whole: Scores, kinds: frozenset[str]) -> None:
    """Two tables: the figures, and everything that is wrong."""
    _show_problems(console, whole, kinds)
    titles = ("kind", "incidents", "told", "missed", "true", "false", "beside", "precision", "recall", "median", "p95")
    table = Table(*titles, title="alerts against what was true; time to alert in hours from the evidence")
    for kind in sorted(kinds):
        one = whole.of(kind)
        median, p95 = _waits(one)
        counts = (one.hits + one.fn, one.hits, one.fn, one.tp, one.fp, one.beside)
        shares = (f"{precision(one):.3f}", f"{recall(one):.3f}", median, p95)
        table.add_row(kind, *map(str, counts), *shares)
    console.print(table)
    console.print(
        f"{_false_a_week(whole):.2f} false alarms (warning and above) a simulated week, {whole.events:,} events"
    )


def write(path: Path, whole: Scores, kinds: frozenset[str]) -> None:
    """The figures and the whole list, as JSON; and beside it the figures as a table for docs/evaluation.md."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {
        "kinds": {kind: _figures(whole.of(kind)) for kind in sorted(kinds)},
        "false_alarms_a_week": _false_a_week(whole),
        "weeks": whole.weeks,
        "events": whole.events,
        "met": is_met(whole, kinds),
        "problems": [problem._asdict() for problem in whole.problems if problem.kind in kinds],
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    path.with_suffix(".md").write_text("".join(f"{row}\n" for row in _rows(whole, kinds)), encoding="utf-8")


def _rows(whole: Scores, kinds: frozenset[str]) -> Iterator[str]:
    titles = ("kind", "incidents", "missed", "true", "false", "precision", "recall", "hours to alert: median", "p95")
    yield f"| {' | '.join(titles)} |"
    yield "|---" * len(titles) + "|"
    for kind in sorted(kinds):
        one = whole.of(kind)
        shares = (f"{precision(one):.3f}", f"{recall(one):.3f}", *_waits(one))
        yield f"| {' | '.join((kind, *map(str, (one.hits + one.fn, one.fn, one.tp, one.fp)), *shares))} |"


def _show_problems(console: Console, whole: Scores, kinds: frozenset[str]) -> None:
    for problem in (each for each in whole.problems if each.kind in kinds):
        head = f"{problem.what}: {problem.kind} about {problem.subject} (seed {problem.seed}, {problem.time})"
        console.print(f"{head}\n    {problem.sentence}\n    {problem.reason}", markup=False, soft_wrap=True)


def _figures(score: Score) -> dict[str, Any]:
    median, p95 = _waits(score)
    return {
        "tp": score.tp,
        "fp": score.fp,
        "fn": score.fn,
        "incidents": score.hits + score.fn,
        "told": score.hits,
        "beside": score.beside,
        "precision": precision(score),
        "recall": recall(score),
        "hours_to_alert_median": median,
        "hours_to_alert_p95": p95,
    }


def _waits(score: Score) -> tuple[str, str]:
    if not score.waits_us:
        return "-", "-"
    hours = sorted(wait / HOUR_US for wait in score.waits_us)
    return f"{statistics.median(hours):.1f}", f"{hours[min(len(hours) - 1, int(len(hours) * 0.95))]:.1f}"


def _false_a_week(whole: Scores) -> float:
    return whole.grave_false / whole.weeks if whole.weeks else 0.0
