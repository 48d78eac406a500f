"""`POST /api/v1/lineage` and `POST /api/v2/events`: lineage events for the topic, over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response, post
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType

from processor.api.forms import Taken, taken
from processor.api.intake import Accepted, OutgoingEvent
from processor.api.parts import Api, TheApi
from processor.telemetry import metrics

__all__ = ["ROUTES", "give"]

_CREATED: Final = HTTPStatus.CREATED
_AnyRequest = Request[Any, Any, Any]


@dataclass
class _TakesEvents(Operation):
    """Describes the body, which is read as a stream."""

    def __post_init__(self) -> None:
        """Say that it is an event or an array of them."""
        event = Schema(type=OpenAPIType.OBJECT, description="An OpenLineage run, job or dataset event")
        either = Schema(one_of=[event, Schema(type=OpenAPIType.ARRAY, items=event)])
        self.request_body = RequestBody(content={"application/json": OpenAPIMediaType(schema=either)}, required=True)


@post("/api/v1/lineage", status_code=_CREATED, include_in_schema=False)
async def take_lineage(request: _AnyRequest, api: TheApi) -> Response[bytes]:
    """As Marquez takes events: one, or an array of them; the answer has no body."""
    await _take(api, request)
    return Response(b"", status_code=_CREATED)


@post("/api/v2/events", status_code=_CREATED, responses=taken(), operation_class=_TakesEvents, tags=["events"])
async def take_events(request: _AnyRequest, api: TheApi) -> Response[bytes]:
    """Take one OpenLineage event, or an array of them.

    All of them keep the contract, or none is taken. 201 says that Kafka has confirmed each.
    """
    accepted = await _take(api, request)
    taken = Taken(len(accepted.records), list(accepted.dropped))
    return Response(msgspec.json.encode(taken), status_code=_CREATED, media_type="application/json")


async def _take(api: Api, request: _AnyRequest) -> Accepted:
    with api.bodies.held() as body:
        data, is_packed = await api.bodies.read(body, request)
        accepted = await api.read(data, is_packed=is_packed)
        await give(api, accepted.records)
    return accepted


async def give(api: Api, records: tuple[OutgoingEvent, ...]) -> None:
    """Return once Kafka has confirmed all of them. Raises `ProblemError`: nothing is claimed then."""
    await api.sender.send(records)
    metrics.EVENTS_TAKEN.inc(len(records))


ROUTES: Final = (take_lineage, take_events)
