"""What a single setting must look like. Used by `settings` alone; each raises `ValueError` that says what is wrong."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from processor.decode.sniff import Format

__all__ = ["check_redis_url", "check_registry_url", "check_topic", "read_input"]

REDIS_SCHEMES: Final = (
    "redis",
    "rediss",
    "unix",
    "redis+cluster",
    "rediss+cluster",
    "redis+sentinel",
    "rediss+sentinel",
)
# Source: org.apache.kafka.common.internals.Topic.
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")


def check_topic(name: str) -> str:
    """Give the name if Kafka can have a topic of it."""
    if not _TOPIC.fullmatch(name) or name in (".", ".."):
        raise ValueError(f"{name[:250]!r} is no name of a topic: 1 to 249 letters, digits, '.', '_' and '-'")
    return name


def check_redis_url(url: str) -> str:
    """Give the URL if its scheme is known and its path is what the scheme has there."""
    scheme = url.partition("://")[0]
    if scheme not in REDIS_SCHEMES:
        raise ValueError(f"its scheme must be one of {', '.join(REDIS_SCHEMES)}")
    database = urlsplit(url).path.strip("/")
    has_database = scheme != "unix" and not scheme.endswith("+sentinel")
    if has_database and database and not (database.isascii() and database.isdigit()):
        raise ValueError(f"its path must be the number of a database, such as /0, not /{database}")
    return url


def check_registry_url(url: str) -> str:
    """Give the URL if it is one of HTTP with a host."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it must be http://host:port or https://host:port")
    return url


def read_input(text: str) -> dict[str, str]:
    """Read `name` or `name=format`."""
    topic, separator, given = (part.strip() for part in text.partition("="))
    known = [each.value for each in Format]
    if separator and given not in known:
        raise ValueError(f"{given!r} of {text.strip()!r} is no format; known are {', '.join(map(repr, known))}")
    return {"topic": topic, "format": given or Format.AUTO.value}
