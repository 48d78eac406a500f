"""What goes wrong, as the client is told: RFC 9457 problem documents, and Marquez's form below /api/v1.

Rules kept here: a problem names the parameter or the event that is at fault and what is near; an answer never quotes
what went on inside.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from processor.index.alert_ids import UnclearAlertError
from processor.index.resolve import AmbiguousNodeError, UnknownNodeError
from processor.judging.coverage_gate import UnknownNamespaceError
from processor.judging.questions import BadPartError
from processor.model.errors import DependencyError, IndexVersionError, LineageError, UsageError
from processor.model.identity import Node
from processor.model.wording import in_words

__all__ = ["HANDLERS", "PROBLEM_JSON", "ProblemError", "bad_parameter", "problem_body"]

PROBLEM_JSON: Final = "application/problem+json"
_AWAY_S: Final = 2
_NOT_FOUND: Final = HTTPStatus.NOT_FOUND
_NOT_ALLOWED: Final = HTTPStatus.METHOD_NOT_ALLOWED
_NO_PATH: Final = "there is nothing at this path; a name in a path is percent-encoded, its slashes (%2F) as well"
_NO_EVENT: Final = "no lineage event says this, so it is not done here: datasets are dropped, jobs and namespaces stay"
_NEAR: Final = 5
_MISSING: Final = re.compile(r"^Missing required \w+ parameter '(\w+)'")
_IN_QUERIES: Final = {"start": "from", "goal": "to", "every": "all", "only": "filter", "subject": "node"}
_IN_MARQUEZ: Final = {**_IN_QUERIES, "node": "nodeId"}
"""Parameters that cannot be called in Python as they are in a query."""
_log = structlog.get_logger(__name__)
_AnyRequest = Request[Any, Any, Any]


class ProblemError(LineageError):
    """Ends a request with this status. `also`: further members of the document."""

    def __init__(
        self, status: int, detail: str, also: Mapping[str, object] | None = None, *, retry_s: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.also = dict(also or {})
        self.headers = {} if retry_s is None else {"Retry-After": str(retry_s)}


def bad_parameter(name: str, detail: str, **also: object) -> ProblemError:
    """A parameter that cannot be used."""
    return ProblemError(HTTPStatus.BAD_REQUEST, f"{name}: {detail}", {"parameter": name, **also})


def problem_body(path: str, status: int, detail: str, also: Mapping[str, object] | None = None) -> tuple[str, bytes]:
    """Media type and body for a path: Marquez's clients know `code` and `message`."""
    if path.startswith("/api/v1/"):
        return "application/json", msgspec.json.encode({"code": status, "message": detail, **(also or {})})
    title = HTTPStatus(status).phrase
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail, **(also or {})}
    return PROBLEM_JSON, msgspec.json.encode(document)


def _answer(request: _AnyRequest, problem: ProblemError) -> Response[bytes]:
    media_type, body = problem_body(request.url.path, problem.status, problem.detail, problem.also)
    return Response(body, status_code=problem.status, media_type=media_type, headers=problem.headers)


def _problem(request: _AnyRequest, error: ProblemError) -> Response[bytes]:
    return _answer(request, error)


def _dependency(request: _AnyRequest, error: DependencyError) -> Response[bytes]:
    _log.warning("a dependency is away", dependency=error.dependency, detail=error.detail)
    detail = f"{error.dependency} does not answer; try again later"
    return _answer(request, ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_s=_AWAY_S))


def _outdated(request: _AnyRequest, error: IndexVersionError) -> Response[bytes]:
    """Another replica, or the next one here, is of the version that speaks it."""
    _log.warning("another version has taken the index over", detail=str(error))
    detail = "the index is of another version; try again later"
    return _answer(request, ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_s=_AWAY_S))


def _unknown(request: _AnyRequest, error: UnknownNodeError) -> Response[bytes]:
    also = {"parameter": error.parameter, "near": [str(node) for node in error.candidates]}
    return _answer(request, ProblemError(HTTPStatus.NOT_FOUND, _cut(str(error)), also))


