"""`/api/v2/why/…`: what may have brought about what is wrong with a node, or an alert."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Annotated, Final

from litestar import Response, get
from litestar.params import PathParameter, QueryParameter

from processor.api.answers import AnyRequest, asked
from processor.api.asker import Index
from processor.api.forms import Caused, answers
from processor.api.params import AtTime, Depth, given_span, given_time, node_in_path
from processor.api.parts import TheApi
from processor.index.alert_ids import alert_meant
from processor.index.causes import Why, why
from processor.render.causes import causes_document
from processor.render.records import Record

__all__ = ["ROUTES"]

_GO_ON = "not all that is upstream was looked at: a smaller depth is looked at whole"


@get("/api/v2/why/{about:str}", responses=answers(Caused, HTTPStatus.NOT_FOUND), tags=["why"])
async def get_causes(  # noqa: PLR0913, PLR0917  a question has as many parameters
    request: AnyRequest,
    api: TheApi,
    about: Annotated[
        str,
        PathParameter(
            description="A NODE, percent-encoded, or an `alert_id`, or how that begins (a name goes before a beginning)"
        ),
    ],
    since: Annotated[str, QueryParameter(description="How far back to look: `90m`, `24h`, `3d`")] = "24h",
    depth: Depth = 20,
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="Most causes in the answer")] = 20,
    at: AtTime = None,
) -> Response[bytes]:
    """Tell what may be the cause: upstream drifts, failures, failed checks and silences, the likeliest first."""
    wanted, span_us, at_us = node_in_path(about), given_span(since), given_time(at)

    def question(index: Index) -> Record:
        alert = alert_meant(index.view, index.alerts, wanted)
        subject = alert.finding.subject if alert else index.resolve(wanted)
        wall_us = time.time_ns() // 1000
        now_us = index.view.now_us(wall_us, api.config.clock)
        cause_of = Why(subject, alert, span_us, at_us, depth, limit)
        told = why(index.store, cause_of, index.alerts.all(), wall_us if now_us is None else now_us)
        return {**causes_document(told), **({"go_on": _GO_ON} if told.truncated else {})}

    return await asked(request, api.asker, question)


ROUTES: Final = (get_causes,)
