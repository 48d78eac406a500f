"""`make eval`: how right the alerts are, on histories of which it is known what went wrong in them.

Exit code 1 if a goal is missed: precision and recall of each kind, and false alarms a simulated week.
"""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import Progress

from processor.model.alert import AlertKind
from tests.eval.play import Size
from tests.eval.report import is_met, show, write
from tests.eval.score import Scores, evaluate, together

RESULTS = Path("build/eval/results.json")
PLAYED = Path("build/eval/played")
"""What came of each history, so that one run may go on where another was ended."""


def main() -> int:
    """Play, score, show, write. What was played when somebody ends it is shown and written too."""
    asked = _arguments()
    size = Size(asked.jobs, asked.days, asked.sweep_hours)
    kinds = frozenset(asked.only_kind or (kind.value for kind in AlertKind))
    seeds = range(asked.first, asked.first + asked.seeds)
    began_s, found = time.monotonic(), _played(seeds, size) if asked.go_on else dict[int, Scores]()
    waiting = [seed for seed in seeds if seed not in found]
    with suppress(KeyboardInterrupt, BrokenProcessPool):
        _play(waiting, partial(_evaluate, size=size, kinds=kinds), asked.processes, found)
    whole = together([found[seed] for seed in sorted(found)])
    console = Console()
    show(console, whole, kinds)
    write(RESULTS, whole, kinds)
    console.print(f"{len(found)} of {len(seeds)} histories in {time.monotonic() - began_s:.0f} s; written to {RESULTS}")
    return 0 if is_met(whole, kinds) and len(found) == len(seeds) else 1


def _evaluate(seed: int, size: Size, kinds: frozenset[str]) -> Scores:
    scores = evaluate(seed, size, kinds)
    if len(kinds) == len(AlertKind):
        PLAYED.mkdir(parents=True, exist_ok=True)
        _path(seed, size).write_bytes(msgspec.json.encode(scores))
    return scores


def _played(seeds: range, size: Size) -> dict[int, Scores]:
    paths = {seed: _path(seed, size) for seed in seeds}
    return {seed: msgspec.json.decode(p.read_bytes(), type=Scores) for seed, p in paths.items() if p.exists()}


def _path(seed: int, size: Size) -> Path:
    return PLAYED / f"{seed}-{size.jobs}-{size.days}-{size.sweep_hours:g}.json"


def _play(seeds: list[int], work: partial[Scores], processes: int, found: dict[int, Scores]) -> None:
    """Play histories side by side, and keep each as it ends."""
    console = Console(stderr=True)
    with Progress(console=console) as progress, ProcessPoolExecutor(processes, initializer=_begin) as pool:
        task = progress.add_task("playing histories", total=len(seeds))
        waiting = {pool.submit(work, seed): seed for seed in seeds}
        try:
            for count, done in enumerate(as_completed(waiting), start=1):
                found[waiting[done]] = done.result()
                progress.advance(task)
                if not console.is_terminal:
                    console.print(f"history {waiting[done]} played, {count} of {len(seeds)}")
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin() -> None:
    """Ctrl-C ends who plays at once, without a word. What is played leaves hardly any cycles: not to look is faster."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make eval", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many histories")
    parser.add_argument("--first", type=int, default=1, help="the seed of the first")
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--sweep-hours", type=float, default=6.0, help="simulated hours between two sweeps")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--go-on", action="store_true", help="count what was played before, and play the rest")
    parser.add_argument("--only-kind", action="append", choices=[kind.value for kind in AlertKind])
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
