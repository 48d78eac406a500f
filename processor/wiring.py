"""The only place that constructs clients: settings in, working parts out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from processor.alerter.config import AlerterConfig, AlerterParts
from processor.alerter.policy_file import PolicyFile
from processor.alerter.reconcile import runbooks
from processor.alerter.redis_state import RedisAlerts
from processor.alerter.sinks.config import SinksConfig
from processor.alerter.topic_log import TopicLog
from processor.decode.limits import Limits
from processor.decode.observe import LatestUs, Observe, build_observer
from processor.decode.schemas import SchemaSource, read_schemas
from processor.decode.sniff import Format
from processor.index.connect import Client, connect
from processor.index.expiry import DAY_US, EPOCH_DAYS, Keep
from processor.index.generations import Generation, Generations
from processor.index.redis import RedisStore
from processor.index.view import View
from processor.indexer.ends import Ends
from processor.indexer.identity import Identities
from processor.indexer.loop import CONDITIONS, Indexer, Parts, Policy
from processor.indexer.patience import Patience, Stop
from processor.indexer.points import Reached, pass_by
from processor.indexer.publisher import Publisher
from processor.indexer.rejects import RejectLimit
from processor.indexer.retention import Retention
from processor.indexer.source import Source
from processor.indexer.timing import wall_us
from processor.kafka_config import (
    admin_config,
    alerts_log_config,
    api_producer_config,
    api_reader_config,
    consumer_config,
    producer_config,
)
from processor.model.errors import UsageError
from processor.resources import schemas_dir
from processor.settings import Settings
from processor.settings_checks import listed
from processor.telemetry.health import Health
from processor.telemetry.store import MeteredStore

if TYPE_CHECKING:
    from processor.api.config import ApiConfig
    from processor.api.parts import Api
    from processor.api.sender import Sender
    from processor.api.tail import KafkaTail

__all__ = [
    "alerter_config",
    "alerter_health",
    "alerter_parts",
    "api",
    "api_health",
    "api_sender",
    "generation_opener",
    "generations",
    "indexer",
    "indexer_health",
    "kafka_admin",
    "observers",
    "open_alerts",
    "open_alerts_log",
    "open_publisher",
    "open_store",
    "open_tail",
    "redis_client",
    "sinks_config",
]

_KAFKA_LOG = logging.getLogger("librdkafka")


def open_store(settings: Settings) -> RedisStore:
    """Open the index in Redis.

    Raises `UsageError` without an address or with options that the client does not know, `DependencyError` when
    Redis does not answer.
    """
    return RedisStore(redis_client(settings), settings.redis_prefix, settings.redis_buckets, keep=_keep(settings))


def generations(settings: Settings) -> Generations:
    """Open the generations of the index. Raises as `open_store` does."""
    return Generations(redis_client(settings), settings.redis_prefix)


def generation_opener(settings: Settings) -> Callable[[Generation], RedisStore]:
    """Make what opens one generation of the index for good. Raises as `open_store` does."""
    return lambda one: RedisStore(redis_client(settings), settings.redis_prefix, generation=one, keep=_keep(settings))


def redis_client(settings: Settings) -> Client:
    """Make a client of Redis or of a cluster. Raises as `open_store` does."""
    url = _with_credentials(settings)
    try:
        return connect(url, timeout_s=settings.redis_timeout_s)
    except (ValueError, TypeError) as error:
        raise UsageError(f"LINEAGE_REDIS_URL cannot be used: {error}") from error


def kafka_admin(settings: Settings, on_error: Callable[[object], None] | None = None) -> AdminClient:
    """Make a client that asks and creates; raises `UsageError` for a setting that librdkafka does not know."""
    try:
        callbacks: dict[str, Any] = {"error_cb": on_error} if on_error else {}
        return AdminClient({**admin_config(settings), **callbacks}, logger=_KAFKA_LOG)
    except (KafkaException, ValueError) as error:
        raise _bad_setting(error) from error


def observers(settings: Settings) -> dict[str, Observe]:
    """Make the decoder of each input topic; raises `UsageError` for a bad schema of the user's own."""
    schemas = read_schemas(schemas_dir(), settings.facet_schemas)
    registry = _registry(settings)
    limits = Limits(value_bytes=settings.max_value_bytes)
    latest = latest_us(settings)
    return {
        each.topic: build_observer(each.format, schemas, registry, limits, latest) for each in settings.input_topics
    }


