"""Bounds on what a test may take, held in a child process: a hang, a crash or a memory bomb fails that test alone."""

from __future__ import annotations

import functools
import multiprocessing
import resource
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import ParamSpec

import pytest

P = ParamSpec("P")
_MIB = 1024 * 1024


def bounded(seconds: float, mib: int) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Run a test in a child that may take so much CPU time, and so much memory beyond what it starts with."""

    def decorate(test: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(test)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            here, there = multiprocessing.Pipe(duplex=False)
            # A fork has all that is loaded already; the tests that are run this way start no threads.
            child = multiprocessing.get_context("fork").Process(
                target=_in_child, args=(there, seconds, mib, lambda: test(*args, **kwargs))
            )
            child.start()
            there.close()
            said = _answer(here, seconds * 20)
            child.kill()
            child.join()
            if said:
                pytest.fail(said, pytrace=False)

        return run

    return decorate


def _answer(here: Connection, patience_s: float) -> str:
    try:
        return str(here.recv()) if here.poll(patience_s) else f"no answer in {patience_s} s"
    except EOFError:
        return "the child died: too much CPU time, or a crash"


def _in_child(there: Connection, seconds: float, mib: int, test: Callable[[], None]) -> None:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    cap = pages * resource.getpagesize() + mib * _MIB
    resource.setrlimit(resource.RLIMIT_AS, (cap, cap))
    spent = resource.getrusage(resource.RUSAGE_SELF)
    limit_s = int(spent.ru_utime + spent.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))
    try:
        test()
        there.send("")
    except BaseException:  # noqa: BLE001 - an outermost place: all of it is the parent's to report
        there.send(traceback.format_exc())
