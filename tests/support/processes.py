"""What is known of a process by its id alone."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from tests.waiting import eventually


def is_gone(pid: int) -> bool:
    """Whether the process has ended; one that is only waiting to be reaped has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return True


def children(pid: int) -> set[int]:
    """The processes that this one has started."""
    pairs = (_pid_and_parent(each) for each in Path("/proc").glob("[0-9]*/stat"))
    return {child for child, parent in pairs if parent == pid}


def kill_all(pids: set[int]) -> None:
    """Kill them, and wait until they are gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: all(is_gone(pid) for pid in pids))


def _pid_and_parent(stat: Path) -> tuple[int, int]:
    try:
        parent = int(stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        parent = 0
    return int(stat.parent.name), parent
