"""The bench runs from end to end; how fast anything is, no test says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEYS = {"name", "value", "unit", "must", "aim", "met"}


def bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.bench", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_quick_case_ends_with_a_table_and_results(tmp_path: Path) -> None:
    done = bench(tmp_path, "--quick", "--case", "steady")
    assert done.returncode == 0, done.stderr
    assert "steady: CPU an event" in done.stdout
    found = json.loads((tmp_path / "build/bench/results.json").read_text("utf-8"))
    assert all(each.keys() == KEYS and each["value"] >= 0 for each in found)
    marks = {each["name"]: (each["unit"], each["must"], each["aim"]) for each in found}
    assert marks["steady: CPU an event ÷ Y2's"] == ("ratio", 1.2, 0.7)
    assert marks["steady: events/s ÷ Y2's"] == ("ratio", 0.8, 1.3)


def test_it_says_what_there_is_to_measure(tmp_path: Path) -> None:
    listed = bench(tmp_path, "--list")
    assert listed.returncode == 0
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    assert {"steady", "cold", "replay"} <= set(names)
    assert "build" not in [each.name for each in tmp_path.iterdir()]
    wrong = bench(tmp_path, "--case", "no such case")
    assert wrong.returncode == 2
    assert "steady" in wrong.stderr
