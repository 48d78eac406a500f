"""Every setting, once. This is the only place that reads the environment.

Rules kept here:
- a value comes from the command line, else from `LINEAGE_*`, else from `lineage.toml`, else it has a default;
- an unknown or contradictory setting is an error with one line that says which and what to do, never ignored;
- secrets are never shown: `repr` and `shown` mask them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from processor.decode.sniff import Format
from processor.index.expiry import EPOCH_DAYS
from processor.index.progress import Clock
from processor.masking import masked_url
from processor.model.alert import Severity
from processor.model.errors import UsageError
from processor.settings_checks import (
    check_http_url,
    check_origins,
    check_redis_url,
    check_tokens,
    check_topic,
    listed,
    read_input,
)
from processor.settings_sources import PREFIX, EnvironmentSource, FileSource, refuse_unknown_variables, usage_error

__all__ = [
    "Api",
    "Groups",
    "Http",
    "InputTopic",
    "Keep",
    "LogFormat",
    "RejectLimit",
    "Settings",
    "Sinks",
    "Topics",
    "load",
]

LogFormat = Literal["auto", "json", "console"]

OWN_KAFKA_KEYS: Final = {
    "enable.auto.commit": "offsets are committed only after Redis has answered",
    "enable.auto.offset.store": "offsets are committed only after Redis has answered",
    "enable.partition.eof": "it tells when a partition is caught up",
    "enable.idempotence": "the producer is idempotent",
    "acks": "a change counts as published when every replica has it",
    "isolation.level": "only committed records are read",
    "group.id": "set LINEAGE_GROUPS__INDEXER or LINEAGE_GROUPS__ALERTER instead",
    "group.protocol": "set LINEAGE_GROUP_PROTOCOL instead",
    "group.instance.id": "set LINEAGE_GROUP_INSTANCE_ID instead",
}
CLASSIC_ONLY_KAFKA_KEYS: Final = ("session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy")

TopicName = Annotated[str, AfterValidator(check_topic)]
"""A name that Kafka can have."""


SinkUrl = Annotated[str, AfterValidator(check_http_url)]
"""Where something listens over HTTP."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputTopic(_Part):
    """A topic to read lineage from, and the format of its records; `auto` looks at each record."""

    topic: TopicName
    format: Format = Format.AUTO


class Topics(_Part):
    """Names of the processor's own topics."""

    events: TopicName = Field("lineage.events", description="where producers send lineage events")
    changes: TopicName = Field("lineage.changes", description="what became different in the index")
    alerts: TopicName = Field("lineage.alerts", description="alerts, keyed by their id")
    dead_letters: TopicName = Field("lineage.dead-letters", description="records that could not be used")
    partitions: int = Field(6, ge=1, le=10_000, description="partitions of topics that it creates")
    replication: int = Field(-1, ge=-1, le=15, description="replicas of topics that it creates; -1: as the broker")
    max_message_bytes: int = Field(
        32 * 1024 * 1024, ge=1024, le=900_000_000, description="largest record of topics that it creates"
    )


class Groups(_Part):
    """Names of the consumer groups."""

    indexer: str = Field("lineage-indexer", min_length=1, description="consumer group of the indexers")
    alerter: str = Field("lineage-alerter", min_length=1, description="consumer group (and app name) of the alerter")


class RejectLimit(_Part):
    """When so many records are rejected that the worker stops taking in: a bad deploy rather than bad data."""

    share: float = Field(0.5, gt=0, le=1, description="rejected records to all of them, of 1; 1 turns it off")
    records: int = Field(1000, ge=1, description="over the last so many records, in whole batches")
    rejected: int = Field(200, ge=1, description="fewer rejected ones among them stop nothing")
    window_s: float = Field(3600.0, gt=0, description="and none that were read longer ago")


