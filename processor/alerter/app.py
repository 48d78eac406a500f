"""The Faust app: a thin shell that hands records and ticks to the engine.

Rules kept here, each against a known trap of Faust 0.15:
- an exception that leaves an agent would acknowledge the event: so events are acknowledged by hand, after
  the engine has seen them through, and nothing leaves the agent;
- values are raw bytes and decoded in the engine: a decoder's exception in Faust would kill the agent;
- changes that have come by now are taken together, by asking the stream for one after the other: what Faust's own
  `take` yields is acknowledged whatever came of it, and stalls for ever behind a body that raised;
- one agent of concurrency 1, no tables, no leader topic, no topics declared, no web server, no redirected
  output, a folder of its own;
- timers are guarded whole: one that raised would take the worker down;
- a message counts as sent when its second await returned, that of what `publish_message` gives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import faust
import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordTooLargeError  # type: ignore[import-untyped]  # it ships no types
from faust.exceptions import FaustError

from processor.alerter.config import AlerterConfig
from processor.alerter.engine import ASSIGNED, AbandonedError, Engine
from processor.alerter.gathering import gathered
from processor.alerter.kafka_settings import KafkaSettings
from processor.alerter.records import Incoming, Landed, Outgoing
from processor.alerter.sinks.topic import TooLargeError
from processor.alerter.transport import read_promptly
from processor.model.errors import DependencyError, IndexVersionError, LineageError
from processor.model.observation import Place
from processor.telemetry import metrics
from processor.telemetry.health import Health

_log = structlog.get_logger(__name__)

_ROOM_FOR_HEADERS = 1024 * 1024
_TOGETHER = 200
"""How many changes are judged together at most."""
_TOO_LARGE = (MessageSizeTooLargeError, RecordTooLargeError)


def make_app(config: AlerterConfig, kafka: KafkaSettings, data_dir: str) -> faust.App:
    """Make the app, without anything that it does. Call it inside the event loop that will run it."""
    app = faust.App(
        config.group,
        datadir=data_dir,
        store="memory://",
        autodiscover=False,
        origin="processor.alerter",
        key_serializer="raw",
        value_serializer="raw",
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        web_tables_enabled=False,
        worker_redirect_stdouts=False,
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        # A record waits that long for its turn, and then that long for its answer.
        producer_request_timeout=config.send_timeout_s / 2,
        producer_max_request_size=config.largest_message_bytes + _ROOM_FOR_HEADERS,
        broker_commit_interval=1.0,
        broker_max_poll_records=500,
        stream_buffer_maxsize=500,
        **kafka.options(),
    )
    read_promptly(app)
    return app


GiveUp = Callable[[IndexVersionError], None]


def sender(app: faust.App, timeout_s: float) -> Callable[[Outgoing], Awaitable[Landed]]:
    """Send records through the app's producer; see `sinks.topic.Send`."""

    async def send(record: Outgoing) -> Landed:
        topic = app.topic(record.topic, key_serializer="raw", value_serializer="raw")
        headers: Any = list(record.headers)
        # Its client sends no record that has neither: an empty key is as near to none as it comes.
        key = b"" if record.key is None and record.value is None else record.key
        try:
            async with asyncio.timeout(timeout_s):
                message = topic.as_future_message(key, record.value, headers=headers)
                message.add_done_callback(_look_at)
                # Not cancelled with the wait: Faust's callback would stumble over that.
                there = await asyncio.shield(await topic.publish_message(message))
                return Landed(there.partition, there.offset)
        except (FaustError, KafkaError, TimeoutError, OSError) as error:
            raise _refusal(record, error) from error

    return send


def _look_at(message: asyncio.Future[Any]) -> None:
    """Faust tells its own future too of a failure, and asyncio logs what nobody looked at."""
    if not message.cancelled():
        message.exception()


def _refusal(record: Outgoing, error: Exception) -> LineageError:
    """What no attempt will change is told apart; Faust wraps what the client says before it sends."""
    if isinstance(error, _TOO_LARGE) or isinstance(error.__cause__, _TOO_LARGE):
        return TooLargeError(f"{record.topic} does not take a record of {len(record.value or b'')} bytes")
    return DependencyError("Kafka", f"{record.topic}: {error!r}")


