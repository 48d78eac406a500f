"""Histories of one job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from processor.model.history import HOUR_US, RECENT_RUNS, STARTED_DAYS, FinishedRun, JobHistory, OpenRun
from processor.model.identity import job
from processor.model.observation import RunState

JOB = job("shop", "load_orders")
MONDAY = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


def us(when: datetime) -> int:
    return int(when.timestamp() * 1_000_000)


def us_of(span: timedelta) -> int:
    return int(span.total_seconds() * 1_000_000)


def finished(
    number: int,
    start: datetime,
    *,
    minutes: float = 10,
    state: RunState = RunState.COMPLETE,
    inputs: int = 1,
    outputs: int = 1,
) -> FinishedRun:
    end = start + timedelta(minutes=minutes)
    return FinishedRun(f"run-{number}", us(start), us(end), state, inputs, outputs, 0, b"")


def history(*runs: FinishedRun, opened: tuple[OpenRun, ...] = (), processing_type: str | None = None) -> JobHistory:
    newest_first = tuple(sorted(runs, key=lambda run: run.ended_us, reverse=True))
    return JobHistory(JOB, newest_first, opened, processing_type)


def frequent(last: datetime, is_at_work: Callable[[datetime], bool]) -> JobHistory:
    """A job that starts every ten minutes when it is at work, for weeks."""
    starts = (at for n in range(1000) if is_at_work(at := last - timedelta(minutes=10 * n)))
    runs = [finished(n, at, minutes=1) for n, at in enumerate(islice(starts, RECENT_RUNS))]
    newest = us(last) // HOUR_US
    oldest = (newest // 24 - STARTED_DAYS + 1) * 24
    hours = (newest - n for n in range(newest - oldest + 1))
    known = tuple(hour for hour in hours if is_at_work(datetime.fromtimestamp(hour * 3600, UTC)))
    return replace(history(*runs), first_seen_us=us(MONDAY), started_hours=known)


def daily(count: int, *, minutes: float = 10, inputs: int = 1) -> list[FinishedRun]:
    return [finished(n, MONDAY + timedelta(days=n), minutes=minutes, inputs=inputs) for n in range(count)]


def next_day(runs: list[FinishedRun], *, inputs: int = 1, outputs: int = 1) -> FinishedRun:
    return finished(len(runs), MONDAY + timedelta(days=len(runs)), inputs=inputs, outputs=outputs)
