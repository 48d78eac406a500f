"""`/api/v2/nodes`, `/search`, `/namespaces` and `/alerts`: lists, in pages."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Final

from litestar import Response, get
from litestar.params import PathParameter, QueryParameter

from processor.api.answers import AnyRequest, answer
from processor.api.asker import Index
from processor.api.forms import AlertPage, NamespaceList, NodePage, answers
from processor.api.pages import page
from processor.api.params import Cursor, Limit
from processor.api.parts import TheApi
from processor.api.problems import ProblemError, bad_parameter
from processor.model.alert import Alert, AlertKind, Severity, Status
from processor.model.identity import Kind, Node, canonical_namespace
from processor.render.alerts import alert_record, in_order
from processor.render.records import Record, node

__all__ = ["ROUTES"]

_Kind = Annotated[Kind | None, QueryParameter(description="`dataset` or `job`; both without it")]
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
    wanted = _filter(kind, namespace)

    def question(index: Index) -> Record:
        found = [each for each in index.catalog().nodes if wanted(each)]
        part, following = page(found, lambda each: each[:3], limit, cursor)
        return {"nodes": [node(each) for each in part], "total": len(found), "next": following}

    return answer(request, await api.asker.ask(question))


@get("/api/v2/search", responses=answers(NodePage), tags=["nodes"])
async def search(  # noqa: PLR0913, PLR0917  as above
    request: AnyRequest,
    api: TheApi,
    q: Annotated[str, QueryParameter(min_length=1, max_length=500, description="Any part of a name")],
    kind: _Kind = None,
    namespace: _Namespace = None,
    limit: Limit = 100,
    offset: Annotated[int, QueryParameter(ge=0, le=1_000_000, description="How many to pass over")] = 0,
) -> Response[bytes]:
    """Find datasets and jobs whose name or namespace holds a text; whole names first."""
    wanted = _filter(kind, namespace)

    def question(index: Index) -> Record:
        found = [each for each in index.catalog().search(q) if wanted(each)]
        following = str(offset + limit) if offset + limit < len(found) else None
        part = found[offset : offset + limit]
        return {"nodes": [node(each) for each in part], "total": len(found), "next": following}

    return answer(request, await api.asker.ask(question))


@get("/api/v2/namespaces", responses=answers(NamespaceList), tags=["nodes"])
async def list_namespaces(request: AnyRequest, api: TheApi) -> Response[bytes]:
    """List all namespaces, and how many datasets and jobs each has."""

    def question(index: Index) -> Record:
        counts: dict[str, dict[str, int]] = {}
        for each in index.catalog().nodes:
            of = counts.setdefault(each.namespace, {"datasets": 0, "jobs": 0})
            of["datasets" if each.kind is Kind.DATASET else "jobs"] += 1
        return {"namespaces": [{"name": name, **counts[name]} for name in sorted(counts)]}

    return answer(request, await api.asker.ask(question))


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

    def question(index: Index) -> Record:
        about = None if subject is None else index.resolve(subject).dataset
        known = index.alerts.all() if every else iter(index.alerts.firing().values())
        found = [
            alert
            for alert in in_order(known)
            if (not kind or alert.finding.kind in kind)
            and (not severity or alert.finding.severity in severity)
            and (about is None or alert.finding.subject.dataset == about)
        ]
        part, following = page(found, _place, limit, cursor)
        return {"alerts": [alert_record(alert) for alert in part], "total": len(found), "next": following}

    return answer(request, await api.asker.ask(question))


@get("/api/v2/alerts/{alert_id:str}", responses=answers(dict[str, Any], HTTPStatus.NOT_FOUND), tags=["alerts"])
async def get_alert(
    request: AnyRequest, api: TheApi, alert_id: Annotated[str, PathParameter(description="Its `alert_id`")]
) -> Response[bytes]:
    """Tell one alert."""

    def question(index: Index) -> Record:
        found = index.alerts.get([alert_id]).get(alert_id)
        if found is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "there is no such alert")
        return alert_record(found)

    return answer(request, await api.asker.ask(question))


_SEVERITIES: Final = [Severity.CRITICAL, Severity.WARNING, Severity.INFO]


def _place(alert: Alert) -> tuple[int, int, int, str]:
    """Where an alert stands in the order of `in_order`."""
    finding = alert.finding
    is_over = int(alert.status is Status.RESOLVED)
    return is_over, _SEVERITIES.index(finding.severity), -alert.started_us, finding.alert_id


class _Wanted:
    """Whether a node is of the kind and the namespace that was asked for."""

    def __init__(self, kind: Kind | None, namespace: str | None) -> None:
        self._kind = kind
        self._namespace = None if namespace is None else canonical_namespace(namespace)

    def __call__(self, each: Node) -> bool:
        is_kind = self._kind is None or each.kind is self._kind
        return is_kind and (self._namespace is None or each.namespace == self._namespace)


def _filter(kind: Kind | None, namespace: str | None) -> _Wanted:
    if kind not in (None, Kind.DATASET, Kind.JOB):
        raise bad_parameter("kind", "it is `dataset` or `job`")
    return _Wanted(kind, namespace)


ROUTES: Final = (list_nodes, search, list_namespaces, list_alerts, get_alert)
