"""What the OpenAPI document says of bodies; answers are the records of `render`, as the command line prints them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec
from litestar.openapi import ResponseSpec

from processor.api.intake import Dropped

__all__ = ["PROBLEMS", "Problem", "Taken", "problems"]


class Problem(msgspec.Struct, kw_only=True):
    """What went wrong (RFC 9457). Which of the optional members there are follows from what it was."""

    type: str
    title: str
    status: int
    detail: str
    parameter: str | msgspec.UnsetType = msgspec.UNSET
    near: list[str] | msgspec.UnsetType = msgspec.UNSET
    candidates: list[str] | msgspec.UnsetType = msgspec.UNSET
    event: int | msgspec.UnsetType = msgspec.UNSET
    reason: str | msgspec.UnsetType = msgspec.UNSET
    pointer: str | msgspec.UnsetType = msgspec.UNSET


class Taken(msgspec.Struct):
    """Events that were taken. `dropped`: facets that broke their own record, and were left out of them."""

    accepted: int
    dropped: list[Dropped]


_ALWAYS: Final = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


def problems(*statuses: HTTPStatus) -> dict[int, ResponseSpec]:
    """The problems that a route may answer with, beside those that each may."""
    media_type = "application/problem+json"
    return {
        int(status): ResponseSpec(Problem, media_type=media_type, description=status.phrase, generate_examples=False)
        for status in (*statuses, *_ALWAYS)
    }


PROBLEMS: Final = {
    "events": problems(
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ),
    "list": problems(HTTPStatus.BAD_REQUEST, HTTPStatus.GATEWAY_TIMEOUT),
    "one": problems(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.GATEWAY_TIMEOUT),
}
