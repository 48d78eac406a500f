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
    stages = {name.removeprefix("steady: wall time in ") for name in marks if "wall time in" in name}
    assert stages == {"consume", "decode", "reduce", "apply", "announce", "commit"}


def test_it_says_what_there_is_to_measure(tmp_path: Path) -> None:
    listed = bench(tmp_path, "--list")
    assert listed.returncode == 0
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    assert {"steady", "cold", "replay"} <= set(names)
    assert "build" not in [each.name for each in tmp_path.iterdir()]
    wrong = bench(tmp_path, "--case", "no such case")
    assert wrong.returncode == 2
    assert "steady" in wrong.stderr


def test_the_page_is_rewritten_between_its_markers(tmp_path: Path) -> None:
    text = (ROOT / "docs/performance.md").read_text("utf-8")
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs/performance.md"
    page.write_text(text, "utf-8")
    done = bench(tmp_path, "--quick", "--case", "memory", "--case", "idle", "--docs")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "build/bench/results.json").read_text("utf-8"))
    written = page.read_text("utf-8")
    assert all(f"| {each['name']} |" in written for each in found)
    assert written.partition("## Figures")[0] == text.partition("## Figures")[0]
    again = bench(tmp_path, "--quick", "--case", "idle", "--docs", "--keep")
    assert again.returncode == 0, again.stderr
    names = [each["name"] for each in json.loads((tmp_path / "build/bench/results.json").read_text("utf-8"))]
    assert sorted(names) == sorted(each["name"] for each in found)
