"""`/api/v2/nodes`, `/search`, `/namespaces` and `/alerts`: lists, in pages."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from litestar import Response, get
from litestar.params import PathParameter, QueryParameter

from processor.api.answers import AnyRequest, asked
from processor.api.asker import Index
from processor.api.forms import AlertPage, NamespaceList, NodePage, SearchPage, answers
from processor.api.pages import page
from processor.api.params import Cursor, Limit, given_node
from processor.api.parts import TheApi
from processor.api.problems import ProblemError, bad_parameter
from processor.index.resolve import of_kind_or_any
from processor.index.search import KINDS, Query, breathing
from processor.model.alert import Alert, AlertKind, Severity, Status
from processor.model.identity import Kind, Node
from processor.render.alerts import alert_record, in_order
from processor.render.records import Record, node

__all__ = ["ROUTES"]

_Kind = Annotated[Literal["dataset", "job"] | None, QueryParameter(description="Only these; both without it")]
_Namespace = Annotated[str | None, QueryParameter(description="Only of this namespace")]


@get("/api/v2/nodes", responses=answers(NodePage), tags=["nodes"])
async def list_nodes(
    request: AnyRequest,
    api: TheApi,
    kind: _Kind = None,
    namespace: _Namespace = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[bytes]:
    """List datasets and jobs, by kind, namespace and name."""
    kinds = KINDS if kind is None else (Kind(kind),)

    def question(index: Index) -> Record:
        catalog = index.catalog()
        found = [each for kind in kinds for each in catalog.of(kind, namespace)]
        part, following = page(found, lambda each: each[:3], limit, cursor)
        return {"nodes": [node(each) for each in part], "total": len(found), "next": following}

    return await asked(request, api.asker, question)


@get("/api/v2/search", responses=answers(SearchPage), tags=["nodes"])
async def search(  # noqa: PLR0913, PLR0917  as above
    request: AnyRequest,
    api: TheApi,
    q: Annotated[str, QueryParameter(max_length=500, description="Any part of a name")] = "",
    kind: _Kind = None,
    namespace: _Namespace = None,
    owner: Annotated[str | None, QueryParameter(description="Only what they own: `team:ml`, or `ml`")] = None,
    tag: Annotated[str | None, QueryParameter(description="Only what is tagged so: `pii`, or `pii=high`")] = None,
    prefix: Annotated[bool, QueryParameter(description="The name, or its last part, begins with `q`")] = False,  # noqa: FBT002
    limit: Limit = 100,
    offset: Annotated[int, QueryParameter(ge=0, le=1_000_000, description="How many to pass over")] = 0,
) -> Response[bytes]:
    """Find datasets and jobs by a part of their name or namespace, whole names first; by owner, or by tag."""
    if not q and owner is None and tag is None:
        raise bad_parameter("q", "it is missing; name a text, an owner or a tag")
    wanted = Query(q, None if kind is None else Kind(kind), namespace, owner, tag, prefix)

    def question(index: Index) -> Record:
        catalog = index.catalog()
        found = catalog.search(wanted, limit, offset, index.view.breathe)
        near = _near(index, wanted) if q and not found.total else ()
        return {
            "nodes": [node(each) for each in found.nodes],
            "total": found.total,
            "next": str(offset + limit) if offset + limit < found.total else None,
            "near": [str(each) for each in near],
        }

    return await asked(request, api.asker, question)


@get("/api/v2/namespaces", responses=answers(NamespaceList), tags=["nodes"])
async def list_namespaces(request: AnyRequest, api: TheApi) -> Response[bytes]:
    """List all namespaces, and how many datasets and jobs each has."""

    def question(index: Index) -> Record:
        counts: dict[str, dict[str, int]] = {}
        for each in breathing(index.catalog().nodes, index.view.breathe):
            of = counts.setdefault(each.namespace, {"datasets": 0, "jobs": 0})
            of["datasets" if each.kind is Kind.DATASET else "jobs"] += 1
        return {"namespaces": [{"name": name, **counts[name]} for name in sorted(counts)]}

    return await asked(request, api.asker, question)


@get("/api/v2/alerts", responses=answers(AlertPage, HTTPStatus.NOT_FOUND), tags=["alerts"])
async def list_alerts(  # noqa: PLR0913, PLR0917  as above
    request: AnyRequest,
    api: TheApi,
    every: Annotated[bool, QueryParameter(name="all", description="Those that are over, too")] = False,  # noqa: FBT002
    kind: Annotated[list[AlertKind] | None, QueryParameter(description="Only of these kinds")] = None,
    severity: Annotated[list[Severity] | None, QueryParameter(description="Only so grave")] = None,
    subject: Annotated[str | None, QueryParameter(description="Only about this NODE")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[bytes]:
    """List the alerts that fire, the gravest first."""
    wanted = None if subject is None else given_node(subject, "subject")

    def question(index: Index) -> Record:
        about = None if wanted is None else index.resolve(wanted, parameter="subject").dataset
        known = breathing(index.alerts.all() if every else index.alerts.firing().values(), index.view.breathe)
        found = [
            alert
            for alert in in_order(known)
            if (not kind or alert.finding.kind in kind)
            and (not severity or alert.finding.severity in severity)
            and (about is None or alert.finding.subject.dataset == about)
        ]
        part, following = page(found, _place, limit, cursor)
        return {"alerts": [alert_record(alert) for alert in part], "total": len(found), "next": following}

    return await asked(request, api.asker, question)


@get("/api/v2/alerts/{alert_id:str}", responses=answers(dict[str, Any], HTTPStatus.NOT_FOUND), tags=["alerts"])
async def get_alert(
    request: AnyRequest,
    api: TheApi,
    alert_id: Annotated[str, PathParameter(description="Its `alert_id`, or how that begins")],
) -> Response[bytes]:
    """Tell one alert."""

    def question(index: Index) -> Record:
        found = index.alert(alert_id)
        if found is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "there is no such alert")
        return alert_record(found)

    return await asked(request, api.asker, question)


def _near(index: Index, wanted: Query) -> Sequence[Node]:
    """What is spelled alike: of the kind that was asked for, where there is any."""
    catalog, breathe = index.catalog(), index.view.breathe
    return of_kind_or_any(lambda kind: catalog.near(wanted.text, kind, breathe), wanted.kind)


_SEVERITIES: Final = [Severity.CRITICAL, Severity.WARNING, Severity.INFO]


def _place(alert: Alert) -> tuple[int, int, int, str]:
    """Where an alert stands in the order of `in_order`."""
    finding = alert.finding
    is_over = int(alert.status is Status.RESOLVED)
    return is_over, _SEVERITIES.index(finding.severity), -alert.started_us, finding.alert_id


ROUTES: Final = (list_nodes, search, list_namespaces, list_alerts, get_alert)
