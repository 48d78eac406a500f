"""What a single setting must look like, for the settings alone. Each raises `ValueError` that says what is wrong."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from processor.decode.sniff import Format

__all__ = [
    "check_http_url",
    "check_origins",
    "check_redis_url",
    "check_tokens",
    "check_topic",
    "listed",
    "read_input",
]

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
_HOST: Final = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d{1,5})?")
_ENCODE: Final = "in user and password, write / ? # @ % as %2F %3F %23 %40 %25"
_TOKEN_CHARS: Final = 16
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
    database = _parts(url).path.strip("/")
    has_database = scheme != "unix" and not scheme.endswith("+sentinel")
    if has_database and database and not (database.isascii() and database.isdigit()):
        raise ValueError(f"its path must be the number of a database, such as /0; {_ENCODE}")
    return url


def check_http_url(url: str) -> str:
    """Give the URL if it is one of HTTP with a host."""
    parts = _parts(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it must be http://host:port or https://host:port")
    return url


def _parts(url: str) -> SplitResult:
    """Take a URL apart. Nothing that is wrong with it is quoted: it may be a piece of the password.

    A password with a `/`, `?` or `#` in it ends the authority, and its pieces stand where port, path and query do.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(f"it is no URL; {_ENCODE}") from None
    hosts = parts.netloc.rpartition("@")[2].split(",")
    options = parts.query.split("&") if parts.query else []
    is_cut = "@" in parts.path and ":" in parts.netloc and "@" not in parts.netloc
    if is_cut or parts.fragment or not all(map(_HOST.fullmatch, hosts)) or not all("=" in each for each in options):
        raise ValueError(f"it must be scheme://user:password@host:port/path?name=value; {_ENCODE}")
    return parts


def listed(text: str) -> tuple[str, ...]:
    """The parts of a comma-separated list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def check_tokens(tokens: tuple[str, ...]) -> None:
    """Refuse what can be guessed or cannot stand in a header. Nothing of it is quoted."""
    if any(len(token) < _TOKEN_CHARS for token in tokens):
        raise ValueError(f"a token has at least {_TOKEN_CHARS} characters")
    if not all(token.isascii() and token.isprintable() and " " not in token for token in tokens):
        raise ValueError("a token is printable ASCII without spaces")


def check_origins(origins: tuple[str, ...]) -> None:
    """Refuse what is no origin: `https://host:port`, or `*`."""
    for origin in origins:
        parts = urlsplit(origin)
        if origin != "*" and (parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}"):
            raise ValueError(f"{origin[:200]!r} is no origin: https://host or https://host:port")


def read_input(text: str) -> dict[str, str]:
    """Read `name` or `name=format`."""
    topic, separator, given = (part.strip() for part in text.partition("="))
    known = [each.value for each in Format]
    if separator and given not in known:
        raise ValueError(f"{given!r} of {text.strip()!r} is no format; known are {', '.join(map(repr, known))}")
    return {"topic": topic, "format": given or Format.AUTO.value}