class Http(_Part):
    """Where each process serves /metrics, /livez and /readyz; port 0 takes any free one and logs it."""

    host: str = Field("127.0.0.1", min_length=1, description="address to listen on; 0.0.0.0 in a container")
    api_port: int = Field(9639, ge=0, le=65_535, description="API; it answers questions on api.port")
    indexer_port: int = Field(9641, ge=0, le=65_535, description="first indexer; each further one takes the next port")
    alerter_port: int = Field(9640, ge=0, le=65_535, description="alerter")


class Api(_Part):
    """The HTTP API. Tokens are for those who may read, and for those who may send events; comma-separated."""

    host: str = Field("127.0.0.1", min_length=1, description="address to listen on; 0.0.0.0 in a container")
    port: int = Field(9600, ge=0, le=65_535, description="port; 0 takes any free one and logs it")
    read_tokens: SecretStr = Field(SecretStr(""), description="bearer tokens that may read; none at all: anybody may")
    write_tokens: SecretStr = Field(SecretStr(""), description="bearer tokens that may send events")
    read_only: bool = Field(default=False, description="take no events")
    cors_origins: str = Field("", description="origins whose pages may ask, comma-separated; none by default")
    max_body_bytes: int = Field(32 * 1024 * 1024, ge=1024, description="largest body, as sent and unpacked")
    max_events: int = Field(1000, ge=1, le=100_000, description="most events in one request")
    timeout_s: float = Field(10.0, gt=0, le=300, description="what a question may take")
    send_timeout_s: float = Field(15.0, gt=0, le=300, description="what Kafka's confirmation of events may take")
    streams: int = Field(32, ge=0, le=1000, description="clients that may listen to changes and alerts at a time")
    threads: int = Field(4, ge=1, le=256, description="questions that are answered at a time")

    @field_validator("read_tokens", "write_tokens")
    @classmethod
    def _check_tokens(cls, value: SecretStr) -> SecretStr:
        check_tokens(listed(value.get_secret_value()))
        return value

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: str) -> str:
        check_origins(listed(value))
        return value


class Keep(_Part):
    """How long the index keeps what expires, by the time that the events themselves tell."""

    runs_days: int = Field(30, ge=2 * EPOCH_DAYS, le=3650, description="the detail of a run after its last event")
    open_runs_days: int = Field(90, ge=2 * EPOCH_DAYS, le=3650, description="the same of a run that has not ended")
    versions: int = Field(256, ge=2, le=100_000, description="schema versions by observer, mappings by job and output")
    late_days: float = Field(
        7, gt=0, le=EPOCH_DAYS, description="a run's event that comes later is counted as late; at most 10"
    )

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.open_runs_days < self.runs_days:
            raise ValueError("keep.open_runs_days must be no less than keep.runs_days; raise it")
        return self


