"""What a run survived, as a table for a person and as JSON for the sum over many runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.chaos.run.schedule import Plan


def write_report(folder: Path, plan: Plan, seconds: float, parts: Mapping[str, Mapping[str, int]], ok: bool) -> None:  # noqa: FBT001
    """Keep the figures beside the run's logs."""
    report = {
        "seed": plan.seed,
        "ok": ok,
        "chaos_s": plan.seconds,
        "took_s": round(seconds),
        "redis": plan.redis,
        **parts,
    }
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def table(parts: Mapping[str, Mapping[str, int]]) -> str:
    """The figures, part by part."""
    lines = []
    for title, figures in parts.items():
        lines += [f"{title}:", *(f"  {count:7d}  {name}" for name, count in sorted(figures.items()))]
    return "\n".join(lines)


def total(reports: Iterable[Path]) -> str:
    """The sum over many runs: what stands in docs/guarantees.md."""
    sums: dict[str, Counter[str]] = {}
    runs = [json.loads(path.read_text("utf-8")) for path in reports]
    for run in runs:
        for title, figures in run.items():
            if isinstance(figures, dict):
                sums.setdefault(title, Counter()).update(figures)
    good = sum(run["ok"] for run in runs)
    minutes = sum(run["chaos_s"] for run in runs) / 60
    seeds = len({run["seed"] for run in runs})
    head = f"{len(runs)} runs over {seeds} seeds, {good} without a difference, {minutes:.1f} minutes of chaos"
    return f"{head}\n{table(sums)}"
