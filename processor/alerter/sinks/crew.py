"""Tells the sinks, each in a loop of its own.

Rules kept here:
- a sink that is down is tried again after pauses that grow, and holds up nobody: neither another sink, nor another
  peer of the same, nor the topic, nor a judgement;
- only who leads tells; what a queue holds when the lease goes to another is told by that one;
- Alertmanager is told how things stand, so it hears what the store holds, and needs no queue; a webhook and Slack are
  told each transition that the topic has, from a queue that is filled in the step in which the topic's confirmation
  is noted, and emptied once they have answered;
- a message that a sink refuses for good is told in the log, counted, and out of the way of the others.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol, TypeVar

import aiohttp
import msgspec
import structlog

from processor import __version__
from processor.alerter.points import Point, Reached, pass_by
from processor.alerter.sinks.alertmanager import KEPT_US, Board
from processor.alerter.sinks.bodies import is_told, slack_body, webhook_body, webhook_headers
from processor.alerter.sinks.config import SLACK, WEBHOOK, SinksConfig
from processor.alerter.sinks.http import AwayError, RefusedError, post
from processor.alerter.state import AlertStore, Pending
from processor.model.alert import Alert
from processor.model.errors import DependencyError
from processor.telemetry import metrics

_log = structlog.get_logger(__name__)

_PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_POLL_S = 5.0
_LOOK_S = 1.0  # how soon who leads anew begins to tell
_PAGE = 100
_POSTS = 500
_ENDED_MOST = 10_000
_ALERTMANAGER = "alertmanager"
_API = "/api/v2/alerts"
_JSON = {"Content-Type": "application/json"}
_jitter = random.random
_T = TypeVar("_T")


class _Worker(Protocol):
    """Tells one address. `every_s`: how often, when nothing is new."""

    name: str
    every_s: float

    async def work(self) -> None:
        """Tell what is to be told now. Raises AwayError, or DependencyError when Redis is away."""


class Crew:
    """All sinks beside the topic and the log. `leads` says whether this alerter may tell anybody."""

    def __init__(
        self, config: SinksConfig, alerts: AlertStore, leads: Callable[[], bool], reached: Reached = pass_by
    ) -> None:
        self._config = config
        self._alerts = alerts
        self._leads = leads
        self._reached = reached
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sinks")
        self._news: list[asyncio.Event] = []

    def wake(self) -> None:
        """Something may be to tell."""
        for news in self._news:
            news.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        async with self._session() as session:
            await asyncio.gather(*(self._keep_on(each) for each in self._workers(session)))

    async def once(self) -> None:
        """Try each sink once; what one does not take stays in its queue."""
        async with self._session() as session:
            await asyncio.gather(*(self._try(each) for each in self._workers(session)))

    def close(self) -> None:
        """Give the thread back."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _session(self) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=self._config.timeout_s)
        return aiohttp.ClientSession(timeout=timeout, headers={"User-Agent": f"lineage-processor/{__version__}"})

    def _workers(self, session: aiohttp.ClientSession) -> list[_Worker]:
        config, there = self._config, _There(self._alerts, self._thread, session, self._leads)
        peers: list[_Worker] = [_Alertmanager(there, url, config.resend_s) for url in config.alertmanager_urls]
        return peers + [_Queue(there, name, config, self._reached) for name in config.queued]

    async def _keep_on(self, worker: _Worker) -> None:
        news, failures = asyncio.Event(), 0
        self._news.append(news)
        while True:
            news.clear()
            leads = self._leads()
            asked_s = await self._try(worker) if leads else None
            failures = 0 if asked_s is None else failures + 1
            if asked_s is not None:
                await asyncio.sleep(max(asked_s, _grown(failures)))
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), worker.every_s if leads else _LOOK_S)

    async def _try(self, worker: _Worker) -> float | None:
        """None when all was told, else how long the sink asks to be left alone."""
        try:
            await worker.work()
        except (AwayError, DependencyError) as error:
            metrics.SINK_ERRORS.labels(worker.name).inc()
            _log.warning("sink.away", sink=worker.name, reason=str(error))
            return error.pause_s if isinstance(error, AwayError) else 0.0
        except Exception:  # noqa: BLE001  outermost: a defect in one sink must not end the others
            metrics.SINK_ERRORS.labels(worker.name).inc()
            _log.exception("sink.failed", sink=worker.name)
            return 0.0
        return None


