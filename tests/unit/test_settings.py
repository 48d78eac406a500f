"""Where settings come from, what wins, and what is said of a wrong one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from processor.decode.sniff import Format
from processor.index.progress import Clock
from processor.model.alert import Severity
from processor.model.errors import UsageError
from processor.settings import InputTopic, Settings, load
from processor.settings_sources import environment_for_child


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment and a folder without settings."""
    for name in list(os.environ):
        if name.upper().startswith("LINEAGE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def given(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(f"LINEAGE_{name}", value)
    return load()


def wrong(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    with pytest.raises(UsageError) as caught:
        given(monkeypatch, **variables)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_everything_has_a_default_but_the_addresses() -> None:
    settings = load()
    assert settings.input_topics == (InputTopic(topic="lineage.events", format=Format.AUTO),)
    with pytest.raises(UsageError, match="LINEAGE_REDIS_URL"):
        settings.require_redis()
    with pytest.raises(UsageError, match="LINEAGE_KAFKA__BOOTSTRAP_SERVERS"):
        settings.require_kafka()


def test_the_environment_sets_nested_values(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = given(
        monkeypatch,
        REDIS_URL="redis+sentinel://one,two/main",
        TOPICS__CHANGES="changes",
        GROUPS__INDEXER="readers",
        HTTP__INDEXER_PORT="0",
        CLOCK="stream",
        BATCH_WAIT_S="0.5",
    )
    assert settings.redis_url == "redis+sentinel://one,two/main"
    assert (settings.topics.changes, settings.topics.alerts) == ("changes", "lineage.alerts")
    assert (settings.groups.indexer, settings.http.indexer_port) == ("readers", 0)
    assert (settings.clock, settings.batch_wait_s) == (Clock.STREAM, 0.5)


def test_kafka_settings_pass_through_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = given(
        monkeypatch,
        KAFKA__BOOTSTRAP_SERVERS="a:1,b:2",
        KAFKA__BROKER_VERSION_FALLBACK="1.10",
        KAFKA__SSL_CA_LOCATION="/etc/ca.pem",
        KAFKA__SOCKET_KEEPALIVE_ENABLE="true",
    )
    assert settings.require_kafka() == {
        "bootstrap.servers": "a:1,b:2",
        "broker.version.fallback": "1.10",
        "ssl.ca.location": "/etc/ca.pem",
        "socket.keepalive.enable": "true",
    }


FILE = """
redis_url = "redis://file:1"
batch_size = 10
inputs = [{topic = "orders", format = "openlineage"}, {topic = "rest"}]
[topics]
alerts = "alerts"
[kafka]
bootstrap.servers = "file:9092"
"fetch.min.bytes" = 65536
security_protocol = "PLAINTEXT"
enable.ssl.certificate.verification = true
"""


def test_the_file_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lineage.toml").write_text(FILE, encoding="utf-8")
    settings = given(monkeypatch, BATCH_SIZE="20", KAFKA__BOOTSTRAP_SERVERS="env:9092", TOPICS__CHANGES="changes")
    assert (settings.redis_url, settings.batch_size) == ("redis://file:1", 20)
    assert (settings.topics.alerts, settings.topics.changes) == ("alerts", "changes")
    assert [(each.topic, each.format.value) for each in settings.input_topics] == [
        ("orders", "openlineage"),
        ("rest", "auto"),
    ]
    assert settings.kafka == {
        "bootstrap.servers": "env:9092",
        "fetch.min.bytes": "65536",
        "security.protocol": "PLAINTEXT",
        "enable.ssl.certificate.verification": "true",
    }


def test_a_file_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    elsewhere = tmp_path / "other.toml"
    elsewhere.write_text("batch_size = 7", encoding="utf-8")
    assert given(monkeypatch, CONFIG=str(elsewhere)).batch_size == 7


def test_the_command_line_wins_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAGE_BATCH_SIZE", "20")
    assert load(batch_size=30).batch_size == 30


def test_inputs_may_be_written_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = given(monkeypatch, INPUTS="a=openlineage, b")
    assert [(each.topic, each.format.value) for each in settings.input_topics] == [("a", "openlineage"), ("b", "auto")]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"REDISURL": "x"}, "unknown setting LINEAGE_REDISURL, did you mean LINEAGE_REDIS_URL?"),
        ({"TOPICS__EVENT": "x"}, "did you mean LINEAGE_TOPICS__EVENTS?"),
        ({"BATCH_SIZE": "many"}, "batch_size (LINEAGE_BATCH_SIZE)"),
        ({"BATCH_SIZE": "0"}, "LINEAGE_BATCH_SIZE"),
        ({"REDIS_URL": "http://x"}, "LINEAGE_REDIS_URL"),
        ({"CLOCK": "sundial"}, "LINEAGE_CLOCK"),
        ({"INPUTS": "a=csv"}, "'openlineage'"),
        ({"INPUTS": "a=csv"}, "LINEAGE_INPUTS"),
        ({"INPUTS": "xml="}, "'openlineage'"),
        ({"INPUTS": "a b"}, "LINEAGE_INPUTS"),
        ({"INPUTS": "a,a"}, "twice"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "k:1"}, "did you mean LINEAGE_KAFKA__BOOTSTRAP_SERVERS?"),
        ({"GROUPS__INDEXER": "one", "GROUPS__ALERTER": "one"}, "two groups"),
        ({"REDIS_URL": "redis://host:1/abc"}, "LINEAGE_REDIS_URL"),
        ({"REDIS_URL": "redis+cluster://a:1,b:2/x"}, "LINEAGE_REDIS_URL"),
        ({"REGISTRY_URL": "ftp://x"}, "LINEAGE_REGISTRY_URL"),
        ({"REGISTRY_URL": "http://"}, "LINEAGE_REGISTRY_URL"),
        ({"REGISTRY_URL": "http://[x"}, "LINEAGE_REGISTRY_URL"),
        ({"TOPICS__EVENTS": "an event"}, "LINEAGE_TOPICS__EVENTS"),
        ({"TOPICS__ALERTS": ".."}, "LINEAGE_TOPICS__ALERTS"),
        ({"TOPICS__CHANGES": "c" * 250}, "LINEAGE_TOPICS__CHANGES"),
        ({"INPUTS": "lineage.changes"}, "lineage.changes"),
        ({"TOPICS__ALERTS": "same", "TOPICS__CHANGES": "same"}, "different names"),
        ({"KAFKA__ENABLE_AUTO_COMMIT": "true"}, "enable.auto.commit cannot be set"),
        ({"KAFKA__GROUP_ID": "x"}, "LINEAGE_GROUPS__INDEXER"),
        ({"GROUP_PROTOCOL": "consumer", "KAFKA__SESSION_TIMEOUT_MS": "6000"}, "session.timeout.ms"),
        ({"CONFIG": "/nowhere/lineage.toml"}, "/nowhere/lineage.toml"),
        ({"TOPICS": "{"}, "topics"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str) -> None:
    assert said in wrong(monkeypatch, **variables)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("batch_sise = 1", "did you mean batch_size?"),
        ("[topics]\nevent = 'x'", "did you mean topics.events?"),
        ("batch_size = ", "lineage.toml cannot be read"),
        ("kafka = 1", "kafka"),
        ("[kafka]\ngroup.id = 'x'", "group.id cannot be set"),
    ],
)
def test_a_wrong_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "lineage.toml").write_text(text, encoding="utf-8")
    assert said in wrong(monkeypatch)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_PORT", "tcp://10.0.0.1:80"),
        ("API_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("API_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("API_SERVICE_HOST", "10.0.0.1"),
        ("API_SERVICE_PORT", "80"),
        ("API_SERVICE_PORT_HTTP", "80"),
    ],
)
def test_what_kubernetes_says_of_a_service_of_our_name_is_no_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert given(monkeypatch, **{name: value}) == load()


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "hush-hush"  # noqa: S105  a test's
    settings = given(
        monkeypatch,
        REDIS_URL=f"rediss://user:{secret}@host:1/0?ssl_password={secret}",
        REDIS_PASSWORD=secret,
        REGISTRY_URL=f"https://user:{secret}@registry",
        KAFKA__SASL_PASSWORD=secret,
        KAFKA__SSL_KEY_PASSWORD=secret,
        KAFKA__SASL_MECHANISMS="PLAIN",
    )
    for shown in (repr(settings), str(settings), f"{settings.shown()}"):
        assert secret not in shown
        assert "host:1" in shown
        assert "PLAIN" in shown


