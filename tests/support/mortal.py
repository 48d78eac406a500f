"""Roles that end as `kill -9` ends them, at a point of their own choosing.

Each runs in a process forked from one that has loaded everything already, so that a start costs next to nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final, TypeVar

from processor import wiring
from processor.alerter.points import Point as AlerterPoint
from processor.alerter.points import pass_by as pass_by_alerter
from processor.indexer.points import Point, pass_by
from processor.roles import Role, run_role
from processor.settings import Settings
from processor.telemetry import logs
from tests.support.alerter_child import Child
from tests.waiting import GUARD_S

_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])
KILLED: Final = -signal.SIGKILL
P = TypeVar("P")
_ONE_AT_A_TIME = threading.Lock()
"""Starting a process asks how all others ended: an end that two threads read is 255 for the second."""


def dies_at(point: P, passing: int, by: signal.Signals = signal.SIGKILL) -> Callable[[P], None]:
    """A hook that sends the process a signal when a point is passed for the nth time."""
    left = passing

    def reached(here: P) -> None:
        nonlocal left
        left -= here == point
        if left == 0 and here == point:
            os.kill(os.getpid(), by)

    return reached


def forked(log: Path, work: Callable[..., None], *arguments: Any) -> int:  # noqa: ANN401  whatever the work wants
    """Run in a process of its own that writes to a log; return its exit code, negative for a signal."""
    with running(log, work, *arguments) as process:
        connection.wait([process.sentinel], GUARD_S)
    return process.exitcode or 0


@contextmanager
def running(log: Path, work: Callable[..., None], *arguments: Any) -> Iterator[BaseProcess]:  # noqa: ANN401  as above
    """The same, killed when the block ends."""
    process = _FORKS.Process(target=_logged, args=(log, work, *arguments))
    with _ONE_AT_A_TIME:
        process.start()
    try:
        yield process
    finally:
        process.kill()
        connection.wait([process.sentinel])
        with _ONE_AT_A_TIME:
            process.join()


def _logged(log: Path, work: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401  as above
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    logs.configure("info", "json", role="mortal", pid=os.getpid())
    work(*arguments)


def index(settings: Settings, point: Point | None, passing: int = 1) -> None:
    """Index until caught up; with a point, until that is passed for the nth time."""
    reached = dies_at(point, passing) if point else pass_by
    store = wiring.open_store(settings)
    indexer = wiring.indexer(settings, store, wiring.indexer_health(settings), threading.Event(), reached)
    indexer.run(indexer.goal())
    store.close()


def index_on(
    settings: Settings, point: Point | None = None, passing: int = 1, by: signal.Signals = signal.SIGKILL
) -> None:
    """Index until terminated, as `lineage run --role indexer` does; a point sends it a signal at its nth passing."""
    reached = dies_at(point, passing, by) if point else pass_by
    sys.exit(run_role(settings, Role.INDEXER, reached=reached))


def alert(child: Child, point: AlerterPoint | None, passing: int = 1) -> None:
    """Raise alerts until terminated; with a point, until that is passed for the nth time."""
    child.run(dies_at(point, passing) if point else pass_by_alerter)
