"""Answers: JSON with a weak ETag, so that who asks again is told in a line that nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec
from litestar import Request, Response

from processor.api.asker import Asker, Index

__all__ = ["answer", "asked"]

_JSON: Final = "application/json"
_ETAG_BYTES: Final = 12
AnyRequest = Request[Any, Any, Any]


class _Told(NamedTuple):
    """An answer as it goes over the wire."""

    body: bytes
    etag: str


async def asked(request: AnyRequest, asker: Asker, question: Callable[[Index], object]) -> Response[bytes]:
    """What the index answers, encoded by the thread that found it: another would have to fetch it all into its core."""
    return _response(request, await asker.ask(lambda index: _told(question(index))))


def answer(request: AnyRequest, content: object) -> Response[bytes]:
    """The content, or 304 where the client has it already."""
    return _response(request, _told(content))


def _told(content: object) -> _Told:
    body = msgspec.json.encode(content)
    digest = sha256(body, usedforsecurity=False)  # where the processor knows it, in half the time of any other
    return _Told(body, f'W/"{digest.hexdigest()[: 2 * _ETAG_BYTES]}"')


def _response(request: AnyRequest, told: _Told) -> Response[bytes]:
    headers = {"ETag": told.etag}
    if _has(request.headers.get("if-none-match", ""), told.etag):
        return Response(b"", status_code=HTTPStatus.NOT_MODIFIED, headers=headers, media_type=_JSON)
    return Response(told.body, media_type=_JSON, headers=headers)


def _has(condition: str, etag: str) -> bool:
    """Weak comparison, RFC 9110 section 13.1.2."""
    given = (each.strip() for each in condition.split(","))
    return any(each == "*" or each.removeprefix("W/") == etag.removeprefix("W/") for each in given)