class Sinks(_Part):
    """Whom to tell of alerts beside the topic. An address may hold a secret, and Slack's is one."""

    alertmanager_urls: Annotated[tuple[SinkUrl, ...], NoDecode] = Field(
        (), description="base URL of every Alertmanager of a set, comma-separated"
    )
    webhook_url: SecretStr | None = Field(None, description="is sent each transition of an alert as JSON")
    webhook_secret: SecretStr | None = Field(None, description="signs what the webhook is sent")
    slack_url: SecretStr | None = Field(None, description="incoming webhook of Slack, or of what speaks its JSON")
    slack_severity: Severity = Field(Severity.WARNING, description="the least severity that Slack hears of")
    resend_s: float = Field(60.0, ge=1, le=3600, description="how often Alertmanager is told all that fires")

    @field_validator("alertmanager_urls", mode="before")
    @classmethod
    def _parse_urls(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("webhook_url", "slack_url")
    @classmethod
    def _check_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_http_url(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _check_secret(self) -> Self:
        if self.webhook_secret is not None and self.webhook_url is None:
            raise ValueError("sinks.webhook_secret signs nothing without sinks.webhook_url; set both")
        return self


class Settings(BaseSettings):
    """All settings. Immutable; make one with `load`, which turns what is wrong into a `UsageError`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        # What compose makes of ${X:-}.
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        validate_default=True,
    )

    redis_url: str | None = Field(None, description="Redis or Valkey; TLS options as query (`?ssl_ca_certs=…`)")
    redis_username: str | None = Field(None, description="user, when it is not in the URL")
    redis_password: SecretStr | None = Field(None, description="password, when it is not in the URL")
    redis_prefix: str = Field("lineage", pattern=r"^[A-Za-z0-9_.-]+$", description="first part of every key")
    redis_buckets: int = Field(64, ge=1, le=4096, description="hash tags of a new index; fixed once it exists")
    redis_timeout_s: float = Field(5.0, gt=0, le=120, description="longest wait for one answer of Redis")

    kafka: dict[str, str] = Field(default_factory=dict, description="passed through to librdkafka; `_` stands for `.`")
    topics: Topics = Topics()
    inputs: Annotated[tuple[InputTopic, ...], NoDecode] = Field(
        (), description="topics to read, `name` or `name=format`, comma-separated; default: topics.events"
    )
    groups: Groups = Groups()
    group_protocol: Literal["classic", "consumer"] = Field("classic", description="`consumer` is KIP-848, broker ≥ 4.0")
    group_instance_id: str | None = Field(None, min_length=1, description="static membership, one name a process")
    create_topics: bool = Field(default=False, description="create missing topics at the start")

    batch_size: int = Field(
        8000,
        ge=1,
        le=100_000,
        description="most records in one batch; fewer where they take longer than about a second",
    )
    batch_wait_s: float = Field(0.1, gt=0, le=10, description="longest wait for a record; a fifth of it for more")
    batch_bytes: int = Field(
        32 * 1024 * 1024, ge=1024, description="about the most bytes of records in one batch, at least one record"
    )
    queued_bytes: int = Field(48 * 1024 * 1024, ge=1024 * 1024, description="records fetched ahead, per process")
    max_value_bytes: int = Field(32 * 1024 * 1024, ge=1024, description="a larger record is a dead letter")
    reject_limit: RejectLimit = RejectLimit()
    shutdown_timeout_s: float = Field(20.0, gt=0, le=600, description="from SIGTERM to the end of the process")
    livez_timeout_s: float = Field(60.0, ge=5, le=3600, description="without progress for so long, /livez says 503")

    clock: Clock = Field(Clock.AUTO, description="`stream`: judge what is missing always by event time")
    policy: Path | None = Field(None, description="policy file (YAML): thresholds, declared sources, mutes")
    reconcile_interval_s: float = Field(30.0, gt=0, le=86_400, description="how often alerts are derived anew")

    runbooks_url: str = Field("docs/runbooks", min_length=1, description="base URL (or folder) of the runbooks")
    sinks: Sinks = Sinks()

    home: Path = Field(Path(".lineage"), description="folder of the embedded services and of caches")
    keep: Keep = Keep()
    http: Http = Http()
    api: Api = Api()
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")
    log_format: LogFormat = Field("auto", description="auto: console at a terminal, else JSON")
    registry_url: str | None = Field(None, description="schema registry (Confluent's API) for Avro with a schema id")
    facet_schemas: Path | None = Field(None, description="folder of .avsc files for facets of your own")

    supervised: bool = Field(default=False, description="set by the supervisor: end when standard input closes")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, environment, file: the first that names a setting wins."""
        return init_settings, EnvironmentSource(settings_cls), FileSource(settings_cls)

    @field_validator("inputs", mode="before")
    @classmethod
    def _parse_inputs(cls, value: object) -> object:
        return [read_input(part) for part in value.split(",")] if isinstance(value, str) else value

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: str | None) -> str | None:
        return None if value is None else check_redis_url(value)

    @field_validator("registry_url")
    @classmethod
    def _check_registry_url(cls, value: str | None) -> str | None:
        return None if value is None else check_http_url(value)

    @field_validator("kafka")
    @classmethod
    def _check_kafka(cls, value: dict[str, str]) -> dict[str, str]:
        refused = [
            f"{key} cannot be set: {OWN_KAFKA_KEYS[key]}" for key in sorted(OWN_KAFKA_KEYS.keys() & value.keys())
        ]
        if refused:
            raise ValueError(f"{'; '.join(refused)}; remove {'it' if len(refused) == 1 else 'them'}")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        self._check_topics()
        if self.groups.indexer == self.groups.alerter:
            raise ValueError("groups.indexer and groups.alerter must be two groups (LINEAGE_GROUPS__…); rename one")
        if self.group_protocol == "consumer":
            for key in CLASSIC_ONLY_KAFKA_KEYS:
                if key in self.kafka:
                    raise ValueError(f"kafka {key} and group_protocol=consumer exclude each other; remove one")
        return self

    def _check_topics(self) -> None:
        own = (self.topics.changes, self.topics.alerts, self.topics.dead_letters)
        if len(set(own)) < len(own):
            raise ValueError("topics changes, alerts and dead_letters must have three different names")
        read = [each.topic for each in self.input_topics]
        if len(set(read)) < len(read):
            raise ValueError("inputs names a topic twice; name each once")
        for name in set(own) & set(read):
            raise ValueError(f"{name} is read as an input and written by the processor itself; rename one")

    @property
    def input_topics(self) -> tuple[InputTopic, ...]:
        """The topics that the indexer reads."""
        return self.inputs or (InputTopic(topic=self.topics.events),)

    def require_kafka(self) -> dict[str, str]:
        """Give the settings of librdkafka for any client; raises `UsageError` without an address."""
        if not self.kafka.get("bootstrap.servers"):
            raise UsageError(
                "no Kafka address: set LINEAGE_KAFKA__BOOTSTRAP_SERVERS=host:port, or bootstrap.servers"
                " under [kafka] in lineage.toml"
            )
        return dict(self.kafka)

    def require_redis(self) -> str:
        """Give the URL of Redis; raises `UsageError` without one. The password may stand in it: never log it."""
        if not self.redis_url:
            raise UsageError(
                "no Redis address: set LINEAGE_REDIS_URL=redis://host:port/0, or redis_url in lineage.toml"
            )
        return self.redis_url

    def changed(self, **values: object) -> Self:
        """Give the same settings but for these, which are taken as they are."""
        return self.model_copy(update=values)

    def to_environment(self) -> dict[str, str]:
        """Give everything that was set as variables, secrets too, for a process that is to have the same settings."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        kafka = {f"kafka__{key.replace('.', '_')}": value for key, value in given.pop("kafka", {}).items()}
        inputs = given.pop("inputs", ())
        if inputs:
            given["inputs"] = ",".join(f"{each.topic}={each.format}" for each in inputs)
        return {f"{PREFIX}{name}".upper(): value for name, value in {**_flat(given), **kafka}.items()}

    def shown(self) -> dict[str, Any]:
        """Every setting with its secrets masked, for people."""
        values = self.model_dump(mode="json")
        values["redis_url"] = masked_url(self.redis_url) if self.redis_url else None
        values["registry_url"] = masked_url(self.registry_url) if self.registry_url else None
        values["sinks"]["alertmanager_urls"] = [masked_url(url) for url in self.sinks.alertmanager_urls]
        values["kafka"] = {key: _shown_kafka(key, value) for key, value in self.kafka.items()}
        return values

    def __repr__(self) -> str:
        return f"Settings({self.shown()})"

    __str__ = __repr__


def load(**overrides: object) -> Settings:
    """Read all settings; `overrides` come from the command line and win.

    Raises `UsageError` with one line on the first thing that is wrong.
    """
    refuse_unknown_variables(os.environ, Settings)
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks them
    except ValueError as error:
        raise usage_error(error, Settings) from error


def _flat(values: dict[str, Any]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, BaseModel):
            flat |= _flat({f"{name}__{inner}": getattr(value, inner) for inner in value.model_fields_set})
        elif value is not None:
            flat[name] = _text(value)
    return flat


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _shown_kafka(key: str, value: str) -> str:
    if key.startswith("sasl.mechanism") or key == "ssl.ca.location":
        return value
    return "***" if key.startswith(("sasl.", "ssl.")) else value
