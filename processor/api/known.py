"""What is known of the routes: the methods that each takes, and which parameters each question has.

A parameter that there is not is a mistake of whoever asks, and no wish to be ignored. The OpenAPI document is their
list. Below `/api/v1` all is taken, as Marquez takes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from litestar import Litestar, Request, Response
from litestar.routes import BaseRoute, HTTPRoute

from processor.api.guard import ENDLESS
from processor.api.problems import bad_parameter
from processor.model.text import visible
from processor.model.wording import nearest

__all__ = ["allowed", "choices", "refuse_unknown", "told_methods"]

_STORED: Final = "known_parameters"
_MOST_CHARS: Final = 100
_Known = dict[str, dict[str, tuple[str, ...]]]
"""By route: the parameters of its query, and what there is to choose for each."""


def told_methods(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The answer to OPTIONS. The framework's own tells of the first function of a path alone."""
    path = str(request.scope["path_template"])
    methods = {method for route in request.app.routes if route.path_format == path for method in _methods(route)}
    return Response(b"", status_code=HTTPStatus.NO_CONTENT, headers={"Allow": allowed(methods, path)})


def allowed(methods: Iterable[str], path: str) -> str:
    """These methods of a path as `Allow` has them: with the HEAD that the framework does not know."""
    there = frozenset(methods)
    return ", ".join(sorted(there | {"HEAD"} if "GET" in there and path not in ENDLESS else there))


def refuse_unknown(request: Request[Any, Any, Any]) -> None:
    """Raise `ProblemError` for a parameter that a question does not have."""
    known = _known(request.app).get(str(request.scope.get("path_template", "")))
    if known is None or request.url.path.startswith("/api/v1/"):
        return
    for name in request.query_params:
        if name not in known:
            near = nearest(name, list(known))
            there = f"there are {', '.join(sorted(known))}" if known else "there are none here"
            told = f"did you mean {near[0]}?" if near else there
            raise bad_parameter(visible(name[:_MOST_CHARS]), f"there is no such parameter; {told}", near=list(near))


def choices(request: Request[Any, Any, Any], name: str) -> tuple[str, ...]:
    """What there is to choose for a parameter; nothing where anything may be given."""
    return _known(request.app).get(str(request.scope.get("path_template", "")), {}).get(name, ())


def _methods(route: BaseRoute) -> Iterable[str]:
    return route.methods if isinstance(route, HTTPRoute) else ()


def _known(app: Litestar) -> _Known:
    known: _Known | None = app.state.get(_STORED)
    if known is None:
        document = app.openapi_schema.to_schema()
        known = app.state[_STORED] = {path: _of_route(route, document) for path, route in document["paths"].items()}
    return known


def _of_route(route: dict[str, Any], document: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    stated = (each for operation in route.values() for each in operation.get("parameters", ()))
    return {each["name"]: tuple(_choices(each["schema"], document)) for each in stated if each["in"] == "query"}


def _choices(schema: dict[str, Any], document: dict[str, Any]) -> list[str]:
    if "$ref" in schema:
        return _choices(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    inner = [*schema.get("oneOf", ()), *([schema["items"]] if "items" in schema else [])]
    return [str(each) for each in schema.get("enum", ()) if each is not None] + [
        each for one in inner for each in _choices(one, document)
    ]
