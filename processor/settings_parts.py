"""Settings that belong together, each group a part of `settings.Settings`."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from processor.decode.sniff import Format
from processor.index.expiry import EPOCH_DAYS
from processor.model.alert import Severity
from processor.settings_checks import check_http_url, check_origins, check_tokens, check_topic, listed

__all__ = ["Api", "Groups", "Http", "InputTopic", "Keep", "RejectLimit", "Sinks", "Topics"]

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