def latest_us(settings: Settings) -> LatestUs:
    """Up to which time events are taken: so far ahead of the clock as is allowed."""
    ahead_us = int(settings.max_ahead_s * 1_000_000)
    return lambda: wall_us() + ahead_us


def indexer(settings: Settings, store: RedisStore, health: Health, stop: Stop, reached: Reached = pass_by) -> Indexer:
    """Put an indexer together; `reached` is told of each point between two of its steps."""
    topics = [each.topic for each in settings.input_topics]
    config = consumer_config(settings)
    admin = kafka_admin(settings)
    parts = Parts(
        source=Source(lambda callbacks: _consumer({**config, **callbacks}), topics, reached),
        identities=Identities(admin, topics),
        retention=Retention(admin, topics),
        ends=Ends(admin),
        observers=observers(settings),
        store=MeteredStore(store),
        publisher=open_publisher(settings, reached),
        health=health,
        stop=stop,
        reached=reached,
    )
    policy = Policy(
        changes_topic=settings.topics.changes,
        dead_letters_topic=settings.topics.dead_letters,
        batch_size=settings.batch_size,
        batch_bytes=settings.batch_bytes,
        batch_wait_s=settings.batch_wait_s,
        close_timeout_s=settings.shutdown_timeout_s / 2,
        reject_limit=RejectLimit(**settings.reject_limit.model_dump()),
    )
    return Indexer(policy, parts, Patience(health))


def indexer_health(settings: Settings) -> Health:
    """Health of an indexer."""
    return Health(CONDITIONS, livez_timeout_s=settings.livez_timeout_s)


def alerter_health(settings: Settings) -> Health:
    """Health of an alerter."""
    from processor.alerter.engine import CONDITIONS as OF_ALERTER  # noqa: PLC0415  the indexer has no need of it

    return Health(OF_ALERTER, livez_timeout_s=settings.livez_timeout_s)


def alerter_config(settings: Settings) -> AlerterConfig:
    """Tell the alerter what it needs to know."""
    return AlerterConfig(
        kafka=settings.require_kafka(),
        group=settings.groups.alerter,
        changes_topic=settings.topics.changes,
        alerts_topic=settings.topics.alerts,
        dead_letters_topic=settings.topics.dead_letters,
        clock=settings.clock,
        policy_file=settings.policy,
        sweep_every_s=settings.reconcile_interval_s,
        shutdown_timeout_s=settings.shutdown_timeout_s,
        largest_message_bytes=max(settings.topics.max_message_bytes, settings.max_value_bytes),
        sinks=sinks_config(settings),
    )


def sinks_config(settings: Settings) -> SinksConfig:
    """Tell whom to tell of alerts beside the topic."""
    given = settings.sinks
    return SinksConfig(
        alertmanager_urls=given.alertmanager_urls,
        webhook_url=_open(given.webhook_url),
        webhook_secret=_open(given.webhook_secret),
        slack_url=_open(given.slack_url),
        slack_severity=given.slack_severity,
        resend_s=given.resend_s,
    )


