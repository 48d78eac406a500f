"""The alerter's smaller parts: an alert's life, its sinks, its settings, its policy file, its dead letters."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from redis.exceptions import RedisClusterException

from processor.alerter.config import AlerterConfig
from processor.alerter.kafka_settings import kafka_settings
from processor.alerter.life import Step, fire, resolve
from processor.alerter.policy_file import PolicyFile, load_policy
from processor.alerter.records import Incoming, Outgoing, dead_letter, unreadable
from processor.alerter.redis_state import RedisAlerts
from processor.alerter.run import remove_folders_of_the_dead
from processor.alerter.sinks.topic import TooLargeError, TopicSink, first_wave
from processor.alerter.state import MemoryAlerts, Pending, decode, encode
from processor.detect.policy import Policy
from processor.model.alert import Affected, Alert, AlertKind, ColumnDrift, Finding, Impact, Severity, Status
from processor.model.change import Cause
from processor.model.codec import decode_alert
from processor.model.errors import DependencyError, LineageError, Reason, UsageError
from processor.model.identity import Kind, Node, dataset, job
from processor.model.observation import Place
from processor.model.tables import ColumnChangeKind

ORDERS = dataset("postgres://shop:5432", "public.orders")
FINDING = Finding(
    "a1",
    AlertKind.SCHEMA_DRIFT,
    Severity.WARNING,
    ORDERS,
    "Column amount was dropped.",
    7,
    Cause(job("shop", "ingest"), "run-1", None, Place("t", 1, 2)),
    (ColumnDrift("amount", ColumnChangeKind.REMOVED, "int", None),),
    Impact((Affected(ORDERS.column("x"), 1, direct=False),), (Affected(ORDERS, 2, possible=True),), owners=("sam",)),
)
ROOT = Path(__file__).parents[2]


def fired(known: Alert | None, finding: Finding = FINDING) -> Step:
    step = fire(known, finding, "book")
    assert step is not None
    return step


class TestLife:
    def test_it_begins_with_version_one(self) -> None:
        first = Alert(FINDING, Status.FIRING, 7, None, "book", 1, openings=(7,))
        assert fired(None) == Step(first, 0, is_published=True)

    def test_nothing_new_is_no_step(self) -> None:
        assert fire(fired(None).alert, FINDING, "book") is None

    def test_another_wording_is_kept_unpublished(self) -> None:
        step = fired(fired(None).alert, replace(FINDING, summary="Otherwise."))
        assert (step.alert.version, step.alert.started_us, step.is_published) == (1, 7, False)

    def test_another_severity_is_published(self) -> None:
        step = fired(fired(None).alert, replace(FINDING, severity=Severity.CRITICAL))
        assert (step.alert.version, step.alert.started_us, step.expected, step.is_published) == (2, 7, 1, True)

    def test_it_ends_and_begins_anew(self) -> None:
        ended = resolve(fired(None).alert, 20)
        assert (ended.alert.status, ended.alert.ends_us, ended.alert.version) == (Status.RESOLVED, 20, 2)
        again = fired(ended.alert, replace(FINDING, since_us=30)).alert
        assert (again.status, again.started_us, again.ends_us, again.version) == (Status.FIRING, 30, None, 3)

    def test_it_does_not_begin_anew_before_it_ended(self) -> None:
        assert fired(resolve(fired(None).alert, 20).alert).alert.started_us == 20

    def test_it_does_not_end_before_it_began(self) -> None:
        assert resolve(fired(None).alert, 5).alert.ends_us == 7

    def test_its_stored_form_keeps_all_of_it(self) -> None:
        alert = fired(None).alert
        assert decode(encode(alert)) == alert
        column = replace(FINDING, subject=Node(Kind.COLUMN, "n", "d", "f"))
        assert decode(encode(fired(None, column).alert)) == fired(None, column).alert

    def test_what_only_a_newer_version_knows_is_none(self) -> None:
        assert decode(encode(fired(None).alert).replace(b"schema_drift", b"schema_other")) is None


class _Topic:
    """Records what is sent, and fails for the keys it is told to fail for."""

    def __init__(self, *failing: bytes, failing_with: LineageError | None = None) -> None:
        self.sent: list[tuple[bytes | None, int]] = []
        self._error = failing_with or DependencyError("Kafka", "away")
        self._failing = failing

    async def send(self, record: Outgoing) -> None:
        assert record.value is not None
        if record.key in self._failing:
            raise self._error
        self.sent.append((record.key, decode_alert(record.value).version))


def _pending(alert_id: str, version: int) -> Pending:
    finding = replace(FINDING, alert_id=alert_id)
    return Pending(alert_id, version, Alert(finding, Status.FIRING, 1, None, "book", version))


class TestTopicSink:
    WAITING = (_pending("a", 1), _pending("b", 1), _pending("a", 2), _pending("c", 1))

    def deliver(self, topic: _Topic) -> list[Pending]:
        return asyncio.run(TopicSink(topic.send, "alerts").deliver(self.WAITING)).transitions

    def test_all_is_sent_in_order(self) -> None:
        topic = _Topic()
        assert self.deliver(topic) == list(self.WAITING)
        assert topic.sent == [(b"a", 1), (b"b", 1), (b"a", 2), (b"c", 1)]

    def test_a_later_transition_never_overtakes_an_earlier_one_that_failed(self) -> None:
        topic = _Topic(b"a")
        assert self.deliver(topic) == [_pending("b", 1)]
        assert topic.sent == [(b"b", 1)]

    def test_what_is_too_large_holds_up_no_other(self) -> None:
        topic = _Topic(b"b", failing_with=TooLargeError("2 MB"))
        assert self.deliver(topic) == list(self.WAITING)
        assert topic.sent == [(b"a", 1), (b"a", 2), (b"c", 1)]

    def test_a_wave_ends_where_an_alert_would_come_twice(self) -> None:
        assert first_wave(self.WAITING) == list(self.WAITING[:2])
        assert first_wave(()) == []


class TestKafkaSettings:
    def test_addresses_become_a_broker_url(self) -> None:
        settings = kafka_settings({"bootstrap.servers": "a:9092, SSL://b:9093"})
        assert settings.broker == "aiokafka://a:9092;aiokafka://b:9093"
        assert settings.options() == {"broker": settings.broker}

    def test_what_is_of_no_use_is_named(self) -> None:
        given = {"bootstrap.servers": "a:1", "queued.max.messages.kbytes": "1", "fetch.min.bytes": "1"}
        assert kafka_settings(given).ignored == ("fetch.min.bytes", "queued.max.messages.kbytes")

    def test_timeouts_and_the_client_are_passed_on(self) -> None:
        given = {"bootstrap.servers": "a:1", "session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}
        options = kafka_settings(given | {"client.id": "me"}).options()
        assert options["broker_session_timeout"] == 6.0
        assert options["broker_heartbeat_interval"] == 0.5
        assert options["broker_client_id"] == "me"

    @pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
    def test_sasl_over_tls(self, mechanism: str) -> None:
        given = {
            "bootstrap.servers": "a:1",
            "security.protocol": "sasl_ssl",
            "sasl.mechanism": mechanism,
            "sasl.username": "sam",
            "sasl.password": "secret",
        }
        credentials = kafka_settings(given).options()["broker_credentials"]
        assert (credentials.username, credentials.password) == ("sam", "secret")
        assert credentials.mechanism.value == mechanism
        assert credentials.protocol.value == "SASL_SSL"
        assert credentials.ssl_context.verify_mode is ssl.CERT_REQUIRED
        assert credentials.ssl_context.check_hostname

    def test_checks_are_left_out_only_when_asked(self) -> None:
        given = {"bootstrap.servers": "a:1", "security.protocol": "SSL"}
        off = {"ssl.endpoint.identification.algorithm": "none"}
        assert kafka_settings(given).options()["broker_credentials"].context.check_hostname
        context = kafka_settings(given | off).options()["broker_credentials"].context
        assert not context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED
        context = kafka_settings(given | {"enable.ssl.certificate.verification": "false"}).tls
        assert context is not None
        assert context.context().verify_mode is ssl.CERT_NONE

    @pytest.mark.parametrize(
        ("given", "word"),
        [
            ({}, "bootstrap.servers"),
            ({"bootstrap.servers": " , "}, "bootstrap.servers"),
            ({"bootstrap.servers": "a:1", "security.protocol": "TLS"}, "TLS"),
            ({"bootstrap.servers": "a:1", "security.protocol": "SASL_SSL", "sasl.mechanism": "AWS"}, "AWS"),
            ({"bootstrap.servers": "a:1", "ssl.ca.pem": "x"}, "ssl.ca.pem"),
            ({"bootstrap.servers": "a:1", "session.timeout.ms": "soon"}, "session.timeout.ms"),
        ],
    )
    def test_what_cannot_be_kept_is_refused(self, given: dict[str, str], word: str) -> None:
        with pytest.raises(UsageError, match=word):
            kafka_settings(given)

    def test_a_file_that_is_not_there_is_a_usage_error(self, tmp_path: Path) -> None:
        given = {"bootstrap.servers": "a:1", "security.protocol": "SSL", "ssl.ca.location": str(tmp_path / "no.pem")}
        with pytest.raises(UsageError, match="TLS files"):
            kafka_settings(given).options()


class TestPolicyFile:
    def test_without_a_file_it_is_the_default(self) -> None:
        assert load_policy(None) == PolicyFile(None).current() == Policy()

    def test_a_bad_file_is_refused_at_the_start(self, tmp_path: Path) -> None:
        file = tmp_path / "policy.yaml"
        file.write_text("version: 1\nspeed: 3\n")
        with pytest.raises(UsageError, match=r"policy\.yaml:2: .*speed"):
            PolicyFile(file)
        with pytest.raises(UsageError, match="cannot be read"):
            load_policy(tmp_path / "none.yaml")

    def test_a_new_policy_comes_into_force_and_a_bad_one_does_not(self, tmp_path: Path) -> None:
        file = tmp_path / "policy.yaml"
        policy = PolicyFile(_write(file, "sources: [a]"))
        assert policy.current().sources == ("a",)
        _write(file, "sources: [a, b]")
        assert policy.current().sources == ("a", "b")
        _write(file, "sources: {")
        assert policy.current().sources == ("a", "b")
        file.unlink()
        assert policy.current().sources == ("a", "b")
        _write(file, "sources: [c]")
        assert policy.current().sources == ("c",)


def _write(file: Path, text: str) -> Path:
    """Replace the file as an editor does; the new one is never taken for the old."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    stat = fresh.stat()
    os.utime(fresh, ns=(stat.st_atime_ns, stat.st_mtime_ns + len(text)))
    return fresh.rename(file)


