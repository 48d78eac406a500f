"""Keeping secrets out of what people and logs see."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_secret_name", "masked_url"]

MASK: Final = "***"
# The user info may itself hold an "@"; the last one before the path ends it (RFC 3986, section 3.2).
# What should have been written as %2F, %3F or %23 is part of a password too; what begins with digits and one of those
# is taken for a port.
_USER_INFO = re.compile(r"(?<=://)([^:/?#\s]*):(?:(?!\d+[/?#])\S{0,512}|[^/?#\s]*)(?=@)")
_QUERY_SECRET = re.compile(r"([?&](?:password|sentinel_password|ssl_password|token)=)[^&\s]*", re.IGNORECASE)
_SECRET_NAME = re.compile(
    r"pass(word|wd)|secret|token|api_?key|credential|sasl[._](username|jaas)|ssl[._]key",
    re.IGNORECASE,
)


def masked_url(text: str) -> str:
    """Replace the password of every URL in a text."""
    return _QUERY_SECRET.sub(rf"\g<1>{MASK}", _USER_INFO.sub(rf"\g<1>:{MASK}", text))


def is_secret_name(name: str) -> bool:
    """Whether a value under this name is better not shown."""
    return _SECRET_NAME.search(name) is not None
