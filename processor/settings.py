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

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from processor.index.progress import Clock
from processor.masking import masked_url
from processor.model.errors import UsageError
from processor.settings_checks import check_http_url, check_redis_url, read_input
from processor.settings_parts import Api, Groups, Http, InputTopic, Keep, RejectLimit, Sinks, Topics
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
    max_ahead_s: float = Field(
        86_400, gt=0, le=10**10, description="an event dated further ahead of the clock is a dead letter"
    )
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
