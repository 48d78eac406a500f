"""A small HTTP server in each process: /metrics, /livez, /readyz."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from processor.model.errors import UsageError
from processor.telemetry.health import Health
from processor.telemetry.metrics import REGISTRY

__all__ = ["HealthServer"]

_REQUEST_TIMEOUT_S: Final = 10.0
_Answer = tuple[HTTPStatus, str, bytes]


class HealthServer:
    """Serves while it is entered. Use it in a `with`; `port` is the port it got."""

    def __init__(self, host: str, port: int, health: Health) -> None:
        """Bind at once: raises `UsageError` when the port is taken or the address is not of this machine."""
        try:
            self._server = ThreadingHTTPServer((host, port), _handler(health))
        except OSError as error:
            raise UsageError(
                f"cannot serve health and metrics on {host}:{port}: {error.strerror};"
                " choose another LINEAGE_HTTP__…_PORT, or 0 for any"
            ) from error
        self._server.daemon_threads = True
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


def _handler(health: Health) -> type[BaseHTTPRequestHandler]:
    answers: dict[str, Callable[[], _Answer]] = {
        "/metrics": _metrics,
        "/livez": lambda: _livez(health),
        "/readyz": lambda: _readyz(health),
    }

    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_TIMEOUT_S

        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0], _not_found)
            self._send(*answer())

        def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

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
