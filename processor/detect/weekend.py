"""Time that counts for a job which never runs at weekends.

Rules kept here:
- a weekend is Saturday and Sunday in UTC;
- a job runs at weekends when one of its kept runs started between Saturday noon and Sunday noon:
  those hours are weekend in nearly every time zone, and every hour of the day occurs once in them;
- for a job that does not, weekend hours count neither in its gaps nor in its silence.
"""

from __future__ import annotations

from collections.abc import Iterable

from processor.detect.stats import DAY_US

_WEEK_US = 7 * DAY_US
_WORKING_US = 5 * DAY_US
_MONDAY_US = 4 * DAY_US
"""1970-01-05 was a Monday."""

_CORE_FROM_US = 5 * DAY_US + DAY_US // 2
_CORE_TO_US = 6 * DAY_US + DAY_US // 2


def runs_at_weekends(starts_us: Iterable[int]) -> bool:
    """Whether any start lies in the core of a weekend."""
    return any(_CORE_FROM_US <= _into_week(start) < _CORE_TO_US for start in starts_us)


def working_us(time_us: int) -> int:
    """Working time since the Monday after the epoch: stands still at weekends, never runs back."""
    weeks = (time_us - _MONDAY_US) // _WEEK_US
    return weeks * _WORKING_US + min(_into_week(time_us), _WORKING_US)


def _into_week(time_us: int) -> int:
    return (time_us - _MONDAY_US) % _WEEK_US
