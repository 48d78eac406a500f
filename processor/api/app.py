"""All routes, put together into one ASGI application."""

from __future__ import annotations

from typing import Final

from litestar import Litestar, Response
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.enums import HttpMethod
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import ASGIApp, ControllerRouterHandler

from processor import __version__
from processor.api import diff, events, gates, nodegraph, nodes, search, streams, why
from processor.api.answers import AnyRequest
from processor.api.guard import Guard
from processor.api.known import refuse_unknown, told_methods
from processor.api.marquez import routes as marquez
from processor.api.marquez import stats, writing
from processor.api.parts import Api
from processor.api.problems import HANDLERS

__all__ = ["build"]

_ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    *events.ROUTES,
    *nodes.ROUTES,
    *nodegraph.ROUTES,
    *search.ROUTES,
    *why.ROUTES,
    *diff.ROUTES,
    *gates.ROUTES,
    *streams.ROUTES,
    *marquez.ROUTES,
    *stats.ROUTES,
    *writing.ROUTES,
)
_DESCRIPTION: Final = (
    "Questions about datasets, jobs, columns, their lineage and the alerts about them, and lineage events taken in."
    " A NODE is `dataset:NAMESPACE:NAME`, `job:NAMESPACE:NAME`, `column:NAMESPACE:NAME:FIELD`, percent-encoded, or"
    " any trailing part of a name that is unique."
)


def build(api: Api) -> ASGIApp:
    """Make the application."""
    app = Litestar(
        [*_ROUTES],
        dependencies={"api": Provide(lambda: api, sync_to_thread=False)},
        exception_handlers=HANDLERS,
        before_request=_before,
        cors_config=_cors(api.config.cors_origins),
        openapi_config=OpenAPIConfig(
            title="Lineage",
            version=__version__,
            description=_DESCRIPTION,
            path="/api/v2/openapi.json",  # whatever is below is answered by the framework, in HTML
            render_plugins=[JsonRenderPlugin(path="/")],
            use_handler_docstrings=True,
        ),
        request_max_body_size=None,
        logging_config=None,
        debug=False,
    )
    return Guard(app, api.config)


async def _before(request: AnyRequest) -> Response[bytes] | None:
    """Answer by what is known of the routes, where that is the whole answer, or the question is a wrong one."""
    if request.method == HttpMethod.OPTIONS:
        return told_methods(request)
    refuse_unknown(request)
    return None


def _cors(origins: tuple[str, ...]) -> CORSConfig | None:
    return CORSConfig(allow_origins=list(origins), allow_methods=["GET", "POST", "PUT", "DELETE"]) if origins else None
