"""What a client of 2020 needs: answers without what it does not know, and its paths as it meant them.

The `marquez-java` that Maven's repository has (0.4.3-rc.1) fails on any member that Marquez has added since, and so on
Marquez 0.51's own answers. It does not encode the slashes of names, and makes one of several. It says who it is, is
told what it knows, and is understood.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from litestar import Response

from processor.api import answers
from processor.api.answers import AnyRequest

__all__ = ["answer", "is_old_java", "known_to_java", "path_as_meant", "written"]

_CLIENT: Final = "marquez-java/0.4."
_PROTOCOLS: Final = frozenset({"http", "https", "ftp", "file"})
_KINDS: Final = frozenset({"datasets", "jobs"})
_SLASH: Final = "%2F"
_UNTYPED: Final = "UNKNOWN"
_Form = dict[str, Any]
"""Members that are known; of an object, or of each in a list, which of its own."""


def _of(*members: str, **nested: _Form) -> _Form:
    return {**dict.fromkeys(members), **nested}


_NAMED: Final = ("name", "createdAt", "updatedAt", "description")
_ID: Final = _of("namespace", "name")
_RUN: Final = _of(
    *("id", "createdAt", "updatedAt", "nominalStartTime", "nominalEndTime", "state", "startedAt", "endedAt"),
    *("durationMs", "args"),
)
_FIELD: Final = _of("name", "type", "tags", "description")
_JOB: Final = _of(*_NAMED, "type", "namespace", "location", "context", id=_ID, inputs=_ID, outputs=_ID, latestRun=_RUN)
_DATASET: Final = _of(
    *(*_NAMED, "type", "physicalName", "namespace", "sourceName", "tags", "lastModifiedAt"), id=_ID, fields=_FIELD
)
_NAMESPACE: Final = _of(*_NAMED, "ownerName")
_SOURCE: Final = _of(*_NAMED, "type", "connectionUrl")
_LISTS: Final = {
    "namespaces": _NAMESPACE,
    "sources": _SOURCE,
    "datasets": _DATASET,
    "jobs": _JOB,
    "runs": _RUN,
    "tags": _of("name", "description"),
}
_TOLD_BY: Final = {
    "ownerName": _NAMESPACE,
    "connectionUrl": _SOURCE,
    "physicalName": _DATASET,
    "simpleName": _JOB,
    "durationMs": _RUN,
}
"""The member by which a form that stands alone is told from the others."""


def answer(request: AnyRequest, content: object) -> Response[bytes]:
    """As `answers.answer`, in the words of whoever asks."""
    return answers.answer(request, _told(request, content))


def written(request: AnyRequest, content: object, status: HTTPStatus = HTTPStatus.OK) -> Response[bytes]:
    """The answer to a call that writes, likewise."""
    return Response(msgspec.json.encode(_told(request, content)), status_code=status, media_type="application/json")


def _told(request: AnyRequest, content: object) -> object:
    return known_to_java(content) if is_old_java(request.headers.get("user-agent", "")) else content


def is_old_java(agent: str) -> bool:
    """Whether it is that client, by the `User-Agent` that it sends."""
    return agent.startswith(_CLIENT)


def path_as_meant(method: str, path: str) -> str:
    """A path of its own in which the slashes of names are encoded, and those of `scheme://` are two."""
    base, _, rest = path.rstrip("/").partition("/namespaces/")
    if not rest:
        base, _, rest = path.rstrip("/").partition("/sources/")
        return f"{base}/sources/{_namespace_of(rest.split('/'))}" if rest else path
    parts = rest.split("/")
    at = next((place for place, part in enumerate(parts) if place and part in _KINDS), len(parts))
    whole = [_namespace_of(parts[:at]), *parts[at : at + 1]]
    return "/".join([base, "namespaces", *whole, *_names_of(method, parts[at : at + 1], parts[at + 1 :])])


def _namespace_of(parts: list[str]) -> str:
    is_url = len(parts) > 1 and parts[0].endswith(":")
    return _SLASH.join([parts[0], "", *parts[1:]] if is_url else parts)


def _names_of(method: str, kind: list[str], parts: list[str]) -> list[str]:
    """The name of a dataset or of a job, and what the client asks of it."""
    end = len(parts)
    if kind == ["jobs"] and parts[1:] and parts[-1] == "runs":
        end -= 1
    elif method == "POST" and parts[2:] and parts[-2] == "tags":
        end -= 2
        if "fields" in parts[1 : end - 1]:
            at = parts.index("fields", 1)
            return [_SLASH.join(parts[:at]), "fields", _SLASH.join(parts[at + 1 : end]), *parts[end:]]
    return [_SLASH.join(parts[:end]), *parts[end:]] if parts else []


def known_to_java(content: object) -> object:
    """What the client knows of an answer; all of one that it does not ask for."""
    if not isinstance(content, dict):
        return content
    alone = next((member for member in _TOLD_BY if member in content), None)
    if alone is not None:
        return _known(content, _TOLD_BY[alone])
    listed = {name: _known(content[name], form) for name, form in _LISTS.items() if name in content}
    return listed or content


def _known(content: Any, form: _Form | None) -> Any:  # noqa: ANN401  any JSON
    if isinstance(content, list):
        return [_known(each, form) for each in content]
    if form is None or not isinstance(content, dict):
        return content
    return {name: _taken(form, name, value) for name, value in content.items() if name in form}


def _taken(form: _Form, name: str, value: Any) -> Any:  # noqa: ANN401  any JSON
    """A member as the client takes it: it has no columns without a type, and of locations only URLs."""
    if form is _FIELD and name == "type":
        return value or _UNTYPED
    if name == "location":
        return value if value and _is_url(value) else None
    return _known(value, form[name])


def _is_url(location: str) -> bool:
    """Whether `java.net.URL`, which the client reads it into, takes it."""
    try:
        _ = (parts := urlsplit(location)).port
    except ValueError:
        return False
    return parts.scheme in _PROTOCOLS
