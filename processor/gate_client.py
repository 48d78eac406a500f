"""As much of an HTTP client as gates need: the standard library's, so that a training image gains no dependency.

Rules kept here:
- a token goes to the address that was given and nowhere else: redirects are not followed;
- who is busy (503) is asked again, as it says, until `timeout_s` is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.client import HTTPException
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, NoReturn, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import msgspec

from processor.model.errors import DependencyError, UsageError
from processor.model.text import quoted

__all__ = ["ApiClient", "is_api"]

_T = TypeVar("_T")
_SCHEMES: Final = ("http://", "https://")
_MOST_BYTES: Final = 64 * 1024 * 1024
_API: Final = "the lineage API"


class _Problem(msgspec.Struct):
    detail: str = ""
    near: list[str] = []


_read_problem: Final = msgspec.json.Decoder(_Problem).decode


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401  as the standard library calls it
        return None


def is_api(url: str | None) -> bool:
    """Whether a URL is that of the HTTP API."""
    return url is not None and url.lower().startswith(_SCHEMES)


class ApiClient:
    """Asks the API below `url`. Each question has `timeout_s` in all."""

    def __init__(self, url: str, token: str | None, timeout_s: float) -> None:
        if not urlsplit(url).hostname:
            raise UsageError(f"url: {url} names no host")
        self._base = f"{url.rstrip('/')}/api/v2"
        self._headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        self._timeout_s = timeout_s
        self._opener = build_opener(_NoRedirect)

    def get(self, path: str, query: Sequence[tuple[str, str]], read: Callable[[bytes], _T]) -> _T:
        """The answer to a question, read by `read`. Raises `UsageError`, `DependencyError`."""
        url = f"{self._base}/{path}?{urlencode(query)}"
        return self._ask(Request(url, headers=self._headers), read)  # noqa: S310  `is_api` has looked at the scheme

    def post(self, path: str, body: object, read: Callable[[bytes], _T]) -> _T:
        """The answer to a question that is a document. Raises as `get`."""
        headers = {**self._headers, "Content-Type": "application/json"}
        request = Request(f"{self._base}/{path}", msgspec.json.encode(body), headers)  # noqa: S310  as above
        return self._ask(request, read)

    def _ask(self, request: Request, read: Callable[[bytes], _T]) -> _T:
        deadline_s = time.monotonic() + self._timeout_s
        while True:
            try:
                return _read(self._sent(request, deadline_s), read)
            except HTTPError as error:
                pause_s = _pause_s(error)
                if pause_s is None or time.monotonic() + pause_s >= deadline_s:
                    _refuse(error)
                time.sleep(pause_s)

    def _sent(self, request: Request, deadline_s: float) -> bytes:
        left_s = max(0.1, deadline_s - time.monotonic())
        try:
            return _within(left_s, lambda: self._answer(request, left_s))
        except HTTPError:
            raise
        except (URLError, TimeoutError, HTTPException, OSError) as error:
            raise DependencyError(_API, f"{self._base} does not answer: {quoted(error)}") from None

    def _answer(self, request: Request, timeout_s: float) -> bytes:
        with self._opener.open(request, timeout=timeout_s) as answer:
            data: bytes = answer.read(_MOST_BYTES + 1)
        return data


def _within(left_s: float, step: Callable[[], bytes]) -> bytes:
    """What a step gives, if it does in time. Sockets bound each wait, and not all of them together.

    A thread that is late is left behind, and ends with its socket: a process does not wait for it.
    """
    done: SimpleQueue[bytes | Exception] = SimpleQueue()

    def run() -> None:
        try:
            done.put(step())
        except Exception as error:  # noqa: BLE001  outermost of this thread; raised anew below
            done.put(error)

    Thread(target=run, name="lineage API", daemon=True).start()
    try:
        found = done.get(timeout=left_s)
    except Empty:
        raise TimeoutError("it takes too long") from None
    if isinstance(found, Exception):
        raise found
    return found


def _read(data: bytes, read: Callable[[bytes], _T]) -> _T:
    try:
        return read(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DependencyError(_API, f"its answer cannot be read: {quoted(error)}") from error


def _pause_s(error: HTTPError) -> float | None:
    """After how long to ask again; None for not at all."""
    if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
        return None
    told = error.headers.get("Retry-After", "")
    return float(told) if told.isascii() and told.isdigit() else 1.0


def _refuse(error: HTTPError) -> NoReturn:
    """Raise what the status means."""
    try:
        problem = _read_problem(error.read(_MOST_BYTES))
    except (msgspec.DecodeError, OSError, HTTPException):
        problem = _Problem()
    near = f"; near it: {', '.join(problem.near)}" if problem.near else ""
    said = f"{problem.detail or error.reason}{near}"
    if HTTPStatus.BAD_REQUEST <= error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
        raise UsageError(said) from None
    raise DependencyError(_API, f"{error.code}: {said}") from None