class _There:
    """What the workers share: the alerts, a thread to ask them in, and the way out."""

    def __init__(
        self,
        alerts: AlertStore,
        thread: ThreadPoolExecutor,
        session: aiohttp.ClientSession,
        leads: Callable[[], bool],
    ) -> None:
        self.alerts = alerts
        self.session = session
        self.leads = leads
        self._thread = thread

    async def ask(self, work: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*arguments))


class _Alertmanager:
    """One Alertmanager of however many."""

    name = _ALERTMANAGER

    def __init__(self, there: _There, url: str, resend_s: float) -> None:
        self.every_s = resend_s
        self._there = there
        self._url = url.rstrip("/") + _API
        self._board = Board(resend_s)

    async def work(self) -> None:
        alerts = await self._there.ask(self._read)
        posts = self._board.posts(alerts, _wall_us())
        for start in range(0, len(posts), _POSTS):
            some = posts[start : start + _POSTS]
            await self._post(msgspec.json.encode(some), len(some))

    def _read(self) -> list[Alert]:
        ended = self._there.alerts.ended(_wall_us() - KEPT_US, _ENDED_MOST)
        return [*self._there.alerts.firing().values(), *ended]

    async def _post(self, body: bytes, count: int) -> None:
        """Of a batch that is refused, Alertmanager has taken what was valid."""
        try:
            await post(self._there.session, self._url, body, _JSON)
            metrics.SINK_TOLD.labels(self.name).inc(count)
        except RefusedError as error:
            metrics.SINK_DROPPED.labels(self.name, "refused").inc()
            _log.error("sink.refused", sink=self.name, alerts=count, reason=str(error))


class _Queue:
    """A webhook or Slack: each transition, in order."""

    every_s = _POLL_S

    def __init__(self, there: _There, name: str, config: SinksConfig, reached: Reached) -> None:
        self.name = name
        self._there = there
        self._config = config
        self._url = (config.webhook_url if name == WEBHOOK else config.slack_url) or ""
        self._reached = reached

    async def work(self) -> None:
        alerts = self._there.alerts
        while self._there.leads() and (waiting := await self._there.ask(alerts.to_tell, self.name, _PAGE)):
            metrics.SINK_WAITING.labels(self.name).set(await self._there.ask(alerts.untold, self.name))
            for transition in self._chosen(waiting):
                await self._tell(transition)
                await self._there.ask(alerts.told, self.name, [transition])
            await self._there.ask(alerts.told, self.name, waiting)
        metrics.SINK_WAITING.labels(self.name).set(await self._there.ask(alerts.untold, self.name))

    def _chosen(self, waiting: Sequence[Pending]) -> list[Pending]:
        """Those that it is to hear of; a person who was away for long hears the last word on each alert."""
        last = {each.alert_id: each.version for each in waiting}
        return [
            each
            for each in waiting
            if is_told(each.alert, self.name, self._config.slack_severity)
            and (self.name != SLACK or last[each.alert_id] == each.version)
        ]

    async def _tell(self, transition: Pending) -> None:
        try:
            body, headers = self._message(transition)
            await post(self._there.session, self._url, body, headers)
            metrics.SINK_TOLD.labels(self.name).inc()
            self._reached(Point.TOLD)
        except RefusedError as error:
            metrics.SINK_DROPPED.labels(self.name, "refused").inc()
            what = {"alert_id": transition.alert_id, "version": transition.version}
            _log.error("sink.refused", sink=self.name, reason=str(error), **what)

    def _message(self, transition: Pending) -> tuple[bytes, dict[str, str]]:
        if self.name == SLACK:
            return slack_body(transition.alert), dict(_JSON)
        body = webhook_body(transition.alert)
        return body, webhook_headers(transition, body, self._config.webhook_secret, _wall_us() // 1_000_000)


def _grown(failures: int) -> float:
    return _PAUSES_S[min(failures, len(_PAUSES_S)) - 1] * (1 - _jitter() / 2)


def _wall_us() -> int:
    return time.time_ns() // 1000