def _open(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def alerter_parts(settings: Settings) -> AlerterParts:
    """Give the alerter its makers: each thread that reads the index opens its own connection."""
    return AlerterParts(
        open_view=lambda: View(MeteredStore(open_store(settings))),
        open_alerts=lambda: open_alerts(settings, open_store(settings)),
        open_log=lambda: open_alerts_log(settings),
        runbook=runbooks(settings.runbooks_url),
    )


def api_health(settings: Settings) -> Health:
    """Health of the API."""
    from processor.api.server import CONDITIONS as OF_API  # noqa: PLC0415  loads a web framework

    return Health(OF_API, livez_timeout_s=settings.livez_timeout_s)


def api_config(settings: Settings) -> ApiConfig:
    """Tell the API what it needs to know."""
    from processor.api.config import ApiConfig  # noqa: PLC0415  as above

    given = settings.api
    return ApiConfig(
        topic=_topic_for_json(settings),
        changes_topic=settings.topics.changes,
        alerts_topic=settings.topics.alerts,
        read_tokens=listed(given.read_tokens.get_secret_value()),
        write_tokens=listed(given.write_tokens.get_secret_value()),
        read_only=given.read_only,
        cors_origins=listed(given.cors_origins),
        max_body_bytes=given.max_body_bytes,
        max_held_bytes=4 * given.max_body_bytes,
        max_events=given.max_events,
        timeout_s=given.timeout_s,
        send_timeout_s=given.send_timeout_s,
        threads=given.threads,
        clock=settings.clock,
        streams=given.streams,
    )


def api_sender(settings: Settings, on_broken: Callable[[], None]) -> Sender:
    """Make what sends events that came over HTTP; raises as `open_publisher` does."""
    from processor.api.sender import Sender  # noqa: PLC0415  as above

    config = api_producer_config(settings)
    return Sender(_producer(config), _topic_for_json(settings), settings.api.send_timeout_s, on_broken)


def api(settings: Settings, sender: Sender) -> Api:
    """Put the API together: each thread that reads the index opens its own connection."""
    from processor.api.lanes import LANES  # noqa: PLC0415  as above
    from processor.api.parts import Api, ApiParts  # noqa: PLC0415  as above

    def open_index() -> tuple[RedisStore, RedisAlerts]:
        store = open_store(settings)
        return store, open_alerts(settings, store)

    def open_observe() -> Observe:
        schemas = read_schemas(schemas_dir(), settings.facet_schemas)
        limits = Limits(value_bytes=settings.max_value_bytes, memo_bytes=Limits().memo_bytes // LANES)
        return build_observer(Format.OPENLINEAGE, schemas, None, limits, latest_us(settings))

    def open_one(topic: str) -> AbstractContextManager[KafkaTail]:
        return open_tail(settings, topic)

    policy = PolicyFile(settings.policy).current
    return Api(api_config(settings), ApiParts(open_index, open_observe, open_one, sender, policy))


def open_tail(settings: Settings, topic: str) -> AbstractContextManager[KafkaTail]:
    """Open a topic to read it from where one likes, as no member of any group."""
    from processor.api.tail import tail  # noqa: PLC0415  as above

    return tail(lambda on_error: _consumer({**api_reader_config(settings), "error_cb": on_error}), topic)


def _topic_for_json(settings: Settings) -> str:
    """The first input topic whose records may be JSON."""
    for each in settings.input_topics:
        if each.format in (Format.AUTO, Format.OPENLINEAGE):
            return each.topic
    raise UsageError("no input topic takes JSON, so the API has nowhere to send events: add one to LINEAGE_INPUTS")


def open_alerts(settings: Settings, store: RedisStore) -> RedisAlerts:
    """Open the alerts beside an index."""
    return RedisAlerts(store.client, settings.redis_prefix, sinks_config(settings).queued)


def open_alerts_log(settings: Settings) -> TopicLog:
    """Open the alerts topic to read it, as no member of any group."""
    config = alerts_log_config(settings)
    return TopicLog(_consumer(config), kafka_admin(settings), settings.topics.alerts)


def open_publisher(settings: Settings, reached: Reached = pass_by) -> Publisher:
    """Make a publisher; raises `UsageError` for a setting that librdkafka does not know."""
    return Publisher(_producer(producer_config(settings)), reached)


def _keep(settings: Settings) -> Keep:
    """Days in whole epochs, rounded up."""
    given = settings.keep
    runs, open_runs = (-(-days // EPOCH_DAYS) for days in (given.runs_days, given.open_runs_days))
    return Keep(runs, open_runs, given.versions, int(given.late_days * DAY_US))


def _consumer(config: Mapping[str, Any]) -> Consumer:
    try:
        return Consumer(dict(config), logger=_KAFKA_LOG)
    except (KafkaException, ValueError) as error:
        raise _bad_setting(error) from error


def _producer(config: Mapping[str, Any]) -> Producer:
    try:
        return Producer(dict(config), logger=_KAFKA_LOG)
    except (KafkaException, ValueError) as error:
        raise _bad_setting(error) from error


def _registry(settings: Settings) -> SchemaSource | None:
    if settings.registry_url is None:
        return None
    from processor.indexer.registry import ConfluentRegistry  # noqa: PLC0415  its HTTP client loads slowly

    return ConfluentRegistry(settings.registry_url)


def _with_credentials(settings: Settings) -> str:
    """Give the URL with the user and password that are set apart from it."""
    url = settings.require_redis()
    if settings.redis_password is None and settings.redis_username is None:
        return url
    parts = urlsplit(url)
    user = quote(settings.redis_username or parts.username or "", safe="")
    password = quote(settings.redis_password.get_secret_value() if settings.redis_password else "", safe="")
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{host}"))


def _bad_setting(error: Exception) -> UsageError:
    detail = error.args[0].str() if isinstance(error, KafkaException) else str(error)
    return UsageError(f"a setting under LINEAGE_KAFKA__ cannot be used: {detail}")
