"""What an event must hold to beyond its types.

Rules kept here:
- a time is RFC 3339, with up to nanoseconds (cut to microseconds), an offset or `Z`, or no zone: UTC;
  seconds may be missing and a zone name may follow in brackets, as java.time prints it;
- a run id is a UUID in its usual form, of any version;
- a name that is empty, blank or longer than `MAX_NAME_CHARS` names nothing.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2})(:\d{2})?(?:\.(\d{1,18}))?([Zz]|[+-]\d{2}:?\d{2})?(?:\[[\w/+:-]{1,64}\])?",
    re.ASCII,
)
_is_usual_time = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|\+00:00)", re.ASCII).fullmatch
"""What Python reads as it is; the same as `_TIME` makes of it, sooner."""
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
MAX_NAME_CHARS = 4_096
"""A longer one is no name: it would stand in every edge, change and alert of its node."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_US, _LAST_US = (
    (end - _EPOCH) // _MICROSECOND for end in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
)
"""An offset may lead out of the years 1 to 9999: nobody could write such a time down again."""


def time_us(text: str) -> int | None:
    """Microseconds since 1970-01-01 UTC of an event's time, or None if it is no time that exists.

    Source: RFC 3339 section 5.6, OpenLineage `eventTime`, and what its clients were seen to send.
    """
    if _is_usual_time(text) is not None:
        try:
            return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
        except ValueError:
            return None
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    day, minute, second, fraction, zone = found.groups()
    try:
        parsed = datetime.fromisoformat(f"{day}T{minute}{second or ':00'}{_offset(zone)}")
    except ValueError:
        return None
    fraction_us = int((fraction or "")[:6].ljust(6, "0"))
    found_us = (parsed - _EPOCH) // _MICROSECOND + fraction_us
    return found_us if _FIRST_US <= found_us <= _LAST_US else None


def is_run_id(text: str) -> bool:
    """Whether it is a UUID, of any version, in its usual form."""
    return _UUID.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether it names anything."""
    return 0 < len(text) <= MAX_NAME_CHARS and not text.isspace()


def _offset(zone: str | None) -> str:
    return "+00:00" if zone is None or zone in "Zz" else zone