def test_secrets_are_not_shown_when_a_setting_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "hush" not in wrong(monkeypatch, REDIS_URL="http://user:hush@host")
    assert "hush" not in wrong(monkeypatch, REDIS_URL="redis://ok", BATCH_SIZE="http://user:hush@host")


@pytest.mark.parametrize("start", ["redis://user:", "https://user:"])
@pytest.mark.parametrize(
    "password", ["hu/sh", "hush#x", "hush?x", "12#hush", "12?hush", "12/hush", "hush[", "hu\u2100sh"]
)
def test_a_password_that_breaks_its_url_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, start: str, password: str
) -> None:
    name = "REDIS_URL" if start.startswith("redis") else "REGISTRY_URL"
    said = wrong(monkeypatch, **{name: f"{start}{password}@host:1/0"})
    assert "hu" not in said
    assert "%2F" in said


@pytest.mark.parametrize(
    "url",
    [
        "redis://h:1",
        "redis://h:1/",
        "rediss://u:p@h:1/3?ssl_cert_reqs=none",
        "unix:///run/redis.sock?db=1",
        "redis+cluster://a:1,b:2/0",
        "redis+sentinel://a:1,b:2/main",
    ],
)
def test_every_form_of_a_redis_url_is_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert given(monkeypatch, REDIS_URL=url).redis_url == url


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = ("REDIS_URL", "POLICY", "BATCH_SIZE", "TOPICS__EVENTS", "INPUTS", "CONFIG", "KAFKA__BOOTSTRAP_SERVERS")
    (tmp_path / "lineage.toml").write_text(FILE, encoding="utf-8")
    assert given(monkeypatch, **dict.fromkeys(names, "")).shown() == load().shown()
    assert load().kafka["bootstrap.servers"] == "file:9092"


