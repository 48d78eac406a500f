"""The application on a port, until it is asked to stop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import structlog
import uvicorn
import uvloop
from litestar.types import ASGIApp

from processor.api.heads import HEAD_TIMEOUT_S, bounded
from processor.model.errors import UsageError
from processor.telemetry.health import Health

__all__ = ["CONDITIONS", "Ending", "Listener", "listen", "serve"]

CONDITIONS: Final = ("serving",)
_BEAT_S: Final = 0.1
_BACKLOG: Final = 1024
_MAX_CONNECTIONS: Final = 1000
_KEEP_ALIVE_S: Final = 75
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that is bound; `port` is the port it got."""

    socket: socket.socket
    host: str
    port: int


def listen(host: str, port: int) -> Listener:
    """Bind at once: raises `UsageError` when the port is taken or the address is not of this machine."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise UsageError(
            f"cannot serve the API on {host}:{port}: {error.strerror}; choose another LINEAGE_API__PORT, or 0 for any"
        ) from error
    return Listener(bound, *bound.getsockname()[:2])


@dataclass(frozen=True, slots=True)
class Ending:
    """When to end, and how: `on_stop` ends what would never end by itself; what else is under way has `within_s`."""

    stop: threading.Event
    on_stop: Callable[[], None]
    within_s: float


def serve(app: ASGIApp, at: Listener, health: Health, ending: Ending, head_timeout_s: float = HEAD_TIMEOUT_S) -> None:
    """Serve until it is to end."""
    config = uvicorn.Config(
        app=_any(app),
        http=bounded(head_timeout_s),
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, int(ending.within_s)),
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(_Server(config), at, health, ending))


async def _serve(server: _Server, at: Listener, health: Health, ending: Ending) -> None:
    serving = asyncio.create_task(server.serve(sockets=[at.socket]))
    while not serving.done():
        health.beat()
        if server.started and not server.should_exit:
            health.holds("serving")
        if ending.stop.is_set() and not server.should_exit:
            health.fails("serving", "stopping")
            ending.on_stop()
            server.should_exit = True
        await asyncio.wait([serving], timeout=_BEAT_S)
    await serving


class _Server(uvicorn.Server):
    """Leaves the signals to the role."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _any(app: ASGIApp) -> Any:  # noqa: ANN401  uvicorn and Litestar write the same type differently
    return app
