"""What stands around every request: who may ask, what is counted, what the answer's headers forbid a browser.

Rules kept here:
- once any token is set, every request carries one of its scope; tokens are compared in constant time;
- a question that comes as a body is read, not written;
- a token, a body or a query is in no log line; a metric's labels are route templates, never what was asked for;
- path parameters are handed on as they were sent, still percent-encoded: a namespace is full of slashes.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final, cast

import structlog
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from litestar.utils import normalize_path

from processor.api.config import ApiConfig
from processor.api.marquez.strict import is_old_java, path_as_meant
from processor.api.problems import problem_body
from processor.telemetry import metrics

__all__ = ["ENDLESS", "Guard"]

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_QUESTIONS: Final = frozenset({"/api/v2/gates/impact"})
"""What is only asked, though the question comes as a body."""

ENDLESS: Final = frozenset({"/api/v2/changes", "/api/v2/alerts/stream"})
"""Answers that have no end, and so no `HEAD`."""

_METHODS: Final = _SAFE | {"POST", "PUT", "PATCH", "DELETE"}
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-site"),
    (b"cache-control", b"private, no-cache"),
)
_log = structlog.get_logger(__name__)


class Guard:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, config: ApiConfig) -> None:
        self._app = app
        self._config = config
        self._read = tuple(token.encode() for token in config.read_tokens)
        self._write = tuple(token.encode() for token in config.write_tokens)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever else the server speaks goes through."""
        kind = str(scope["type"])
        if kind == "http":
            await self._serve(scope, receive, send)
        elif kind == "lifespan":
            await self._app(scope, receive, send)
        else:
            await send(cast("Any", {"type": "websocket.close", "code": 1000}))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        inner = cast("Any", {**scope, "path": _as_sent(scope)})
        method = str(inner["method"])
        if method == "HEAD" and normalize_path(inner["path"]) not in ENDLESS:
            inner["method"] = "GET"  # the server leaves the body out
        watched = _Watched(send, self._config.slow_s)
        started_s = time.perf_counter()
        try:
            refusal = self._refusal(inner)
            if refusal is None:
                await self._app(inner, receive, watched)
            else:
                await _refuse(watched, str(inner["path"]), *refusal)
        except Exception:  # the framework has wrapped what we raised to get out of it
            if not watched.is_cut:
                raise
            _log.info("a client that takes nothing is cut off", route=str(inner.get("path_template", "")))
        finally:
            _tell(inner, method, watched, time.perf_counter() - started_s)

    def _refusal(self, scope: dict[str, Any]) -> tuple[HTTPStatus, str] | None:
        """Why a request is not let in, if so."""
        method = str(scope["method"])
        if method == "OPTIONS" and self._config.cors_origins:
            return None
        writes = method not in _SAFE and str(scope["path"]) not in _QUESTIONS
        if self._read or self._write:
            token = _token(scope["headers"])
            if not _is_among(token, self._write if writes else self._read):
                known = _is_among(token, self._read if writes else self._write)
                return _FORBIDDEN if known else _UNAUTHORIZED
        if self._config.read_only and writes:
            return _READ_ONLY
        return None


_UNAUTHORIZED: Final = (HTTPStatus.UNAUTHORIZED, "a token is needed: Authorization: Bearer …")
_FORBIDDEN: Final = (HTTPStatus.FORBIDDEN, "the token is not for this: it lacks the scope")
_READ_ONLY: Final = (HTTPStatus.FORBIDDEN, "this API is read-only")


class _Watched:
    """Sends on, with our headers, and takes note of what is answered."""

    def __init__(self, send: Send, slow_s: float) -> None:
        self._send = send
        self._slow_s = slow_s
        self.status = 0
        self.sent_bytes = 0
        self.is_cut = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            there = {name.lower() for name, _ in message["headers"]}
            also = [pair for pair in _HEADERS if pair[0] not in there]
            message["headers"] = [*message["headers"], *also]
        elif message["type"] == "http.response.body":
            self.sent_bytes += len(message["body"])
        # A client that takes nothing holds up whoever answers it; that it is cut off is all that it can be told.
        try:
            async with asyncio.timeout(self._slow_s):
                await self._send(message)
        except TimeoutError:
            self.is_cut = True
            raise


async def _refuse(send: _Watched, path: str, status: HTTPStatus, detail: str) -> None:
    media_type, body = problem_body(path, status, detail)
    headers = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
    if status is HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    await send(cast("Any", {"type": "http.response.start", "status": int(status), "headers": headers}))
    await send(cast("Any", {"type": "http.response.body", "body": body, "more_body": False}))


def _tell(scope: dict[str, Any], method: str, watched: _Watched, took_s: float) -> None:
    route = str(scope.get("path_template") or "none")
    method = method if method in _METHODS else "other"
    metrics.HTTP_REQUESTS.labels(route, method, watched.status).inc()
    metrics.HTTP_SECONDS.labels(route, method).observe(took_s)
    _log.info(
        "request",
        method=method,
        route=route,
        path=str(scope["path"])[:300],
        status=watched.status,
        bytes=watched.sent_bytes,
        took_ms=round(took_s * 1000, 1),
    )


def _as_sent(scope: Scope) -> str:
    """The path, still encoded."""
    raw = scope.get("raw_path") or b""
    path = raw.partition(b"?")[0].decode("latin-1") or scope["path"]
    is_old = path.startswith("/api/v1/") and is_old_java(_header(scope["headers"], b"user-agent").decode("latin-1"))
    return path_as_meant(str(cast("Any", scope)["method"]), path) if is_old else path


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    return next((value for each, value in headers if each.lower() == name), b"")


def _token(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    given = _header(headers, b"authorization")
    scheme, _, token = given.partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else b""


def _is_among(token: bytes, known: tuple[bytes, ...]) -> bool:
    """Compare with each, however the others came out, so that the time tells nothing."""
    found = False
    for each in known:
        found |= hmac.compare_digest(token, each)
    return found
