"""The parent of a fuzz run: starts children, notices those that crash or hang, keeps what they were reading."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.fuzz.board import Board, save
from tests.fuzz.cases import Case
from tests.fuzz.worker import minimize

HANG_S = 20.0
"""CPU seconds that one input may take before its child is killed."""

_WORKER = ("-m", "tests.fuzz.worker")
_POLL_S = 0.5
_REPLAY_S = 60.0
_SAY_S = 10.0


class Fuzz:
    """One run. `found` are the files of the inputs that failed."""

    def __init__(self, seed: int, count: int, seconds: float, folder: Path, worker: Sequence[str] = _WORKER) -> None:
        self._seed, self._count, self._folder, self._worker = seed, count, folder, worker
        self._until = time.monotonic() + seconds
        self._started = time.monotonic()
        self._verdicts: Counter[str] = Counter()
        self._peak_kib = 0
        self._read = 0
        self.given = 0
        self.found: list[Path] = []

    def run(self) -> None:
        """Fuzz until the count or the time is reached."""
        self._folder.mkdir(parents=True, exist_ok=True)
        block = 0
        while self.given < self._count and time.monotonic() < self._until:
            with tempfile.TemporaryDirectory() as scratch:
                block = self._one_child(block, Path(scratch))

    def summary(self) -> str:
        """Counts by face and verdict, and the rate."""
        seconds = time.monotonic() - self._started
        lines = [f"{face_verdict:36} {count:>12,}" for face_verdict, count in sorted(self._verdicts.items())]
        rate = self.given / seconds if seconds else 0
        lines.append(f"seed {self._seed}: {self.given:,} inputs in {seconds:.0f} s, {rate:,.0f}/s,")
        lines.append(f"peak memory {self._peak_kib // 1024} MiB, found {len(self.found)}")
        return "\n".join(lines)

    def _one_child(self, first: int, scratch: Path) -> int:
        """Run a child to its end; the block at which the next one begins."""
        board = Board(scratch / "board")
        with (scratch / "out").open("w+b") as out, (scratch / "err").open("w+b") as err:
            child = subprocess.Popen(self._command(first, scratch), stdout=out, stderr=err)
            is_hung = self._watch(child, board, scratch / "out")
            self._collect(scratch / "out", at=self._read)
        self.given += board.count
        self._read = 0
        if child.returncode == 0:
            return board.block + 1
        self._keep(board.case, "hang" if is_hung else f"ended-{child.returncode}", (scratch / "err").read_bytes())
        return board.block + 1

    def _command(self, first: int, scratch: Path) -> list[str]:
        left_s = max(1.0, self._until - time.monotonic())
        return [
            *(sys.executable, *self._worker, "--seed", str(self._seed), "--first", str(first)),
            *("--count", str(self._count - self.given), "--seconds", str(left_s)),
            *("--board", str(scratch / "board"), "--found", str(self._folder)),
        ]

    def _watch(self, child: subprocess.Popen[bytes], board: Board, out: Path) -> bool:
        """Wait for the child; True if it had to be killed because it read one input for ever."""
        count, since_s = -1, 0.0
        while child.poll() is None:
            time.sleep(_POLL_S)
            self._collect(out, at=self._read)
            if board.count != count:
                count, since_s = board.count, _cpu_s(child.pid)
            elif _cpu_s(child.pid) - since_s > HANG_S and count > 0:
                _end(child)
                return True
        return False

    def _collect(self, out: Path, at: int) -> None:
        with out.open("rb") as file:
            file.seek(at)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read = at + len(whole)
        for line in whole.splitlines():
            self._take(msgspec.json.decode(line))

    def _take(self, record: dict[str, Any]) -> None:
        if "found" in record:
            self._found(Path(record["found"]), record["signature"])
            return
        self._verdicts.update(record["verdicts"])
        self._peak_kib = max(self._peak_kib, record["rss_kib"])
        if record["block"] % 100 == 99:
            print(f"block {record['block'] + 1}, {time.monotonic() - self._started:.0f} s", file=sys.stderr, flush=True)

    def _found(self, path: Path, what: str) -> None:
        self.found.append(path)
        print(f"FOUND {what}: {path}", file=sys.stderr, flush=True)

    def _keep(self, case: Case, why: str, last_words: bytes) -> None:
        """Save what a child was reading when it died, made as small as some tries make it, and where it was."""
        name = hashlib.sha1(b"\0".join(case.parts), usedforsecurity=False).hexdigest()[:10]
        path = self._folder / f"{case.face}-{why}-{name}.case"
        save(case, path)
        path.with_suffix(".txt").write_bytes(last_words)
        if why.startswith("ended--"):
            save(minimize(case, lambda tried: _dies(tried, self._folder / "tried")), path)
        self._found(path, why)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a child that hangs: first so that it says where it is."""
    child.send_signal(signal.SIGABRT)
    try:
        child.wait(_SAY_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _dies(case: Case, path: Path) -> bool:
    save(case, path)
    command = [sys.executable, *_WORKER, "--replay", str(path)]
    try:
        done = subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=_REPLAY_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode < 0


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
