"""What the OpenAPI document says of Marquez's writing calls."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType

__all__ = ["answered", "takes"]

_REFUSED: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


class MarquezProblem(msgspec.Struct):
    """What went wrong, in Marquez's form."""

    code: int
    message: str


def answered(what: str, status: HTTPStatus = HTTPStatus.OK) -> dict[str, Any]:
    """How a call is answered: with a dataset, a job, a run… as Marquez has it, once Kafka has confirmed the event."""
    good = ResponseSpec(dict[str, Any], description=f"The {what}, as Marquez has it", generate_examples=False)
    bad = {
        int(each): ResponseSpec(MarquezProblem, description=each.phrase, generate_examples=False) for each in _REFUSED
    }
    return {"responses": {int(status): good, **bad}, "tags": ["marquez"]}


def takes(*members: str) -> type[Operation]:
    """Describes a body with these members, which is read as a stream."""

    @dataclass
    class Takes(Operation):
        def __post_init__(self) -> None:
            form = Schema(type=OpenAPIType.OBJECT, description=f"As Marquez takes it: {', '.join(members)}")
            self.request_body = RequestBody(content={"application/json": OpenAPIMediaType(schema=form)}, required=True)

    return Takes