def _ambiguous(request: _AnyRequest, error: AmbiguousNodeError) -> Response[bytes]:
    also = {"parameter": error.parameter, "candidates": _some(error.candidates)}
    return _answer(request, ProblemError(HTTPStatus.BAD_REQUEST, _cut(str(error)), also))


def _unclear(request: _AnyRequest, error: UnclearAlertError) -> Response[bytes]:
    also = {"parameter": "alert_id", "candidates": list(error.candidates)}
    detail = f"{error.given} begins the ids of {error.count} alerts"
    return _answer(request, ProblemError(HTTPStatus.BAD_REQUEST, detail, also))


def _bad_part(request: _AnyRequest, error: BadPartError) -> Response[bytes]:
    return _answer(request, bad_parameter(error.parameter, _cut(str(error))))


def _no_namespace(request: _AnyRequest, error: UnknownNamespaceError) -> Response[bytes]:
    return _answer(request, ProblemError(HTTPStatus.NOT_FOUND, _cut(str(error)), {"near": list(error.near)}))


def _usage(request: _AnyRequest, error: UsageError) -> Response[bytes]:
    return _answer(request, ProblemError(HTTPStatus.BAD_REQUEST, _cut(str(error))))


def _invalid(request: _AnyRequest, error: ValidationException) -> Response[bytes]:
    """Of several parameters that cannot be used, name the first."""
    found = error.extra if isinstance(error.extra, list) else []
    first: dict[str, Any] = next((each for each in found if isinstance(each, dict)), {})
    missing = _MISSING.search(error.detail)
    name = missing[1] if missing else str(first.get("key", ""))
    spelled = _IN_MARQUEZ if request.url.path.startswith("/api/v1/") else _IN_QUERIES
    name = spelled.get(name, name)
    why = "it is missing" if missing else _why(request, name, first.get("message", "it cannot be used"))
    return _answer(request, bad_parameter(name, why))


def _why(request: _AnyRequest, name: str, message: object) -> str:
    from processor.api.known import choices  # noqa: PLC0415  it raises what is made here

    return in_words(message, choices(request, name))


def _http(request: _AnyRequest, error: HTTPException) -> Response[bytes]:
    problem = ProblemError(error.status_code, _refused(request, error.status_code))
    problem.headers = {name: _with_head(request, name, value) for name, value in (error.headers or {}).items()}
    return _answer(request, problem)


def _with_head(request: _AnyRequest, name: str, value: str) -> str:
    from processor.api.known import allowed  # noqa: PLC0415  it raises what is made here

    return allowed(value.split(", "), request.url.path.rstrip("/")) if name.lower() == "allow" else value


def _refused(request: _AnyRequest, status: int) -> str:
    """Marquez's clients delete: they are told what nothing here does."""
    if status == _NOT_ALLOWED and request.method == "DELETE" and request.url.path.startswith("/api/v1/"):
        return _NO_EVENT
    return _NO_PATH if status == _NOT_FOUND else HTTPStatus(status).phrase


def _defect(request: _AnyRequest, error: Exception) -> Response[bytes]:
    _log.error("a request failed", route=request.scope.get("path_template", ""), exc_info=error)
    return _answer(request, ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "a defect of the processor: see its log"))


def _some(nodes: Iterable[Node]) -> list[str]:
    return [str(node) for node in list(nodes)[: 4 * _NEAR]]


def _cut(text: str) -> str:
    return text if len(text) <= 1000 else f"{text[:1000]}…"  # noqa: PLR2004  what a person reads


HANDLERS: Final[dict[int | type[Exception], Any]] = {
    ProblemError: _problem,
    DependencyError: _dependency,
    IndexVersionError: _outdated,
    UnknownNodeError: _unknown,
    AmbiguousNodeError: _ambiguous,
    UnclearAlertError: _unclear,
    BadPartError: _bad_part,
    UnknownNamespaceError: _no_namespace,
    UsageError: _usage,
    ValidationException: _invalid,
    HTTPException: _http,
    Exception: _defect,
}
