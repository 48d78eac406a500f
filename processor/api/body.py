"""A body in hand: whole, unpacked, and never more than it may be.

Rules kept here:
- what is sent and what it unpacks to are each bounded by `max_body_bytes`, all that is in hand by `max_held_bytes`;
- a body that drips in has `body_timeout_s` in all.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from litestar import Request
from litestar.exceptions import ClientException

from processor.api.config import ApiConfig
from processor.api.problems import ProblemError

__all__ = ["Bodies", "unpacked"]

_GZIP: Final = 31
_RETRY_S: Final = 1
_PLAIN: Final = frozenset({"", "identity"})
_PACKED: Final = frozenset({"gzip", "x-gzip"})


class Bodies:
    """Reads bodies, and knows how much of them is in hand. For one event loop."""

    def __init__(self, config: ApiConfig) -> None:
        self._config = config
        self._held_bytes = 0

    @contextmanager
    def held(self) -> Iterator[Body]:
        """A body, counted for as long as this is open."""
        body = Body(self)
        try:
            yield body
        finally:
            self._held_bytes -= body.held_bytes

    async def read(self, body: Body, request: Request[Any, Any, Any]) -> tuple[bytes, bool]:
        """The bytes as sent, and whether they are packed. Raises `ProblemError`."""
        encoding = request.headers.get("content-encoding", "").strip().lower()
        if encoding not in _PLAIN | _PACKED:
            raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Encoding: only gzip and identity are known")
        self._check_announced(request.headers.get("content-length", ""))
        try:
            async with asyncio.timeout(self._config.body_timeout_s):
                data = await self._all(body, request.stream())
        except TimeoutError:
            raise ProblemError(HTTPStatus.REQUEST_TIMEOUT, "the body did not arrive in time") from None
        except ClientException:
            raise ProblemError(HTTPStatus.BAD_REQUEST, "the client went away") from None
        return data, encoding in _PACKED

    def _check_announced(self, length: str) -> None:
        if length.isascii() and length.isdigit() and int(length[:20]) > self._config.max_body_bytes:
            raise too_large(self._config.max_body_bytes)

    async def _all(self, body: Body, stream: AsyncIterator[bytes]) -> bytes:
        chunks: list[bytes] = []
        async for chunk in stream:
            body.hold(len(chunk))
            if body.held_bytes > self._config.max_body_bytes:
                raise too_large(self._config.max_body_bytes)
            chunks.append(chunk)
        return b"".join(chunks)

    def count(self, size: int) -> None:
        """Take so many bytes more in hand. Raises `ProblemError` when that is too much."""
        if self._held_bytes + size > self._config.max_held_bytes:
            detail = "too many events are in hand; try again later"
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_s=_RETRY_S)
        self._held_bytes += size


class Body:
    """How much is held for one request."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.held_bytes = 0

    def hold(self, size: int) -> None:
        """Count so many bytes more."""
        self._bodies.count(size)
        self.held_bytes += size


def unpacked(data: bytes, max_bytes: int) -> bytes:
    """What gzip packed. Raises `ProblemError` when it is broken or unpacks to more than it may."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        plain = unpacker.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "the body is no gzip") from error
    if len(plain) > max_bytes:
        raise too_large(max_bytes)
    if not unpacker.eof or unpacker.unused_data:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "the body is not one whole gzip stream")
    return plain


def too_large(max_bytes: int) -> ProblemError:
    """A body is more than it may be."""
    return ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body may have at most {max_bytes} bytes")
