"""One HTTP request to a sink, and what its answer means.

Rules kept here:
- 2xx: it is told. 400, 413, 415, 422: it refuses this message and always will (`RefusedError`);
- anything else is about the address or the moment, not the message: it is tried again later (`AwayError`). That holds
  for 401, 403, 404 and 410 too: a wrong address or secret would else cost every alert until somebody noticed;
- no address is told in a message: Slack's is a secret by itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

from processor.detect.words import shown
from processor.model.errors import LineageError

_REFUSALS = frozenset({400, 413, 415, 422})
_LONGEST_PAUSE_S = 300.0
_QUOTED_BYTES = 300


class AwayError(LineageError):
    """It was not told, and may be told later; `pause_s`: not before it has passed."""

    def __init__(self, reason: str, pause_s: float = 0.0) -> None:
        super().__init__(reason)
        self.pause_s = pause_s


class RefusedError(LineageError):
    """It will not take this message, however often it is sent."""


async def post(session: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Send one message. Raises AwayError or RefusedError."""
    try:
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
            if 200 <= answer.status < 300:  # noqa: PLR2004  HTTP's own
                return
            said = (await answer.content.read(_QUOTED_BYTES)).decode("utf-8", "replace")
            reason = f"HTTP {answer.status}: {shown(said)}"
            if answer.status in _REFUSALS:
                raise RefusedError(reason)
            raise AwayError(reason, _asked_pause_s(answer.headers.get("Retry-After", "")))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise AwayError(type(error).__name__) from error


def _asked_pause_s(retry_after: str) -> float:
    """How long it asks to be left alone; a date is not understood, and our own pauses hold."""
    return min(float(retry_after), _LONGEST_PAUSE_S) if retry_after.isascii() and retry_after.isdigit() else 0.0
