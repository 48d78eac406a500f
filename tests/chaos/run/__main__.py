"""The chaos run: `python -m tests.chaos.run --seed 7 --minutes 2`. Exit 1 when anything differs.

`--schedule FILE` replays a schedule that a run left behind; `--only` keeps some of its acts, by lane, fault or number;
`--total` adds up the reports of all runs so far.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path
from typing import Final

from tests.chaos.run.report import total
from tests.chaos.run.schedule import Plan, decode_plan, make_plan
from tests.chaos.run.stage import run_chaos

FOLDER: Final = Path("build/chaos")


def main() -> int:
    """Run what the command line asks for."""
    asked = _arguments()
    if asked.total:
        sys.stdout.write(total(sorted(asked.folder.glob("*/report.json"))) + "\n")
        return 0
    plan = _plan(asked)
    sys.stdout.write(f"{plan}\n")
    if asked.print:
        return 0
    folder: Path = asked.folder / str(plan.seed)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    began_s = time.monotonic()
    return 0 if run_chaos(plan, folder, lambda text: _say(began_s, text)) else 1


def _say(began_s: float, text: str) -> None:
    sys.stdout.write(f"[{time.monotonic() - began_s:6.1f}] {text}\n")
    sys.stdout.flush()


def _plan(asked: argparse.Namespace) -> Plan:
    plan = decode_plan(asked.schedule.read_bytes()) if asked.schedule else make_plan(asked.seed, asked.minutes * 60)
    return plan.only(tuple(asked.only.split(","))) if asked.only is not None else plan


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--schedule", type=Path, help="replay this schedule.json")
    parser.add_argument("--only", help="lanes, faults or numbers of acts to keep, by commas; empty: no act at all")
    parser.add_argument("--print", action="store_true", help="only show the schedule")
    parser.add_argument("--total", action="store_true", help="add up the reports")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
