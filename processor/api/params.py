"""Parameters of questions, each checked once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Final, TypeAlias, TypeVar
from urllib.parse import unquote

import msgspec
from litestar.params import PathParameter, QueryParameter

from processor.api.problems import ProblemError, bad_parameter
from processor.model.errors import UsageError
from processor.model.text import quoted
from processor.model.wording import in_words, wrong_node
from processor.render.times import parse_moment, parse_span

__all__ = [
    "AtTime",
    "Cursor",
    "Depth",
    "GraphLimit",
    "Limit",
    "NodeInPath",
    "given_body",
    "given_moment",
    "given_name",
    "given_node",
    "given_span",
    "given_time",
    "node_in_path",
]

T = TypeVar("T")
_MAX_CHARS: Final = 8192
_NO_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {}

NodeInPath: TypeAlias = Annotated[str, PathParameter(description="A NODE, percent-encoded")]
Depth: TypeAlias = Annotated[int, QueryParameter(ge=1, le=100, description="How many jobs to go along at most")]
Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=1000, description="Most things in one answer")]
GraphLimit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=10_000, description="Most nodes in the answer")]
Cursor: TypeAlias = Annotated[str | None, QueryParameter(description="`next` of the page before")]
AtTime: TypeAlias = Annotated[
    str | None, QueryParameter(description="As of this time (RFC 3339), or so long ago (`3d`); now without it")
]


def given_name(text: str, parameter: str = "node") -> str:
    """A name as it stood in the path. Raises `ProblemError`."""
    try:
        name = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise bad_parameter(parameter, "it is not UTF-8, percent-encoded") from None
    if not name:
        raise bad_parameter(parameter, "it is empty")
    return _bounded(name, parameter)


def node_in_path(text: str) -> str:
    """A NODE as it stood in the path. Raises `ProblemError`."""
    return given_node(given_name(text))


def given_node(text: str, parameter: str = "node") -> str:
    """A NODE as it stood in the query, where it is decoded already. Raises `ProblemError`."""
    if (fault := wrong_node(text)) != "":
        raise bad_parameter(parameter, fault)
    return _bounded(text, parameter)


def _bounded(text: str, parameter: str) -> str:
    if len(text) > _MAX_CHARS:
        raise bad_parameter(parameter, f"it is longer than {_MAX_CHARS} characters")
    return text


def given_body(decode: Callable[[bytes], T], data: bytes, choices: Mapping[str, tuple[str, ...]] = _NO_CHOICES) -> T:
    """What a body of JSON says. `choices`: what there is for some of its members. Raises `ProblemError`."""
    try:
        return decode(data)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        name = where.strip("`.").split("[")[0].split(".")[0]
        raise bad_parameter(name or "body", in_words(what, choices.get(name, ()))) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {quoted(error)}") from None


def given_time(text: str | None, name: str = "at") -> int | None:
    """Microseconds since 1970. Raises `ProblemError`."""
    return None if text is None else given_moment(text, name, time.time_ns() // 1000)


def given_moment(text: str, name: str, now_us: int) -> int:
    """Microseconds since 1970; an age is counted back from `now_us`. Raises `ProblemError`."""
    try:
        return parse_moment(text, now_us)
    except (UsageError, OverflowError) as error:
        raise bad_parameter(name, str(error)) from None


def given_span(text: str, name: str = "since") -> int:
    """Microseconds. Raises `ProblemError`."""
    try:
        return parse_span(text)
    except UsageError as error:
        raise bad_parameter(name, str(error)) from None
