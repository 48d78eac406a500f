"""What an HTTP server answers, by its status alone."""

from __future__ import annotations

from urllib.error import HTTPError
from urllib.request import urlopen


def status_of(url: str) -> int:
    """The status of a GET; that of a refusal, too."""
    try:
        with urlopen(url, timeout=60) as answer:  # noqa: S310  our own
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code
