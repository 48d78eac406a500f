"""Answers: JSON with a weak ETag, so that who asks again is told in a line that nothing changed."""

from __future__ import annotations

from hashlib import blake2b
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response

__all__ = ["answer"]

_JSON: Final = "application/json"
_ETAG_BYTES: Final = 12
AnyRequest = Request[Any, Any, Any]


def answer(request: AnyRequest, content: object) -> Response[bytes]:
    """The content, or 304 where the client has it already."""
    body = msgspec.json.encode(content)
    etag = f'W/"{blake2b(body, digest_size=_ETAG_BYTES).hexdigest()}"'
    if _has(request.headers.get("if-none-match", ""), etag):
        return Response(b"", status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag}, media_type=_JSON)
    return Response(body, media_type=_JSON, headers={"ETag": etag})


def _has(condition: str, etag: str) -> bool:
    """Weak comparison, RFC 9110 section 13.1.2."""
    given = (each.strip() for each in condition.split(","))
    return any(each == "*" or each.removeprefix("W/") == etag.removeprefix("W/") for each in given)
