"""`/api/v2/changes` and `/api/v2/alerts/stream`: what becomes different, and what fires, as it comes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final

from litestar import get
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from processor.api.forms import problems
from processor.api.live import Heard, Tells, Told, read_id
from processor.api.parts import Api, TheApi
from processor.model.codec import UnreadableRecordError, decode_alert, decode_change
from processor.model.fields import change_fields
from processor.render.alerts import alert_record
from processor.render.times import rfc3339

__all__ = ["ROUTES", "tell_alert", "tell_change"]

_EVENTS: Final = "text/event-stream"
_ANSWERS: Final = {
    200: ResponseSpec(str, media_type=_EVENTS, description="Events, as they come", generate_examples=False),
    **problems(HTTPStatus.BAD_REQUEST),
}
_LastId = Annotated[str | None, HeaderParameter(name="Last-Event-ID", max_length=100_000)]
_IdInQuery = Annotated[
    str | None, QueryParameter(max_length=100_000, description="As the header, for who cannot set one")
]
_FromStart = Annotated[bool, QueryParameter(description="Begin with what the topic holds, without an id")]


@get("/api/v2/changes", responses=_ANSWERS, tags=["live"])
async def stream_changes(
    api: TheApi,
    last_id: _LastId = None,
    last_event_id: _IdInQuery = None,
    from_start: _FromStart = False,  # noqa: FBT002  as a query says it
) -> Stream:
    """Tell what becomes different in the index: `change` events, as `schemas/lineage_change.avsc` says."""
    return await _stream(api, api.config.changes_topic, tell_change, last_id or last_event_id, from_start=from_start)


@get("/api/v2/alerts/stream", responses=_ANSWERS, tags=["live"])
async def stream_alerts(
    api: TheApi,
    last_id: _LastId = None,
    last_event_id: _IdInQuery = None,
    from_start: _FromStart = False,  # noqa: FBT002  as above
) -> Stream:
    """Tell what fires and what resolves: `alert` events, and `forgotten` ones for what is no longer kept."""
    return await _stream(api, api.config.alerts_topic, tell_alert, last_id or last_event_id, from_start=from_start)


async def _stream(api: Api, topic: str, tells: Tells, last_id: str | None, *, from_start: bool) -> Stream:
    after = read_id(last_id) if last_id else None
    chunks = await api.live.listen(topic, tells, after, from_start=from_start)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(chunks, media_type=_EVENTS, headers=headers)


def tell_change(heard: Heard) -> Told | None:
    """A change, its times in RFC 3339; nothing of what this version cannot read."""
    try:
        fields = change_fields(decode_change(heard.value or b""))
    except UnreadableRecordError:
        return None
    items = [{**item, "event_time": rfc3339(item["event_time"])} for item in fields["items"]]
    return Told("change", {**fields, "items": items})


def tell_alert(heard: Heard) -> Told | None:
    """An alert as everywhere else, or that it is forgotten."""
    if heard.value is None:
        return Told("forgotten", {"alert_id": (heard.key or b"").decode(errors="replace")})
    try:
        return Told("alert", alert_record(decode_alert(heard.value)))
    except UnreadableRecordError:
        return None


ROUTES: Final = (stream_changes, stream_alerts)
