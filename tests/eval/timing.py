"""Simulated time, and when things are started in it.

Time is microseconds since 1970-01-01 UTC. Day 0 is a Monday.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
START_US = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp()) * 1_000_000
SUMMER_DAY = 27
"""The clocks go forward on 2026-03-29: what is started by local time comes an hour earlier from then on."""

_OFFICE_HOURS = range(8, 20)
_WORKING_DAYS = 5


class Rhythm(StrEnum):
    """How often something is started."""

    HOURLY = "hourly"
    OFFICE = "office hours"
    TWICE = "twice a day"
    DAILY = "daily"
    WEEKDAY = "weekdays"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    IRREGULAR = "irregular"
    STREAMING = "streaming"


GAP_US = {
    Rhythm.HOURLY: HOUR_US,
    Rhythm.OFFICE: 13 * HOUR_US,
    Rhythm.TWICE: 12 * HOUR_US,
    Rhythm.DAILY: DAY_US,
    Rhythm.WEEKDAY: DAY_US,
    Rhythm.WEEKLY: 7 * DAY_US,
}
"""The usual largest distance between two starts, weekends left out."""


class Schedule(NamedTuple):
    """A rhythm, and when in it. `is_local`: by a clock that knows summer time."""

    rhythm: Rhythm
    hour: int = 0
    minute: int = 0
    is_local: bool = False


def at(day: float, hour: float = 0) -> int:
    """That hour of a simulated day."""
    return START_US + int(day * DAY_US + hour * HOUR_US)


def day_of(time_us: int) -> int:
    """The simulated day that a time is in."""
    return (time_us - START_US) // DAY_US


def shown(time_us: int) -> str:
    """A time as a person reads it, with its simulated day."""
    moment = datetime.fromtimestamp(time_us / 1_000_000, UTC)
    return f"day {day_of(time_us)} {moment:%a %Y-%m-%d %H:%M}"


def starts(schedule: Schedule, chance: random.Random, days: int, holidays: frozenset[int]) -> Iterator[int]:
    """When it is started, in order. Queues and clocks add some minutes to each."""
    if schedule.rhythm is Rhythm.IRREGULAR:
        yield from _irregular(chance, days)
        return
    for day in range(days):
        if _is_day(schedule.rhythm, day, holidays):
            shift_us = HOUR_US if schedule.is_local and day >= SUMMER_DAY else 0
            for hour in _hours(schedule):
                late_us = int(min(chance.expovariate(1 / 2), 20) * MINUTE_US)
                yield at(day, hour) + schedule.minute * MINUTE_US + late_us - shift_us


def _irregular(chance: random.Random, days: int) -> Iterator[int]:
    day = chance.uniform(0, 3)
    while day < days:
        yield at(day)
        day += chance.choice((0.1, 0.5, 1.0, 1.5, 2.5, 4.0)) * chance.uniform(0.5, 1.5)


def _is_day(rhythm: Rhythm, day: int, holidays: frozenset[int]) -> bool:
    if rhythm in {Rhythm.WEEKDAY, Rhythm.OFFICE}:
        return day % 7 < _WORKING_DAYS and day not in holidays
    if rhythm is Rhythm.WEEKLY:
        return day % 7 == 1
    if rhythm is Rhythm.MONTHLY:
        return datetime.fromtimestamp(at(day) / 1_000_000, UTC).day == 1
    return True


def _hours(schedule: Schedule) -> Iterator[int]:
    if schedule.rhythm is Rhythm.HOURLY:
        yield from range(24)
    elif schedule.rhythm is Rhythm.OFFICE:
        yield from _OFFICE_HOURS
    elif schedule.rhythm is Rhythm.TWICE:
        yield from (schedule.hour % 12, schedule.hour % 12 + 12)
    else:
        yield schedule.hour
