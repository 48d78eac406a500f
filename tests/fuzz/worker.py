"""The child of a fuzz run: reads inputs under a cap of memory and tells of what must not happen.

Its last words may be missing: what it was reading when it died stands on the board.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import hashlib
import json
import resource
import time
import traceback
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from tests.fuzz.board import Board, load, save
from tests.fuzz.cases import Case, Cases
from tests.fuzz.faces import Faces

BLOCK = 2_000
MEMORY_BYTES = 768 * 1024 * 1024
SLOW_S = 2.0
_MINIMIZE_S = 8.0
_FINISH_EACH = 5


class SlowError(AssertionError):
    """An input that took longer than any of its size may."""


def main() -> None:
    """Fuzz blocks from `--first` on until told to end, or replay the cases named."""
    given = arguments()
    faulthandler.enable()
    _cap_memory()
    faces = Faces()
    gc.disable()  # what goes in circles is collected after some blocks; in between it costs a fifth of the time
    if given.replay:
        _replay(faces, given.replay)
        return
    board = Board(given.board)
    until = time.monotonic() + given.seconds
    block, left = given.first, given.count
    while left > 0 and time.monotonic() < until:
        size = min(BLOCK, left)
        _tell(_block(faces, board, given, block, size))
        block, left = block + 1, left - size


def arguments() -> argparse.Namespace:
    """What the parent asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int)
    parser.add_argument("--first", type=int)
    parser.add_argument("--count", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--board", type=Path)
    parser.add_argument("--found", type=Path)
    parser.add_argument("--replay", type=Path, nargs="*")
    return parser.parse_args()


def _cap_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    cap = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (cap, cap))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _replay(faces: Faces, paths: list[Path]) -> None:
    for path in paths:
        print(path.name, _timed(faces, load(path)))


def _block(faces: Faces, board: Board, asked: argparse.Namespace, block: int, size: int) -> dict[str, object]:
    verdicts: Counter[str] = Counter()
    given = board.count
    for number, case in enumerate(islice(Cases(asked.seed, block), size), 1):
        board.post(given + number, block, case)
        try:
            verdicts[f"{case.face}/{_timed(faces, case)}"] += 1
        except Exception as error:  # noqa: BLE001 - any exception is what is looked for
            verdicts[f"{case.face}/FOUND"] += 1
            _report(faces, case, error, asked.found)
    if block % _FINISH_EACH == 0:
        faces.finish()
        gc.collect()
    return {"block": block, "count": size, "verdicts": verdicts, "rss_kib": _peak_kib()}


def _timed(faces: Faces, case: Case) -> str:
    start = time.thread_time()
    verdict = faces(case)
    took_s = time.thread_time() - start
    if took_s > SLOW_S:
        raise SlowError(f"took {took_s:.1f} s")
    return verdict


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _tell(record: dict[str, object]) -> None:
    print(json.dumps(record), flush=True)


def _report(faces: Faces, case: Case, error: Exception, folder: Path) -> None:
    """Save the smallest input with the same failure, once for each failure."""
    signature = _signature(error)
    path = folder / f"{case.face}-{hashlib.sha1(signature.encode(), usedforsecurity=False).hexdigest()[:10]}.case"
    if path.exists():
        return
    save(case, path)
    smallest = minimize(case, lambda tried: _fails_alike(faces, tried, signature))
    save(smallest, path)
    text = "".join(traceback.format_exception(error))
    path.with_suffix(".txt").write_text(f"{signature}\n{smallest!r}\n\n{text}", "utf-8", "backslashreplace")
    _tell({"found": str(path), "signature": signature})


def _signature(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    at = frames[-1] if frames else None
    where = f"{Path(at.filename).name}:{at.name}" if at else "?"
    words = str(error).split(":")[0] if isinstance(error, AssertionError) else ""
    return f"{type(error).__name__} in {where} {''.join(c for c in words if not c.isdigit())[:60]}"


def _fails_alike(faces: Faces, case: Case, signature: str) -> bool:
    try:
        _timed(faces, case)
    except Exception as error:  # noqa: BLE001 - as above
        return _signature(error) == signature
    return False


def minimize(case: Case, fails: Callable[[Case], bool]) -> Case:
    """Cut pieces out of each part for as long as it still fails; ends after `_MINIMIZE_S`."""
    until = time.monotonic() + _MINIMIZE_S
    for index in range(len(case.parts)):
        step = max(1, len(case.parts[index]) // 2)
        while step and time.monotonic() < until:
            case, has_shrunk = _cut(case, index, step, fails, until)
            step = step if has_shrunk and step > 1 else step // 2
    return case


def _cut(case: Case, index: int, step: int, fails: Callable[[Case], bool], until: float) -> tuple[Case, bool]:
    at, has_shrunk = 0, False
    while at < len(case.parts[index]) and time.monotonic() < until:
        part = case.parts[index]
        parts = (*case.parts[:index], part[:at] + part[at + step :], *case.parts[index + 1 :])
        tried = Case(case.face, parts)
        if fails(tried):
            case, has_shrunk = tried, True
        else:
            at += step
    return case, has_shrunk


if __name__ == "__main__":
    main()
