"""Times as people and programs read them: RFC 3339 in UTC, microseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from processor.model.errors import UsageError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def rfc3339(time_us: int) -> str:
    """Microseconds since 1970 as `2026-11-22T08:12:37.497339Z`, always with six decimals, so that it sorts as text."""
    moment = _EPOCH + timedelta(microseconds=time_us)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


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
