"""A small HTTP server in each process: /metrics, /livez, /readyz.

Rules kept here:
- a request has `REQUEST_TIMEOUT_S` from its first byte to the end of its answer, however it is dripped;
- at most `MAX_CONNECTIONS` are served at a time; one more takes the place of the oldest;
- an answer quotes nothing of its request, and a connection serves one request.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from processor.model.errors import UsageError
from processor.telemetry.health import Health
from processor.telemetry.metrics import REGISTRY

__all__ = ["HealthServer"]

REQUEST_TIMEOUT_S: Final = 10.0
MAX_CONNECTIONS: Final = 32

_Answer = tuple[HTTPStatus, str, bytes]


class HealthServer:
    """Serves while it is entered. Use it in a `with`; `port` is the port it got."""

    def __init__(self, host: str, port: int, health: Health, *, request_timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        """Bind at once: raises `UsageError` when the port is taken or the address is not of this machine."""
        try:
            self._server = _BoundedServer((host, port), _handler(health), request_timeout_s)
        except OSError as error:
            raise UsageError(
                f"cannot serve health and metrics on {host}:{port}: {error.strerror};"
                " choose another LINEAGE_HTTP__…_PORT, or 0 for any"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return str(self._server.server_address[0])

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _BoundedServer(ThreadingHTTPServer):
    """One thread a connection, few of them, each with one deadline for all that it does."""

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], request_timeout_s: float
    ) -> None:
        super().__init__(address, handler)
        self._request_timeout_s = request_timeout_s
        self._lock = threading.Lock()
        self._open: dict[socket.socket, None] = {}

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as the base class has them
        """Make room by ending the oldest connection, then serve this one in a thread of its own."""
        with self._lock:
            oldest = next(iter(self._open)) if len(self._open) >= MAX_CONNECTIONS else None
            if oldest is not None:
                del self._open[oldest]
            self._open[request] = None
        if oldest is not None:
            _end(oldest)
        super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as above
        """Serve it; a timer ends the connection, because a time-out of the socket begins anew with every byte."""
        request.settimeout(self._request_timeout_s)
        timer = threading.Timer(self._request_timeout_s, _end, (request,))
        timer.daemon = True
        timer.start()
        try:
            super().finish_request(request, client_address)
        finally:
            timer.cancel()

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401  as above
        """Forget it and close it."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as above
        """A client that went away is not worth a line."""


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _handler(health: Health) -> type[BaseHTTPRequestHandler]:
    answers: dict[str, Callable[[], _Answer]] = {
        "/metrics": _metrics,
        "/livez": lambda: _livez(health),
        "/readyz": lambda: _readyz(health),
    }

    class Handler(BaseHTTPRequestHandler):
        error_message_format = "%(code)d\n"
        error_content_type = "text/plain"

        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0], _not_found)
            self._send(*answer())

        def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
            """Refuse in the standard words: the base class would quote what it was sent."""
            del message, explain
            super().send_error(code, HTTPStatus(code).phrase)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the base class's
            """Probes come every few seconds: not worth a line each."""

    return Handler


def _metrics() -> _Answer:
    return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(REGISTRY)


def _livez(health: Health) -> _Answer:
    return _json(health.is_alive, {"alive": health.is_alive})


def _readyz(health: Health) -> _Answer:
    missing = health.missing()
    return _json(not missing, {"ready": not missing, "missing": missing})


def _not_found() -> _Answer:
    return HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"try /metrics, /livez or /readyz\n"


def _json(good: bool, body: dict[str, object]) -> _Answer:  # noqa: FBT001  which of two answers
    status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return status, "application/json", json.dumps(body).encode() + b"\n"