def test_a_child_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lineage.toml").write_text(FILE, encoding="utf-8")
    settings = given(monkeypatch, REDIS_PASSWORD="hush", GROUP_PROTOCOL="consumer", POLICY="p.yaml", CLOCK="stream")  # noqa: S106
    child = environment_for_child(settings.changed(supervised=True).to_environment())
    monkeypatch.setattr(os, "environ", child)
    assert load() == settings.changed(supervised=True)
    assert child["PATH"] == os.environ["PATH"]


def test_sinks_are_read_from_the_environment_and_go_on_to_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "SINKS__ALERTMANAGER_URLS": "http://am-0:9093, https://user:pw-1@am-1:9093/prefix",
        "SINKS__WEBHOOK_URL": "https://hooks.example/pw-2",
        "SINKS__WEBHOOK_SECRET": "pw-3",
        "SINKS__SLACK_URL": "https://slack.example/services/pw-4",
        "SINKS__SLACK_SEVERITY": "critical",
    }
    settings = given(monkeypatch, **variables)
    assert settings.sinks.alertmanager_urls == ("http://am-0:9093", "https://user:pw-1@am-1:9093/prefix")
    assert settings.sinks.slack_severity is Severity.CRITICAL
    assert "pw-" not in f"{settings!r}{settings.shown()}"
    told = settings.to_environment()
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert load() == settings
    assert told["LINEAGE_SINKS__WEBHOOK_SECRET"].startswith("pw-")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SINKS__ALERTMANAGER_URLS", "am-0:9093"),
        ("SINKS__WEBHOOK_URL", "ftp://pw-1@host"),
        ("SINKS__SLACK_URL", "slack"),
        ("SINKS__WEBHOOK_SECRET", "pw-1"),
        ("SINKS__SLACK_SEVERITY", "grave"),
    ],
)
def test_a_sink_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    said = wrong(monkeypatch, **{variable: value})
    assert "sinks" in said.lower()
    assert "pw-1" not in said
