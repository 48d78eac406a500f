"""The alerter's process: wait for Kafka and Redis, run the app, end within the deadline.

Returns 0 when it was asked to end, 3 when the app gave up. `UsageError` is raised as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import tempfile
import threading
from pathlib import Path

import faust
import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from processor.alerter.app import attach, make_app, sender
from processor.alerter.config import AlerterConfig, AlerterParts
from processor.alerter.engine import KAFKA, REDIS, Engine
from processor.alerter.kafka_settings import KafkaSettings, kafka_settings
from processor.alerter.policy_file import load_policy
from processor.alerter.right_of_way import switch_soon
from processor.alerter.topic_log import no_topic
from processor.model.errors import DependencyError, IndexVersionError
from processor.telemetry.health import Health

_log = structlog.get_logger(__name__)

_LOOK_TIMEOUT_S = 5.0
_PAUSE_S = 1.0
_WATCH_S = 5.0
_FOLDER = "lineage-alerter-"
_TALKATIVE = ("faust", "mode", "aiokafka")
_EXIT_FINE, _EXIT_DEPENDENCY = 0, 3


def run_alerter(config: AlerterConfig, parts: AlerterParts, health: Health, stop: threading.Event) -> int:
    """Run until `stop` is set; whoever sets it ends the process by force if that takes too long. Blocks.

    Raises UsageError at once for Kafka settings or a policy that cannot be used, and IndexVersionError, in order, when
    another version has taken the index over.
    """
    kafka = kafka_settings(config.kafka)
    load_policy(config.policy_file)
    _quiet_libraries()
    switch_soon()
    if kafka.ignored:
        _log.info(
            "kafka.settings_ignored", settings=kafka.ignored, why="the alerter's Kafka client has no use for them"
        )
    remove_folders_of_the_dead()
    with tempfile.TemporaryDirectory(prefix=f"{_FOLDER}{os.getpid()}-") as data_dir:
        return asyncio.run(_Run(config, parts, health, kafka, data_dir).run(stop))


def remove_folders_of_the_dead() -> None:
    """Remove the folders of alerters on this machine that were killed before they could do so."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*-*"):
        pid = folder.name.removeprefix(_FOLDER).partition("-")[0]
        if pid.isdigit() and not _lives(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _quiet_libraries() -> None:
    """Faust tells of each of its services at level info; that is for whoever looks into Faust."""
    if not logging.getLogger().isEnabledFor(logging.DEBUG):
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)


def _tell_of_thread(ended: threading.ExceptHookArgs) -> None:
    """Asked to end while a broker is away, the thread of Faust's consumer ends with whatever it was cancelled in."""
    _log.info("alerter.thread_ended", thread=ended.thread.name if ended.thread else "", reason=repr(ended.exc_value))


class _Run:
    def __init__(
        self, config: AlerterConfig, parts: AlerterParts, health: Health, kafka: KafkaSettings, data_dir: str
    ) -> None:
        self._config = config
        self._parts = parts
        self._health = health
        self._kafka = kafka
        self._data_dir = data_dir
        self._admin = AdminClient({**config.kafka, "log_level": 0})
        self._stop = asyncio.Event()
        self._refused: IndexVersionError | None = None

    async def run(self, stop: threading.Event) -> int:
        self._heed(stop)
        app = make_app(self._config, self._kafka, self._data_dir)
        engine = await self._when_ready(app)
        if engine is None:
            return _EXIT_FINE
        attach(app, engine, self._config, self._health, self._give_up)
        code = await self._serve(app, engine)
        if self._refused is not None:
            raise self._refused
        return code

    def _heed(self, stop: threading.Event) -> None:
        """Hear in the event loop of what is asked outside of it."""
        loop = asyncio.get_running_loop()

        def hear() -> None:
            stop.wait()
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended by itself
                loop.call_soon_threadsafe(self._stop.set)

        threading.Thread(target=hear, name="asked", daemon=True).start()

    def _give_up(self, error: IndexVersionError) -> None:
        self._refused = error
        if not self._stop.is_set():
            self._stop.set()
            self._arm_forced_end()

    def _arm_forced_end(self) -> None:
        """See to it that the process is gone by the deadline, whatever a thread of it waits for."""
        timer = threading.Timer(self._config.shutdown_timeout_s, self._end_by_force)
        timer.daemon = True
        timer.start()

    def _end_by_force(self) -> None:
        _log.error("alerter.ended_by_force", after_s=self._config.shutdown_timeout_s)
        shutil.rmtree(self._data_dir, ignore_errors=True)
        os._exit(_EXIT_DEPENDENCY)

    async def _when_ready(self, app: faust.App) -> Engine | None:
        """Wait for Kafka's topics and for Redis; None when asked to end before they are there."""
        while not self._stop.is_set():
            try:
                await asyncio.to_thread(self._look_at_topics)
                return await asyncio.to_thread(self._open, app)
            except DependencyError as error:
                self._health.fails(REDIS if error.dependency == "Redis" else KAFKA, error.detail)
                _log.warning("alerter.waits", dependency=error.dependency, reason=error.detail)
                await self._pause()
        return None

    def _look_at_topics(self) -> None:
        """Raise DependencyError unless Kafka answers and has the topics."""
        wanted = {self._config.changes_topic, self._config.alerts_topic, self._config.dead_letters_topic}
        try:
            there = self._admin.list_topics(timeout=_LOOK_TIMEOUT_S).topics
        except KafkaException as error:
            raise DependencyError("Kafka", str(error)) from error
        self._health.holds(KAFKA)
        missing = sorted(wanted - there.keys())
        if missing:
            raise no_topic(*missing)

    def _open(self, app: faust.App) -> Engine:
        return Engine(self._config, self._parts, sender(app, self._config.send_timeout_s), self._health)

    async def _pause(self) -> None:
        self._health.beat()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), _PAUSE_S)

    async def _serve(self, app: faust.App, engine: Engine) -> int:
        await app.start()
        _log.info("alerter.started", group=self._config.group, topic=self._config.changes_topic)
        watch = asyncio.ensure_future(self._watch_kafka())
        asked = asyncio.ensure_future(self._stop.wait())
        gone = asyncio.ensure_future(app.wait_until_stopped())
        await asyncio.wait({asked, gone}, return_when=asyncio.FIRST_COMPLETED)
        gave_up = not self._stop.is_set()
        if gave_up:
            self._arm_forced_end()
        await self._end(app, engine)
        for waiter in (asked, gone, watch):
            waiter.cancel()
        if gave_up:
            _log.error("alerter.gave_up", reason=str(app.crash_reason))
        return _EXIT_DEPENDENCY if gave_up else _EXIT_FINE

    async def _watch_kafka(self) -> None:
        """Tell whether Kafka answers: Faust waits for a broker that is gone without a word."""
        while not self._stop.is_set():
            try:
                await asyncio.to_thread(self._look_at_topics)
            except DependencyError as error:
                self._health.fails(KAFKA, error.detail)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _WATCH_S)

    async def _end(self, app: faust.App, engine: Engine) -> None:
        """Drain and stop; what is not acknowledged by the forced end is read again.

        A thread of Faust's consumer may never end by itself, and would keep the process for ever.
        """
        engine.abandon()
        threading.excepthook = _tell_of_thread
        await app.stop()
        await engine.close()
        _log.info("alerter.ended")