class TestDeadLetters:
    def test_the_record_is_kept_and_the_reason_is_appended(self) -> None:
        record = Incoming(Place("changes", 2, 17), b"k\xff", b"\x00", (("trace", b"\xff"), ("lineage.attempt", b"2")))
        letter = dead_letter("dead", record, unreadable(Reason.BAD_AVRO, "no é"))
        assert (letter.topic, letter.key, letter.value) == ("dead", b"k\xff", b"\x00")
        assert letter.headers[:2] == record.headers
        told = dict(letter.headers)
        assert told["__connect.errors.offset"] == b"17"
        assert told["lineage.reason"] == b"bad_avro"
        assert told["lineage.attempt"] == b"3"
        assert told["__connect.errors.exception.message"] == "no é".encode()


def test_a_lease_must_outlast_the_wait_to_publish() -> None:
    with pytest.raises(UsageError, match="lease"):
        AlerterConfig(kafka={}, lease_s=0.5)


def test_a_lease_must_outlast_what_is_under_way() -> None:
    with pytest.raises(UsageError, match="lease"):
        AlerterConfig(kafka={}, lease_s=8.0, send_timeout_s=8.0)


class _NoCluster:
    """A client of a cluster of which no node answers; redis-py's error for that is no RedisError."""

    def script_load(self, _text: str) -> str:
        raise RedisClusterException("no node can be reached")


def test_a_cluster_that_is_away_is_a_dependency_that_is_away() -> None:
    with pytest.raises(DependencyError, match="no node can be reached"):
        RedisAlerts(_NoCluster()).lease("me", 1000)


def test_folders_of_killed_alerters_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = {pid: f"lineage-alerter-{pid}-x" for pid in (ended.pid, os.getpid())}
    for name in (*names.values(), "lineage-alerter-mine", "other"):
        (tmp_path / name).mkdir()
    remove_folders_of_the_dead()
    assert {f.name for f in tmp_path.iterdir()} == {names[os.getpid()], "lineage-alerter-mine", "other"}


def test_every_kind_of_alert_has_a_runbook_that_says_how_to_silence_it() -> None:
    for kind in AlertKind:
        text = (ROOT / "docs" / "runbooks" / f"{kind.value}.md").read_text()
        assert text.startswith(f"# `{kind.value}`")
        assert all(f"## {part}" in text for part in ("What it means", "Check first", "Likely causes", "Silence it"))


def test_the_twin_gives_the_lease_to_one() -> None:
    alerts = MemoryAlerts()
    assert alerts.lease("one", 1)
    assert not alerts.lease("other", 1)
