"""Whether the sinks of alerts answer. None is told anything: any answer that is no server's error will do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from processor.doctor.checks import Check, away, bad, good
from processor.settings import Settings

__all__ = ["of_sinks"]

_TIMEOUT_S: Final = 3.0
_ADVICE: Final = "is it running, and is the address right?"


def of_sinks(settings: Settings) -> Iterator[Check]:
    """Ask each sink that is set; where none is, say so."""
    sinks = settings.sinks
    secret = {"webhook": sinks.webhook_url, "slack": sinks.slack_url}
    asked = [("alertmanager", f"{url.rstrip('/')}/-/ready", True) for url in sinks.alertmanager_urls]
    asked += [(name, url.get_secret_value(), False) for name, url in secret.items() if url]
    if not asked:
        yield good("sinks", "none set; alerts go to their topic and the log")
        return
    yield from asyncio.run(_all(asked))


async def _all(asked: list[tuple[str, str, bool]]) -> list[Check]:
    import aiohttp  # noqa: PLC0415  loads slowly, and few ask

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)) as session:

        async def look(name: str, url: str, must_be_ready: bool) -> Check:  # noqa: FBT001  a row of the list above
            where = urlsplit(url).hostname or "?"
            try:
                async with session.get(url, allow_redirects=False) as answer:
                    is_well = answer.ok if must_be_ready else answer.status < 500  # noqa: PLR2004  HTTP's own
                    said = f"{where} answers with {answer.status}"
                    return good(name, said) if is_well else bad(name, said, _ADVICE)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                return away(name, f"{where} does not answer: {type(error).__name__}", _ADVICE)

        return list(await asyncio.gather(*(look(*each) for each in asked)))
