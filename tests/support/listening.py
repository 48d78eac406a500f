"""A sink of alerts on this machine, that answers as a test wants."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Heard:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  any JSON document
        return json.loads(self.body)


@dataclass(slots=True)
class Listener:
    """Takes what it is sent, and answers with the next of `answers`, then with 200; `hang` is awaited first."""

    answers: list[int | web.Response] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    url: str = ""
    hang: Callable[[], Any] | None = None

    async def take(self, request: web.Request) -> web.Response:
        self.heard.append(Heard(request.path, dict(request.headers), await request.read()))
        if self.hang:
            await self.hang()
        answer = self.answers.pop(0) if self.answers else 200
        return web.Response(status=answer) if isinstance(answer, int) else answer


@asynccontextmanager
async def listening(*answers: int | web.Response, port: int = 0) -> AsyncIterator[Listener]:
    """A listener on a free port, or on one that it had before."""
    listener = Listener(list(answers))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", listener.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    listener.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield listener
    finally:
        await runner.cleanup()
