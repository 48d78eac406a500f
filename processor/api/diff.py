"""`/api/v2/diff`: what became different between two times."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Annotated, Final, NamedTuple

from litestar import Response, get
from litestar.params import QueryParameter

from processor.api.answers import AnyRequest, asked
from processor.api.asker import Index
from processor.api.forms import DifferenceAnswer, answers
from processor.api.pages import mark_of, no_cursor, other_cursor, page, read_cursor
from processor.api.params import Cursor, given_moment, given_node
from processor.api.parts import TheApi
from processor.api.problems import bad_parameter
from processor.index.difference import difference
from processor.model.text import quoted
from processor.render.difference import document, things
from processor.render.records import Record

__all__ = ["ROUTES"]

_A_TIME: Final = "A time (RFC 3339), or so long ago (`3d`)"


class _Between(NamedTuple):
    """Two times, in microseconds since 1970, and the mark of the question that they are of."""

    mark: str
    since_us: int
    until_us: int


@get("/api/v2/diff", responses=answers(DifferenceAnswer, HTTPStatus.NOT_FOUND), tags=["diff"])
async def get_difference(  # noqa: PLR0913, PLR0917  a question has as many parameters
    request: AnyRequest,
    api: TheApi,
    start: Annotated[str, QueryParameter(name="from", description=_A_TIME)],
    goal: Annotated[str, QueryParameter(name="to", description=f"{_A_TIME}; now without it")] = "now",
    node: Annotated[str | None, QueryParameter(description="Only what touches this NODE")] = None,
    limit: Annotated[
        int, QueryParameter(ge=1, le=10_000, description="Most nodes, edges and schemas in one answer")
    ] = 1000,
    cursor: Cursor = None,
) -> Response[bytes]:
    """Tell what became different between two times: nodes and edges that came and went, schemas that changed."""
    wanted = None if node is None else given_node(node)
    between = _between(start, goal, node, cursor)

    def question(index: Index) -> Record:
        about = None if wanted is None else index.resolve(wanted)
        told = things(difference(index.store, between.since_us, between.until_us, about))
        part, following = page(told, lambda thing: (*between, *thing.place), limit, cursor)
        return {
            **document(part, between.since_us, between.until_us),
            "total": len(told),
            "truncated": following is not None,
            "next": following,
        }

    return await asked(request, api.asker, question)


def _between(start: str, goal: str, node: str | None, cursor: str | None) -> _Between:
    """The times that are asked about: those of the first part, whatever an age has come to mean since."""
    now_us = time.time_ns() // 1000
    since_us, until_us = given_moment(start, "from", now_us), given_moment(goal, "to", now_us)
    if cursor is not None:
        return _of_cursor(cursor, (start, goal, node))
    if since_us >= until_us:
        raise bad_parameter("from", f"{quoted(start)} is not before to={quoted(goal)}")
    return _Between(_mark((start, goal, node), since_us, until_us), since_us, until_us)


def _of_cursor(cursor: str, asked_for: tuple[str | None, ...]) -> _Between:
    match read_cursor(cursor):
        case (str(mark), int(since_us), int(until_us), *_):
            if mark != _mark(asked_for, since_us, until_us):
                raise other_cursor()
            return _Between(mark, since_us, until_us)
    raise no_cursor()


def _mark(asked_for: tuple[str | None, ...], since_us: int, until_us: int) -> str:
    return mark_of([*asked_for, since_us, until_us])


ROUTES: Final = (get_difference,)
