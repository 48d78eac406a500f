"""What the alerter does, without Faust: handle a change, sweep, publish.

Rules kept here:
- blocking work (Redis) runs in threads of its own, so that the event loop breathes; a sweep lets reactions pass;
- a broken dependency is waited for with growing pauses; a change that cannot be decoded becomes a dead
  letter; a change that a detector stumbles over is logged and left to the sweep, which sees it again;
- an index that lacks what had been read into it is waited for as a broken dependency is, but told by its own name:
  Redis answers;
- only the holder of the lease sweeps and publishes, and only once the alerts know all that the topic holds (`recall`).
  It reads the outbox in order and confirms what the topic has; whatever a crash leaves unconfirmed is sent again, and
  consumers drop doubles by (alert_id, version).
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, repeat
from typing import TypeVar

import structlog

from processor.alerter.config import AlerterConfig, AlerterParts
from processor.alerter.era import OfEra
from processor.alerter.lease import Lease
from processor.alerter.points import Point
from processor.alerter.policy_file import PolicyFile
from processor.alerter.recall import Recall
from processor.alerter.reconcile import Hooks, NotWholeError, Outcome, react, reconcile
from processor.alerter.records import Incoming, Outgoing, dead_letter, dead_letter_without_bytes, tombstone, unreadable
from processor.alerter.showing import count_transitions, note_age, show_firing, show_nothing
from processor.alerter.sinks.crew import Crew
from processor.alerter.sinks.topic import LogSink, Send, TooLargeError, TopicSink, first_wave
from processor.alerter.state import AlertStore, LostAlertsError, LostReadingError
from processor.alerter.sweep.coverage import Seldom
from processor.index.view import View
from processor.model.change import Change
from processor.model.codec import UnreadableRecordError, decode_change
from processor.model.errors import DependencyError, IndexVersionError, LineageError, Reason, Rejected
from processor.model.identity import Kind
from processor.telemetry import metrics
from processor.telemetry.health import Health

_log = structlog.get_logger(__name__)

ASSIGNED = "assigned"
KAFKA = "kafka"
REDIS = "redis"
CONDITIONS = (ASSIGNED, KAFKA, REDIS)
"""What must hold for the alerter to be ready."""

_PAGE = 500
_DAY_US = 86_400_000_000
_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_jitter = random.random  # takes away up to half of a pause, so that alerters do not come back at the same moment
_SAY_AGAIN_S = 10.0  # what is tried several times a second is told so seldom
_REST = 4  # a sweep takes at most a fifth of the time, however large the index
_THREADS = 3  # a change, a sweep and the outbox never wait for each other
_REDIS_ANSWERS: Mapping[type[DependencyError], tuple[int, str]] = {
    LostAlertsError: (logging.INFO, "alerts.untold"),
    LostReadingError: (logging.WARNING, "alerts.reading_lost"),
    NotWholeError: (logging.WARNING, "index.not_whole"),
}
"""How is told what is waited for though Redis answers: what it holds cannot be used yet."""
_T = TypeVar("_T")


class AbandonedError(LineageError):
    """The alerter is to end while a change waits for a dependency, or amid a sweep: it is begun again later."""


class Engine:
    """The alerter's work. Its methods are called from one event loop."""

    def __init__(self, config: AlerterConfig, parts: AlerterParts, send: Send, health: Health) -> None:
        """Open the index and the alerts. Raises DependencyError, or UsageError for a bad policy."""
        self._config = config
        self._send = send
        self._health = health
        self._way = parts.right_of_way
        self._hooks = Hooks(parts.runbook, self._breathe, self._stepped)
        self._sweep_hooks = Hooks(parts.runbook, self._give_way, self._stepped, Seldom())
        self._policy = PolicyFile(config.policy_file)
        self._change_view, self._sweep_view = parts.open_view(), parts.open_view()
        self._alerts: AlertStore = parts.open_alerts()
        self._reached = parts.reached
        self._recall = Recall(self._alerts, parts.open_log(), parts.reached, self._lead_on)
        self._topic = TopicSink(send, config.alerts_topic, parts.reached)
        self._log_sink = LogSink()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="alerter")
        self._publishing = asyncio.Lock()
        self._recalling = asyncio.Lock()
        self._sweeping = asyncio.Lock()
        self._ending = asyncio.Event()
        self._lease = Lease(self._alerts, config.lease_s)
        self._leads = False
        self._is_told = False
        self._crew = Crew(config.sinks, self._alerts, self._may_tell, parts.reached)
        self._rest_until_s = 0.0
        self._said_s: dict[tuple[str, str], float] = {}

    async def handle(self, records: Sequence[Incoming]) -> None:
        """See changes through, together. Returns only when that is done, however long a dependency is away.

        Raises AbandonedError when the alerter is to end before that, IndexVersionError when another version has taken
        the index over.
        """
        changes = [change for record in records if (change := await self._readable(record))]
        if not changes:
            return
        with self._way.taken():
            note_age("read", records)
            is_news = await self._judge(changes)
            note_age("judged", records)
            if is_news:
                await self.publish()
                note_age("published", records if self._leads else ())

    async def _readable(self, record: Incoming) -> Change | None:
        """The change of a record; what is none is buried."""
        change = _decoded(record)
        self._reached(Point.DECODED)
        if not isinstance(change, Rejected):
            return change
        await self._insist("bury", lambda: self._bury(record, change))
        return None

    async def _judge(self, changes: Sequence[Change]) -> bool:
        """React to changes; whether something came of it. Where that fails, to each by itself."""
        try:
            is_news = await self._insist("react", lambda: self._reaction(changes))
        except (AbandonedError, IndexVersionError):
            raise
        except Exception:  # noqa: BLE001  outermost: a change is a hint, and the sweep sees what it hinted at
            if len(changes) > 1:
                return any([await self._judge([change]) for change in changes])
            _log.exception("change.left_to_sweep", change_id=changes[0].change_id, node=str(changes[0].node))
            return False
        self._reached(Point.JUDGED)
        return is_news

    async def _reaction(self, changes: Sequence[Change]) -> bool:
        """React; alerts that know nothing yet learn it first, if this alerter leads."""
        try:
            return await self._thread(self._react, changes)
        except LostAlertsError:
            await self.publish()
            return await self._thread(self._react, changes)

    def acknowledged(self) -> None:
        """Take note that a change will be committed."""
        self._reached(Point.ACKNOWLEDGED)

    async def sweep(self) -> None:
        """Derive all alerts anew, if this alerter leads. A dependency that is away is left to the next time."""
        if not self._leads:
            show_nothing()
            return
        if self._sweeping.locked() or time.monotonic() < self._rest_until_s:
            return
        async with self._sweeping:
            await self._sweep()

    async def _sweep(self) -> None:
        began_s = time.monotonic()
        try:
            await self._know_topic()
            outcome = await self._thread(self._reconcile)
            self._reached(Point.SWEPT)
            await self._forget_old()
        except AbandonedError:
            return
        except DependencyError as error:
            self._missed("sweep", error)
            return
        self._rest_until_s = time.monotonic() + _REST * (time.monotonic() - began_s)
        if outcome is not None:
            metrics.LAST_SWEEP.set_to_current_time()
            show_firing(outcome)
        await self.publish()

    async def publish(self) -> None:
        """Send what the outbox holds, if this alerter leads. What cannot be sent stays there."""
        self._health.beat()
        async with self._publishing:
            try:
                while await self._lead() and await self._publish_wave():
                    self._health.beat()
                if self._leads and not self._is_told:
                    await self._know_topic()
            except AbandonedError:
                return
            except DependencyError as error:
                self._leads = False
                self._missed("publish", error)

    async def tell_sinks(self) -> None:
        """Tell the sinks beside the topic, while this alerter leads, until it is to end."""
        telling, ending = asyncio.ensure_future(self._crew.run()), asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait({telling, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            telling.cancel()
            ending.cancel()
            with suppress(asyncio.CancelledError):
                await telling

    def abandon(self) -> None:
        """Wait for no dependency any more."""
        self._ending.set()

    async def close(self) -> None:
        """Let another alerter lead, and give the threads back."""
        try:
            await self._thread(self._lease.release)
        except DependencyError as error:
            _log.info("lease.kept", reason=str(error), until_s=self._config.lease_s)
        self._crew.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _lead(self) -> bool:
        """Take or renew the lease: before each wave, for a wave takes less time than the lease lasts."""
        self._leads = await self._thread(self._take_lease)
        self._health.holds(REDIS)
        self._reached(Point.LEASED)
        return self._leads

    async def _know_topic(self) -> bool:
        """See to it that the alerts know what the topic says; whether they did not."""
        async with self._recalling:
            return await self._thread(self._recall.refresh)

    def _may_tell(self) -> bool:
        """Whether the lease is still held; that Kafka is away keeps nobody from telling what is known."""
        return self._lease.left_s > 0

    async def _publish_wave(self) -> bool:
        """Send what may be sent at once. Whether there may be more to send now."""
        pending = await self._thread(self._alerts.pending, _PAGE)
        waiting = first_wave(pending)
        if not waiting:
            return False
        if await self._know_topic():
            return True
        if self._lease.left_s < self._config.send_timeout_s:
            return True
        delivered = await self._topic.deliver(waiting)
        self._reached(Point.DELIVERED)
        self._log_sink.deliver(delivered.transitions)
        await self._thread(self._alerts.confirm, delivered.transitions, delivered.landed)
        self._crew.wake()
        self._reached(Point.CONFIRMED)
        is_rest = len(pending) == _PAGE or len(waiting) < len(pending)
        return is_rest and len(delivered.transitions) == len(waiting)

    async def _forget_old(self) -> None:
        """Forget alerts that were resolved long ago, here and on the topic."""
        before_us = _wall_us() - int(self._config.keep_resolved_days * _DAY_US)
        old = await self._thread(self._alerts.expired, before_us, _PAGE)
        for alert_id in old:
            await self._send(tombstone(self._config.alerts_topic, alert_id))
            self._reached(Point.ENDING)
        await self._thread(self._alerts.forget, old)
        for mute in await self._thread(self._alerts.mutes):
            if mute.until_us < before_us:
                await self._thread(self._alerts.unmute, mute.mute_id)
        if old:
            self._reached(Point.FORGOTTEN)

    async def _bury(self, record: Incoming, rejected: Rejected) -> None:
        topic = self._config.dead_letters_topic
        try:
            await self._send_letter(
                dead_letter(topic, record, rejected), dead_letter_without_bytes(topic, record, rejected)
            )
            self._reached(Point.BURIED)
        except TooLargeError as error:
            metrics.SINK_ERRORS.labels("dead_letters").inc()
            _log.error("change.lost", place=record.place, detail=rejected.detail, reason=str(error))
            return
        metrics.DEAD_LETTERS.labels(rejected.reason.value, rejected.stage.value).inc()
        _log.warning("change.rejected", reason=rejected.reason.value, detail=rejected.detail, place=record.place)

    async def _send_letter(self, letter: Outgoing, smaller: Outgoing) -> None:
        try:
            await self._send(letter)
        except TooLargeError as error:
            metrics.CUT.labels(letter.topic).inc()
            _log.error("change.too_large", reason=str(error))
            await self._send(smaller)

    # In a thread

    def _react(self, changes: Sequence[Change]) -> bool:
        """Whether something is to be published."""
        with metrics.DETECT_SECONDS.labels("change").time():
            alerts, view, policy = OfEra(self._alerts), self._change_view, self._policy.current()
            now_us = self._now_us(view)
            if now_us is None:
                raise NotWholeError("Redis", "no indexer has told yet how far it has read: see that one runs")
            outcome = react(changes, view, alerts, policy, now_us, self._hooks)
            count_transitions(outcome)
            return bool(outcome.transitions)

    def _reconcile(self) -> Outcome | None:
        """One sweep; None while there is no time to judge by."""
        with metrics.DETECT_SECONDS.labels("sweep").time():
            alerts, view, policy = OfEra(self._alerts), self._sweep_view, self._policy.current()
            view.refresh()
            now_us = self._now_us(view)
            if now_us is None:
                return None
            outcome = reconcile(view, alerts, policy, now_us, self._sweep_hooks)
            count_transitions(outcome)
            for kind in (Kind.DATASET, Kind.JOB):
                metrics.INDEX_NODES.labels(kind.value).set(view.count(kind))
            return outcome

    def _stepped(self) -> None:
        self._reached(Point.STEPPED)

    def _breathe(self) -> None:
        if self._ending.is_set():
            raise AbandonedError("sweep")

    def _lead_on(self) -> None:
        """Amid a reading of the topic, which may take longer than the lease lasts."""
        self._breathe()
        self._lease.lead_on()
        self._health.beat()

    def _give_way(self) -> None:
        self._breathe()
        self._way.give()

    def _now_us(self, view: View) -> int | None:
        return view.now_us(_wall_us(), self._config.clock)

    def _take_lease(self) -> bool:
        self._is_told = self._alerts.era() is not None
        return self._lease.take()

    # Waiting

    async def _thread(self, work: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*arguments))

    async def _insist(self, what: str, work: Callable[[], Awaitable[_T]]) -> _T:
        """Try until the dependency is back, or until the alerter is to end."""
        for pause_s in chain(_PAUSES_S, repeat(_PAUSES_S[-1])):
            if self._ending.is_set():
                break
            try:
                return await work()
            except DependencyError as error:
                self._missed(what, error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), pause_s * (1 - _jitter() / 2))
        raise AbandonedError(what)

    def _missed(self, what: str, error: DependencyError) -> None:
        told = _REDIS_ANSWERS.get(type(error))
        level, event = told or (logging.WARNING, "dependency.away")
        if told is None:
            metrics.RETRIES.labels(error.dependency.lower()).inc()
            if error.dependency == "Redis":
                self._health.fails(REDIS, error.detail)
        if time.monotonic() - self._said_s.get((what, event), -_SAY_AGAIN_S) >= _SAY_AGAIN_S:
            self._said_s[what, event] = time.monotonic()
            _log.log(level, event, doing=what, dependency=error.dependency, reason=error.detail)


def _decoded(record: Incoming) -> Change | Rejected:
    if record.value is None:
        return unreadable(Reason.NULL, "a change has a value")
    try:
        return decode_change(record.value)
    except UnreadableRecordError as error:
        return unreadable(Reason.BAD_AVRO, str(error))
    except Exception as error:  # noqa: BLE001  bytes from outside: whatever a decoder makes of them is about them
        return unreadable(Reason.BAD_AVRO, f"{type(error).__name__}: {error}")


def _wall_us() -> int:
    return time.time_ns() // 1000
