"""Requests whose head never ends: the server waits for one so long, and keeps so much of it.

Without this a client that sends a byte now and then holds a connection for ever, and a head has no bound: the server's
own time-outs are for connections on which nothing comes, and the limits on bodies begin where the head has ended.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Final

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["HEAD_BYTES", "HEAD_TIMEOUT_S", "bounded"]

HEAD_TIMEOUT_S: Final = 10.0
HEAD_BYTES: Final = 64 * 1024
_log = structlog.get_logger(__name__)


class Bounded(HttpToolsProtocol):
    """One connection of the server. A head begins with the connection, or after the request before it."""

    head_timeout_s = HEAD_TIMEOUT_S
    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401  asyncio and uvicorn write it differently
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._deadline is not None and self._head_bytes > HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """See httptools."""
        self._begin()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._end()
        super().on_headers_complete()

    def _begin(self) -> None:
        if self._deadline is None:
            self._head_bytes = 0
            self._deadline = self.loop.call_later(self.head_timeout_s, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def _end(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: HTTPStatus) -> None:
        self._end()
        if self.transport.is_closing():
            return
        _log.info("a request is refused for its head", status=int(status))
        under_way: Any = self.cycle
        if under_way is None or under_way.response_complete:  # else it would stand amid another answer
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            self.transport.write(head.encode())
        self.transport.close()


def bounded(timeout_s: float) -> type[asyncio.Protocol]:
    """The server's protocol with so much time for the head of each request."""
    return type("Bounded", (Bounded,), {"head_timeout_s": timeout_s})
