"""`make eval`: how right the alerts are, on histories of which it is known what went wrong in them.

Exit code 1 if a goal is missed: precision and recall of each kind, and false alarms a simulated week.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from processor.model.alert import AlertKind
from tests.eval.play import Size
from tests.eval.report import is_met, show, write
from tests.eval.score import Scores, evaluate, together

RESULTS = Path("build/eval/results.json")


def main() -> int:
    """Play, score, show, write. What was played when somebody ends it is shown and written too."""
    asked = _arguments()
    size = Size(asked.jobs, asked.days, asked.sweep_hours)
    kinds = frozenset(asked.only_kind or (kind.value for kind in AlertKind))
    seeds = range(asked.first, asked.first + asked.seeds)
    began_s, found = time.monotonic(), dict[int, Scores]()
    with suppress(KeyboardInterrupt, BrokenProcessPool):
        _play(seeds, partial(evaluate, size=size, kinds=kinds), asked.processes, found)
    whole = together([found[seed] for seed in sorted(found)])
    console = Console()
    show(console, whole, kinds)
    write(RESULTS, whole, kinds)
    console.print(f"{len(found)} of {len(seeds)} histories in {time.monotonic() - began_s:.0f} s; written to {RESULTS}")
    return 0 if is_met(whole, kinds) and len(found) == len(seeds) else 1


def _play(seeds: range, work: partial[Scores], processes: int, found: dict[int, Scores]) -> None:
    """Play histories side by side, and keep each as it ends."""
    console = Console(stderr=True)
    with Progress(console=console) as progress, ProcessPoolExecutor(processes, initializer=_mortal) as pool:
        task = progress.add_task("playing histories", total=len(seeds))
        waiting = {pool.submit(work, seed): seed for seed in seeds}
        try:
            for done in as_completed(waiting):
                found[waiting[done]] = done.result()
                progress.advance(task)
                if not console.is_terminal:
                    console.print(f"history {waiting[done]} played, {len(found)} of {len(seeds)}")
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _mortal() -> None:
    """Ctrl-C ends who plays at once, without a word."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make eval", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many histories")
    parser.add_argument("--first", type=int, default=1, help="the seed of the first")
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--sweep-hours", type=float, default=6.0, help="simulated hours between two sweeps")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only-kind", action="append", choices=[kind.value for kind in AlertKind])
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
