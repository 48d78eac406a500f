"""What each role does in its own process, from its settings to its exit code.

Exit codes: 0 ended in order, 2 settings are wrong (raised as `UsageError`), 3 a client broke for good and the process
has to start anew, 4 too many records were rejected to catch up.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from typing import Final, NoReturn, TypeVar

import structlog

from processor import topics, wiring
from processor.collector import spare_the_collector
from processor.indexer.errors import BrokenClientError, StoppedError
from processor.indexer.patience import Patience
from processor.indexer.points import Reached, pass_by
from processor.model.errors import UsageError
from processor.settings import Settings
from processor.signals import heeding
from processor.telemetry import logs, metrics
from processor.telemetry.health import Health
from processor.telemetry.http import HealthServer

__all__ = ["BROKEN", "STORM", "Role", "asked_to_stop", "check", "run_role"]

BROKEN: Final = 3
STORM: Final = 4
_LAST_WORDS_S: Final = 2.0
_M_MMAP_THRESHOLD: Final = -3
_LARGE_BYTES: Final = 1024 * 1024
T = TypeVar("T")
_log = structlog.get_logger(__name__)


class Role(StrEnum):
    """A kind of process."""

    INDEXER = "indexer"
    ALERTER = "alerter"
    API = "api"


def run_role(settings: Settings, role: Role, *, until_caught_up: bool = False, reached: Reached = pass_by) -> int:
    """Do the role's work in this process until SIGTERM or SIGINT. Returns the exit code.

    `reached` is told of each point between two steps of the indexer.

    Raises `UsageError` for settings that cannot be worked with.
    """
    logs.configure(settings.log_level, settings.log_format, role=role.value, pid=os.getpid())
    metrics.ROLE.labels(role.value).set(1)
    check(settings)
    if settings.supervised:
        _end_with_parent(settings.shutdown_timeout_s)
    try:
        with asked_to_stop(settings.shutdown_timeout_s) as stop:
            if role is Role.ALERTER:
                return run_alerter(settings, stop)
            if role is Role.API:
                return run_api(settings, stop)
            return run_indexer(settings, stop, until_caught_up=until_caught_up, reached=reached)
    except BrokenClientError as error:
        _log.error("ending, to start anew", error=str(error))
        return BROKEN


def run_indexer(settings: Settings, stop: threading.Event, *, until_caught_up: bool, reached: Reached = pass_by) -> int:
    """Index until asked to stop or, if so wished, until what is in the topics now is indexed."""
    spare_the_collector()
    _give_large_blocks_back()
    health = wiring.indexer_health(settings)
    with ExitStack() as stack:
        _serve(stack, settings.http.host, settings.http.indexer_port, health)
        try:
            patience = Patience(health)
            patiently = _Patiently(patience, health, stop)
            patiently(lambda: topics.ensure_topics(settings))
            store = patiently(lambda: wiring.open_store(settings))
            stack.callback(store.close)
            indexer = wiring.indexer(settings, store, health, stop, reached)
            goal = patiently(indexer.goal) if until_caught_up else None
        except StoppedError:
            return 0
        indexer.run(goal)
    return STORM if until_caught_up and indexer.has_stopped_intake else 0


def run_alerter(settings: Settings, stop: threading.Event) -> int:
    """Raise and resolve alerts until asked to stop."""
    from processor.alerter.run import run_alerter as run  # noqa: PLC0415  Faust takes a second to load

    health = wiring.alerter_health(settings)
    with ExitStack() as stack:
        _serve(stack, settings.http.host, settings.http.alerter_port, health)
        try:
            _Patiently(Patience(health), health, stop)(lambda: topics.ensure_topics(settings))
        except StoppedError:
            return 0
        return run(wiring.alerter_config(settings), wiring.alerter_parts(settings), health, stop)


def run_api(settings: Settings, stop: threading.Event) -> int:
    """Answer questions and take events over HTTP until asked to stop.

    It starts whether or not Kafka and Redis are there: who asks for one that is away is told to come again.
    """
    from processor.api import app, server  # noqa: PLC0415  the web framework takes a second to load

    health, broken = wiring.api_health(settings), threading.Event()

    def on_broken() -> None:
        broken.set()
        stop.set()

    with ExitStack() as stack:
        _serve(stack, settings.http.host, settings.http.api_port, health)
        sender = wiring.api_sender(settings, on_broken)
        stack.callback(sender.close, settings.shutdown_timeout_s / 4)
        api = wiring.api(settings, sender)
        stack.callback(api.close)
        listener = server.listen(settings.api.host, settings.api.port)
        _log.info("serving the API", url=f"http://{listener.host}:{listener.port}")
        ending = server.Ending(stop, api.live.stop, settings.shutdown_timeout_s / 2)
        spare_the_collector()
        server.serve(app.build(api), listener, health, ending)
    return BROKEN if broken.is_set() else 0


def _give_large_blocks_back() -> None:
    """Let the C library give each large block back at once, where it is glibc.

    Else it raises its threshold with the first large record, keeps what it freed in pieces, and a worker that reads
    large records holds twice as much.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


class _Patiently:
    """Repeats a step of the start while a dependency is away, without ceasing to live."""

    def __init__(self, patience: Patience, health: Health, stop: threading.Event) -> None:
        self._patience = patience
        self._health = health
        self._stop = stop

    def __call__(self, step: Callable[[], T]) -> T:
        return self._patience.until_done(step, self._wait)

    def _wait(self, delay_s: float) -> None:
        self._health.beat()
        if self._stop.wait(delay_s):
            raise StoppedError


def _serve(stack: ExitStack, host: str, port: int, health: Health) -> None:
    server = stack.enter_context(HealthServer(host, port, health))
    _log.info("serving health and metrics", url=f"http://{server.host}:{server.port}")


def check(settings: Settings) -> None:
    """Refuse at once what no waiting would mend."""
    settings.require_kafka()
    settings.require_redis()
    if settings.policy is not None and not settings.policy.is_file():
        raise UsageError(f"LINEAGE_POLICY={settings.policy}: there is no such file")


@contextmanager
def asked_to_stop(timeout_s: float) -> Iterator[threading.Event]:
    """Turn SIGTERM and SIGINT into an event; what has not ended in time after that is ended by force."""
    stop = threading.Event()

    def heed(name: str) -> None:
        _end_after(timeout_s)
        _log.info("stopping", signal=name)
        stop.set()

    with heeding(heed):
        yield stop


def _end_with_parent(timeout_s: float) -> None:
    """End in order when the supervisor is gone, however it went: its end of our standard input closes with it."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        _end_after(timeout_s)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _end_after(timeout_s: float) -> None:
    """End by force after that; if not even that can be told, with a word of where every thread stands."""
    faulthandler.dump_traceback_later(timeout_s + _LAST_WORDS_S, exit=True)
    timer = threading.Timer(timeout_s, _end)
    timer.daemon = True
    timer.start()


def _end() -> NoReturn:
    """End hard: nothing is lost by it, for what was not committed is read again."""
    _log.error("did not stop in time, ending by force")
    os._exit(BROKEN)
