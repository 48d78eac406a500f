"""`/stats/…`: what the first page of Marquez's web UI draws.

Rules kept here: a day has 24 intervals, a week 7, the newest last; runs are counted as far as their jobs keep them, and
what there is by when it was first seen.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterable
from typing import Annotated, Final, Literal

from litestar import Response, get
from litestar.params import PathParameter, QueryParameter

from processor.api.answers import AnyRequest, answer
from processor.api.asker import Index
from processor.api.parts import TheApi
from processor.model.history import HOUR_US, JobHistory
from processor.model.identity import Kind
from processor.model.observation import RunState
from processor.render.records import Record
from processor.render.times import rfc3339

__all__ = ["ROUTES", "counted", "run_counts"]

_WIDTHS_US: Final = {"DAY": (24, HOUR_US), "WEEK": (7, 24 * HOUR_US)}
_ENDS: Final = {RunState.COMPLETE: "complete", RunState.FAIL: "fail", RunState.ABORT: "abort"}
_Period = Annotated[Literal["DAY", "WEEK"], QueryParameter()]
_What = Annotated[Literal["jobs", "datasets", "sources"], PathParameter()]


@get("/api/v1/stats/lineage-events", include_in_schema=False)
async def lineage_events(request: AnyRequest, api: TheApi, period: _Period = "DAY") -> Response[bytes]:
    """How many runs started and ended, by interval."""
    now_us = time.time_ns() // 1000
    return answer(request, await api.asker.ask(lambda i: run_counts(i.view.all_jobs(), period, now_us)))


@get("/api/v1/stats/{what:str}", include_in_schema=False)
async def totals(request: AnyRequest, api: TheApi, what: _What, period: _Period = "DAY") -> Response[bytes]:
    """How many there were at the end of each interval."""
    now_us = time.time_ns() // 1000

    def question(index: Index) -> list[Record]:
        catalog, kind = index.catalog(), Kind.JOB if what == "jobs" else Kind.DATASET
        if what == "sources":
            return counted(catalog.namespaces(Kind.DATASET, index.view.breathe).values(), period, now_us)
        return counted((catalog.by_id[node.id].first_seen_us for node in catalog.of(kind)), period, now_us)

    return answer(request, await api.asker.ask(question))


def counted(first_seen_us: Iterable[int], period: str, now_us: int) -> list[Record]:
    """So many were there by the end of each interval."""
    seen = sorted(first_seen_us)
    return [{**_interval(start, end), "count": bisect_right(seen, end)} for start, end in _intervals(period, now_us)]


def run_counts(histories: Iterable[JobHistory], period: str, now_us: int) -> list[Record]:
    """So many runs started and ended within each interval."""
    intervals = _intervals(period, now_us)
    starts = [start for start, _ in intervals]
    counts = [{"start": 0, "complete": 0, "fail": 0, "abort": 0} for _ in intervals]

    def count(at_us: int, name: str) -> None:
        position = bisect_right(starts, at_us) - 1
        if position >= 0 and at_us < intervals[-1][1]:
            counts[position][name] += 1

    for history in histories:
        for opened in history.running():
            count(opened.started_us, "start")
        for run in history.finished:
            count(run.started_us, "start")
            count(run.ended_us, _ENDS[run.state])
    return [{**_interval(*interval), **of} for interval, of in zip(intervals, counts, strict=True)]


def _intervals(period: str, now_us: int) -> list[tuple[int, int]]:
    number, width_us = _WIDTHS_US[period]
    last_us = now_us - now_us % width_us + width_us
    return [(last_us - (back + 1) * width_us, last_us - back * width_us) for back in reversed(range(number))]


def _interval(start_us: int, end_us: int) -> Record:
    return {"startInterval": rfc3339(start_us), "endInterval": rfc3339(end_us)}


ROUTES: Final = (lineage_events, totals)
