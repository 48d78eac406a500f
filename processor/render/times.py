"""Times as people and programs read them: RFC 3339 in UTC, microseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from processor.model.errors import UsageError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_US, _LAST_US = (
    (end - _EPOCH) // _MICROSECOND for end in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
)
_AGE = re.compile(r"([0-9]{1,6})([smhdw])")
_AGE_UNITS_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000, "w": 604_800_000_000}


@lru_cache(maxsize=16_384)
def rfc3339(time_us: int) -> str:
    """Microseconds since 1970 as `2026-11-22T08:12:37.497339Z`, always with six decimals, so that it sorts as text.

    A time beyond the years 1 to 9999, which a record of Kafka may have, is shown as the nearest of them.
    """
    if not _FIRST_US <= time_us <= _LAST_US:
        time_us = min(max(time_us, _FIRST_US), _LAST_US)
    days, rest_us = divmod(time_us, 86_400_000_000)
    seconds, rest_us = divmod(rest_us, 1_000_000)
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    return "%sT%02d:%02d:%02d.%06dZ" % (_date(days), hours, minutes, seconds, rest_us)  # noqa: UP031  of thousands, in two thirds of the time


@lru_cache(maxsize=16_384)
def _date(days: int) -> str:
    """Making a date of each of thousands of times costs more than the rest of an answer; of days there are few."""
    return (_EPOCH + timedelta(days=days)).date().isoformat()


def minute(time_us: int) -> str:
    """For tables: `2026-11-22 08:12`, in UTC."""
    return rfc3339(time_us)[:16].replace("T", " ")


def parse_time(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 time; one without a zone is UTC.

    Raises `UsageError` when it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{visible_time(text)} is no time; write it like 2026-11-22T08:12:37Z") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND


def parse_moment(text: str, now_us: int) -> int:
    """Like `parse_time`, or `now`, or an age counted back from that: `45s`, `30m`, `2h`, `3d`. Raises `UsageError`."""
    if text == "now":
        return now_us
    age = _AGE.fullmatch(text)
    if age is not None:
        return now_us - int(age[1]) * _AGE_UNITS_US[age[2]]
    try:
        return parse_time(text)
    except UsageError as error:
        raise UsageError(f"{error}, or as an age: 30m, 2h, 3d, or now") from error


def parse_span(text: str) -> int:
    """Microseconds of a span: `45s`, `30m`, `2h`, `3d`, `4w`. Raises `UsageError`."""
    span_ = _AGE.fullmatch(text)
    if span_ is None:
        raise UsageError(f"{visible_time(text)} is no span of time; write it like 45m, 12h, 3d or 2w")
    return int(span_[1]) * _AGE_UNITS_US[span_[2]]


def visible_time(text: str) -> str:
    """What was written, quoted and cut to a length that fits a line."""
    return repr(text[:40])


def span(duration_us: int) -> str:
    """A duration in at most two units: `3 d 4 h`, `12 min`, `45 s`."""
    seconds = max(0, duration_us // 1_000_000)
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    parts = []
    for name, size in units:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"
