"""Parameters of questions, each checked once."""

from __future__ import annotations

import time
from typing import Annotated, Final, TypeAlias
from urllib.parse import unquote

from litestar.params import PathParameter, QueryParameter

from processor.api.problems import bad_parameter
from processor.model.errors import UsageError
from processor.render.times import parse_moment, parse_span

__all__ = ["AtTime", "Cursor", "Depth", "GraphLimit", "Limit", "NodeInPath", "given_node", "given_span", "given_time"]

_MAX_CHARS: Final = 8192

NodeInPath: TypeAlias = Annotated[str, PathParameter(description="A NODE, percent-encoded")]
Depth: TypeAlias = Annotated[int, QueryParameter(ge=1, le=100, description="How many jobs to go along at most")]
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=1000, description="Most things in one answer")]
GraphLimit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=10_000, description="Most nodes in the answer")]
Cursor: TypeAlias = Annotated[str | None, QueryParameter(description="`next` of the page before")]
AtTime: TypeAlias = Annotated[
    str | None, QueryParameter(description="As of this time (RFC 3339), or so long ago (`3d`); now without it")
]


def given_node(text: str, *, is_encoded: bool = True) -> str:
    """A node as it stood in the path, or in the query, where it is decoded already. Raises `ProblemError`."""
    try:
        name = unquote(text, errors="strict") if is_encoded else text
    except UnicodeDecodeError:
        raise bad_parameter("node", "it is not UTF-8, percent-encoded") from None
    if not name or len(name) > _MAX_CHARS:
        raise bad_parameter("node", f"it is empty, or longer than {_MAX_CHARS} characters")
    return name


def given_time(text: str | None, name: str = "at") -> int | None:
    """Microseconds since 1970. Raises `ProblemError`."""
    if text is None:
        return None
    try:
        return parse_moment(text, time.time_ns() // 1000)
    except (UsageError, OverflowError) as error:
        raise bad_parameter(name, str(error)) from None


def given_span(text: str, name: str = "since") -> int:
    """Microseconds. Raises `ProblemError`."""
    try:
        return parse_span(text)
    except UsageError as error:
        raise bad_parameter(name, str(error)) from None