def attach(app: faust.App, engine: Engine, config: AlerterConfig, health: Health, give_up: GiveUp) -> None:
    """Hang the engine into the app: one agent, two timers, and the news of partitions.

    `give_up` hears that another version has taken the index over: no waiting mends that.
    """
    _attach_agent(app, engine, config.changes_topic, give_up)
    _attach_timers(app, engine, config, give_up)
    _attach_assignment(app, health)


def _attach_agent(app: faust.App, engine: Engine, topic: str, give_up: GiveUp) -> None:
    changes = app.topic(topic, key_serializer="raw", value_serializer="raw")

    @app.agent(changes, concurrency=1, name="changes")
    async def watch(stream: faust.StreamT[Any]) -> None:
        manual = cast("faust.Stream[Any]", stream).noack()
        async for events in gathered(aiter(manual.events()), _TOGETHER):
            if await _is_handled(engine, events, give_up):
                for event in events:
                    await manual.ack(event)
                    engine.acknowledged()
            else:
                # Neither acknowledged nor waited for: the next alerter reads them again.
                app.consumer.unacked.difference_update(event.message for event in events)


async def _is_handled(engine: Engine, events: Sequence[Any], give_up: GiveUp) -> bool:
    """See changes through; whether they are done with."""
    try:
        await engine.handle([_incoming(event) for event in events])
    except AbandonedError:
        return False
    except IndexVersionError as error:
        give_up(error)
        return False
    except Exception:  # noqa: BLE001  outermost: see the rules above
        _log.exception("changes.lost_to_sweep", places=[str(_incoming(event).place) for event in events])
    return True


def _attach_timers(app: faust.App, engine: Engine, config: AlerterConfig, give_up: GiveUp) -> None:
    async def guarded(work: Callable[[], Awaitable[None]]) -> None:
        try:
            await _guarded(work)
        except IndexVersionError as error:
            give_up(error)

    async def publish() -> None:
        await guarded(engine.publish)

    async def sweep() -> None:
        await guarded(engine.sweep)

    async def first_sweep() -> None:
        await guarded(engine.publish)
        await guarded(engine.sweep)

    app.timer(config.publish_every_s, name="publish", traced=False)(publish)
    app.timer(config.sweep_every_s, name="sweep", traced=False)(sweep)

    async def tell() -> None:
        await guarded(engine.tell_sinks)

    app.task(first_sweep)
    app.task(tell)


def _attach_assignment(app: faust.App, health: Health) -> None:
    async def assigned(*news: Any, **_: Any) -> None:  # noqa: ANN401  the app, and Faust's set of partitions
        metrics.ASSIGNED.set(len(news[-1]))
        metrics.REBALANCES.labels("assigned").inc()
        health.holds(ASSIGNED)

    async def revoked(*_news: Any, **_: Any) -> None:  # noqa: ANN401  as above
        metrics.REBALANCES.labels("revoked").inc()
        health.fails(ASSIGNED, "partitions were revoked")

    app.on_partitions_assigned.connect(assigned, weak=False)
    app.on_partitions_revoked.connect(revoked, weak=False)


async def _guarded(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except IndexVersionError:
        raise
    except Exception:  # noqa: BLE001  outermost: see the rules above
        _log.exception("timer.failed")


def _incoming(event: Any) -> Incoming:  # noqa: ANN401  Faust's event is untyped as far as messages go
    message = event.message
    headers = tuple((name, value) for name, value in _pairs(message.headers))
    place = Place(message.topic, message.partition, message.offset)
    return Incoming(place, message.key, message.value, headers, _timestamp_us(message.timestamp))


def _timestamp_us(timestamp_s: float | None) -> int | None:
    """In microseconds; Faust has it in seconds, and something below 0 or nothing where the record has none."""
    return None if timestamp_s is None or timestamp_s < 0 else round(timestamp_s * 1000) * 1000


def _pairs(headers: Any) -> list[tuple[str, bytes]]:  # noqa: ANN401  list or mapping, as Faust pleases
    return list(headers.items() if hasattr(headers, "items") else headers or ())
