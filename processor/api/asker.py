"""Questions to the index, answered beside the event loop.

Rules kept here:
- a few threads answer, each with a connection of its own; more questions than may wait are turned away;
- a question has `timeout_s` from being asked: then the client is told, and the question ends at its next look at the
  index, or where it computes much between two looks, so that no thread is lost to it;
- health, which has a server of its own, waits for none of this.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeVar

from processor.api.config import Alerts, ApiConfig, OpenIndex
from processor.api.names import Names
from processor.api.problems import ProblemError
from processor.index.alert_ids import LEAST, alert_called
from processor.index.keys import Key
from processor.index.neighborhood import Ahead, Neighborhood
from processor.index.past import PastView
from processor.index.portion import Portion
from processor.index.resolve import UnclearNodeError, resolve
from processor.index.search import Catalog
from processor.index.store import Store
from processor.index.view import View
from processor.model.alert import Alert
from processor.model.identity import Kind, Node
from processor.telemetry.store import MeteredStore

__all__ = ["Asker", "Index"]

T = TypeVar("T")
_REFRESH_S: Final = 1.0
_RETRY_S: Final = 1


@dataclass(frozen=True, slots=True)
class Index:
    """What a question may look at."""

    store: Store
    view: View
    alerts: Alerts
    names: Names

    def at(self, at_us: int | None) -> View:
        """The index as it was at a time; as it is now without one."""
        return self.view if at_us is None else PastView(self.store, at_us, self.view.breathe)

    def resolve(self, text: str, view: View | None = None, *, parameter: str = "node") -> Node:
        """The node that somebody means. Raises `UnknownNodeError` with what is near, or `AmbiguousNodeError`."""

        def nearby(_: View, wanted: str, kind: Kind | None) -> tuple[Node, ...]:
            return self.catalog().near(wanted, kind, self.view.breathe)

        try:
            return resolve(view or self.view, text, nearby)
        except UnclearNodeError as error:
            error.parameter = parameter
            raise

    def alert(self, given: str) -> Alert | None:
        """The alert whose id this is, or alone begins so. Raises `UnclearAlertError`."""
        return alert_called(self.alerts, given, least=LEAST, breathe=self.view.breathe)

    def catalog(self) -> Catalog:
        """Every name."""
        return self.names.catalog(self.view)


class TooLongError(ProblemError):
    """A question took longer than it may."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.GATEWAY_TIMEOUT, "it took too long; ask for less: a smaller depth or limit, one node"
        )


class Asker:
    """Answers questions. For one event loop; close it at the end."""

    def __init__(self, open_index: OpenIndex, config: ApiConfig) -> None:
        self._open_index = open_index
        self._config = config
        self._names = Names(config.names_age_s, lambda: View(MeteredStore(open_index()[0])))
        self._pool = ThreadPoolExecutor(config.threads, thread_name_prefix="question")
        self._of_thread = threading.local()
        self._waiting = 0

    async def ask(self, question: Callable[[Index], T]) -> T:
        """The answer to a question, which blocks. Raises `ProblemError` and whatever the question raises."""
        if self._waiting >= self._config.threads + self._config.waiting:
            detail = "too many questions wait; ask again later"
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_s=_RETRY_S)
        deadline_s = time.monotonic() + self._config.timeout_s
        self._waiting += 1
        answer = asyncio.get_running_loop().run_in_executor(self._pool, self._answer, question, deadline_s)
        answer.add_done_callback(self._answered)
        try:
            async with asyncio.timeout(self._config.timeout_s):
                return await asyncio.shield(answer)
        except TimeoutError:
            raise TooLongError from None

    def close(self) -> None:
        """Begin nothing more."""
        self._names.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _answered(self, answer: asyncio.Future[T]) -> None:
        self._waiting -= 1
        if not answer.cancelled():
            answer.exception()  # whoever asked may have been told something else already

    def _answer(self, question: Callable[[Index], T], deadline_s: float) -> T:
        if time.monotonic() >= deadline_s:
            raise TooLongError
        opened = self._opened()
        opened.store.deadline_s = deadline_s
        opened.refresh()
        return question(opened.index)

    def _opened(self) -> _Opened:
        there: _Opened | None = getattr(self._of_thread, "opened", None)
        if there is None:
            store, alerts = self._open_index()
            limited = _LimitedStore(store)
            there = self._of_thread.opened = _Opened(
                limited, Index(limited, View(limited, limited.check), alerts, self._names)
            )
        return there


class _LimitedStore(MeteredStore):
    """Answers until a moment, and raises `TooLongError` from then on."""

    deadline_s = 0.0

    def fetch(self, keys: Sequence[Key]) -> list[dict[bytes, bytes]]:
        """See `Store`."""
        self.check()
        return super().fetch(keys)

    def fetch_records(self, ids: Sequence[bytes], portions: Sequence[Portion]) -> list[list[dict[bytes, bytes]]]:
        """See `Store`."""
        self.check()
        return super().fetch_records(ids, portions)

    def fetch_neighborhood(self, ids: Sequence[bytes], ahead: Ahead) -> Neighborhood:
        """See `Store`."""
        self.check()
        return super().fetch_neighborhood(ids, ahead)

    def fetch_fields(self, key: Key, fields: Sequence[bytes]) -> list[bytes | None]:
        """See `Store`."""
        self.check()
        return super().fetch_fields(key, fields)

    def scan(
        self, record: str, buckets: Sequence[int] | None = None
    ) -> Iterator[tuple[Key, list[tuple[bytes, bytes]]]]:
        """See `Store`."""
        for page in super().scan(record, buckets):
            self.check()
            yield page

    def check(self) -> None:
        """Raise `TooLongError` once the time is over."""
        if time.monotonic() >= self.deadline_s:
            raise TooLongError


@dataclass(slots=True)
class _Opened:
    """A thread's connection."""

    store: _LimitedStore
    index: Index
    refreshed_s: float = 0.0

    def refresh(self) -> None:
        """Go over to the live generation of the index, now and then."""
        if time.monotonic() - self.refreshed_s > _REFRESH_S:
            self.index.view.refresh()
            self.refreshed_s = time.monotonic()
