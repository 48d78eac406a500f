"""How often something happens, learned from when it happened, and how long it may be silent.

Rules kept here:
- cadence is the gaps between times; nights and pauses are gaps too, so they are learned with them; weekends do not
  count for what never happens at them (`weekend`);
- one turn left out (a holiday) and a late start, a shift to daylight-saving time included, is no silence: `factor` is a
  little more than two gaps. What rests at night and never happens at weekends rests on holidays too, a whole day
  however often it happens else: it is given `holiday_hours` on top of its largest gap;
- a cadence is a pattern: nearly all gaps are like the usual one or like the largest (a night); a few of them, which may
  be alike by chance, have to be very like the usual one. What has none (runs started by hand, or by what comes in)
  needs many times, and its largest gap counts twice;
- few times, irregular ones, and such as lie within less than `known_hours` mean patience: a backfill's runs, minutes
  apart, are no cadence;
- what is silent for very long is retired, and no more is said of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from processor.detect.knobs import Cadenced
from processor.detect.stats import DAY_US, HOUR_US, gaps, hours_us, p95, typical
from processor.detect.weekend import runs_at_weekends, working_us

_LIKE = 0.2
_VERY_LIKE = 0.1
_FEW = 9
_NEARLY_ALL = 0.8
_CAUTION = 2
_NIGHT_US = 6 * HOUR_US
"""As long as a night's rest is at least."""


class Cadence(NamedTuple):
    """What was learned. Gaps are in the time that counts, with weekends or without."""

    gaps_us: tuple[int, ...]
    weekends: bool
    limit_us: int
    retire_us: int

    def silence_us(self, since_us: int, now_us: int) -> int:
        """How much of the time that counts has passed."""
        if self.weekends:
            return now_us - since_us
        return working_us(now_us) - working_us(since_us)

    def is_silent(self, since_us: int, now_us: int) -> bool:
        """Whether it should have happened again since, and may still be expected to."""
        return not self.is_retired(since_us, now_us) and self.silence_us(since_us, now_us) > self.limit_us

    def is_retired(self, since_us: int, now_us: int) -> bool:
        """Whether it will hardly happen again."""
        return now_us - since_us > self.retire_us

    def forgiving(self) -> Cadence:
        """The same with patience for one turn more."""
        return self._replace(limit_us=self.limit_us + max(self.gaps_us))


def learn(
    times_us: Iterable[int], knobs: Cadenced, known_us: int | None = None, *, weekends: bool = False
) -> Cadence | None:
    """The cadence of these times; None while too little is known.

    `known_us`: other than `known_hours`; `weekends`: it is known to happen at weekends, whatever these times say.
    """
    times = sorted(set(times_us))
    least_us = hours_us(knobs.known_hours) if known_us is None else known_us
    if len(times) < knobs.min_runs or times[-1] - times[0] < least_us:
        return None
    weekends = weekends or runs_at_weekends(times)
    counted = tuple(gaps_that_count(times, weekends=weekends))
    if len(times) < _least(counted, knobs):
        return None
    limit_us = _limit_us(counted, knobs)
    if not weekends and max(counted) >= _NIGHT_US:
        limit_us = max(limit_us, max(counted) + hours_us(knobs.holiday_hours))
    return Cadence(counted, weekends, limit_us, _retire_us(counted, limit_us, knobs))


def gaps_that_count(times_us: Sequence[int], *, weekends: bool) -> list[int]:
    """Distances between neighbors of sorted times, with weekends or without."""
    return gaps(times_us if weekends else [working_us(time) for time in times_us])


def _least(gaps_us: tuple[int, ...], knobs: Cadenced) -> int:
    """How many times it takes to know what has such gaps."""
    if not _is_pattern(gaps_us):
        return knobs.patternless_runs
    is_even = max(gaps_us) <= knobs.irregular * typical(gaps_us)
    return knobs.min_runs if is_even else knobs.irregular_runs


def _is_pattern(gaps_us: tuple[int, ...]) -> bool:
    """Whether nearly all gaps are like the usual one, or like the largest."""
    is_few = len(gaps_us) < _FEW
    usual = (typical(gaps_us),) if is_few else (typical(gaps_us), max(gaps_us))
    within = _VERY_LIKE if is_few else _LIKE
    like = sum(any(abs(gap - one) <= within * one for one in usual) for gap in gaps_us)
    return like >= _NEARLY_ALL * len(gaps_us)


def _limit_us(gaps_us: tuple[int, ...], knobs: Cadenced) -> int:
    caution = 1 if _is_pattern(gaps_us) else _CAUTION
    usual = max(knobs.factor * p95(gaps_us), caution * knobs.max_factor * max(gaps_us))
    return max(hours_us(knobs.floor_hours), int(usual))


def _retire_us(gaps_us: tuple[int, ...], limit_us: int, knobs: Cadenced) -> int:
    longest_us = max(2 * limit_us, int(knobs.retire_max_days * DAY_US))
    return min(longest_us, int(max(knobs.retire_factor * p95(gaps_us), knobs.retire_days * DAY_US)))
