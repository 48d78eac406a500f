"""Indexer, alerter and doctor on a Kafka that wants TLS, a client's certificate and SASL; no secret is ever said."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._scram import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from processor.local import KafkaCluster, Valkey
from processor.settings import Http, Settings
from tests.support.certificates import Authority
from tests.support.command import Lineage
from tests.support.events import column_lineage, event, schema, table
from tests.support.indexing import World
from tests.waiting import eventually

PASSWORD = "sasl-s3cret-4711"  # noqa: S105 - of a server that lives for a test
KEY_PASSWORD = "key-s3cret-4712"  # noqa: S105 - of a server that lives for a test
REDIS_PASSWORD = "redis-s3cret-4713"  # noqa: S105 - of a server that lives for a test
REGISTRY_PASSWORD = "registry-s3cret-4714"  # noqa: S105 - of a server that lives for a test
SECRETS = (PASSWORD, KEY_PASSWORD, REDIS_PASSWORD, REGISTRY_PASSWORD)
LOGIN = "org.apache.kafka.common.security"


@dataclass(frozen=True, slots=True)
class Guarded:
    """The broker, and how to get in."""

    cluster: KafkaCluster
    folder: Path
    authority: Authority

    def kafka(self, mechanism: str, **more: str) -> dict[str, str]:
        return {
            "bootstrap.servers": self.cluster.secure_bootstrap,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": mechanism,
            "sasl.username": "lineage",
            "sasl.password": PASSWORD,
            "ssl.ca.location": str(self.authority.file),
            "ssl.certificate.location": str(self.folder / "client.crt"),
            "ssl.key.location": str(self.folder / "client.key"),
            "ssl.key.password": KEY_PASSWORD,
            **more,
        }


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority.make(folder, "authority")
    certificate, key = authority.sign("broker")
    authority.sign("client", KEY_PASSWORD)
    store = folder / "broker.pem"
    store.write_bytes(key.read_bytes() + certificate.read_bytes() + authority.file.read_bytes())
    listener = "listener.name.secure"
    settings = {
        "secure.protocol": "SASL_SSL",
        f"{listener}.ssl.keystore.type": "PEM",
        f"{listener}.ssl.keystore.location": str(store),
        f"{listener}.ssl.truststore.type": "PEM",
        f"{listener}.ssl.truststore.location": str(authority.file),
        f"{listener}.ssl.client.auth": "required",
        f"{listener}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        f"{listener}.plain.sasl.jaas.config": f'{LOGIN}.plain.PlainLoginModule required user_lineage="{PASSWORD}";',
        f"{listener}.scram-sha-512.sasl.jaas.config": f"{LOGIN}.scram.ScramLoginModule required;",
    }
    with KafkaCluster(settings=settings) as cluster:
        scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
        for done in admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion("lineage", scram, PASSWORD.encode())]
        ).values():
            done.result(30)
        yield Guarded(cluster, folder, authority)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_an_event_becomes_an_alert_over_tls_and_sasl(
    guarded: Guarded, redis_url: str, topic_prefix: str, mechanism: str
) -> None:
    plain = World.make(guarded.cluster.bootstrap, redis_url, topic_prefix, reconcile_interval_s=1.0)
    secure = World(plain.settings.changed(kafka=guarded.kafka(mechanism)))
    with secure.process("run") as running:
        report = table("report", columnLineage=column_lineage({"total": [("orders", "amount")]}))
        for value in (
            event("load", outputs=[table("orders", schema=schema("id", "amount"))]),
            event("report", run=1, minutes=1, inputs=[table("orders")], outputs=[report]),
            event("load", run=2, minutes=2, outputs=[table("orders", schema=schema("id"))]),
        ):
            plain.produce([msgspec.json.encode(value)])
            assert eventually(lambda: plain.behind() == 0), running.text
        assert eventually(lambda: bool(plain.read(plain.settings.topics.alerts))), running.text
        listing = command_lines(running.process.pid)
        assert listing
        assert not any(secret in listing + running.text for secret in SECRETS)


def command_lines(parent: int) -> str:
    """What `ps` shows of a process and its children."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text("utf-8").rpartition(")")[2].split()
                if int(entry.name) == parent or int(stat[1]) == parent:
                    found.append((entry / "cmdline").read_text("utf-8"))
            except OSError:
                continue
    return "\n".join(found)


def settings_of(kafka: dict[str, str], redis: str) -> dict[str, str]:
    named = {f"LINEAGE_KAFKA__{name.upper().replace('.', '_')}": value for name, value in kafka.items()}
    registry = f"http://lineage:{REGISTRY_PASSWORD}@127.0.0.1:9"
    return {**named, "LINEAGE_REDIS_URL": redis, "LINEAGE_REGISTRY_URL": registry, "LINEAGE_REDIS_TIMEOUT_S": "2"}


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({}, "ok"),
        ({"ssl.ca.location": "stranger.crt"}, "certificate verify failed"),
        ({"sasl.password": "wrong-" + PASSWORD}, "uthentication"),
        ({"ssl.key.password": "wrong-" + KEY_PASSWORD}, "ssl.key"),
        ({"ssl.certificate.location": "", "ssl.key.location": "", "ssl.key.password": ""}, ""),
    ],
    ids=["right", "wrong authority", "wrong password", "wrong key password", "no certificate"],
)
def test_the_doctor_says_what_is_wrong_and_no_secret(
    guarded: Guarded, tmp_path: Path, broken: dict[str, str], said: str
) -> None:
    Authority.make(tmp_path, "stranger")
    there = {name: str(tmp_path / value) if value.endswith(".crt") else value for name, value in broken.items()}
    kafka = {name: value for name, value in guarded.kafka("PLAIN", **there).items() if value}
    lineage = Lineage(tmp_path, settings_of(kafka, f"redis://lineage:{REDIS_PASSWORD}@127.0.0.1:9/0"))
    done = lineage("doctor", "-o", "json")
    assert done.code in (1, 2, 3)
    text = done.out + done.err
    assert not said or said in text, text
    assert not any(secret in text for secret in SECRETS), text
    for arguments in (("doctor",), ("alerts",), ("export", "nodes")):
        done = lineage(*arguments)
        assert not any(secret in done.out + done.err for secret in SECRETS), done.err


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Valkey where the user has another password."""
    users = tmp_path_factory.mktemp("acl") / "users.acl"
    users.write_text(f"user default on nopass +@all ~* &*\nuser lineage on >other-{REDIS_PASSWORD} +@all ~* &*\n")
    with Valkey(settings={"aclfile": str(users)}) as server:
        yield server


@pytest.mark.parametrize(
    ("case", "role"),
    [
        ("kafka password", "indexer"),
        ("redis password", "indexer"),
        ("redis password", "alerter"),
        ("redis nowhere", "alerter"),
    ],
)
def test_a_start_that_fails_says_what_it_waits_for(guarded: Guarded, locked: Valkey, case: str, role: str) -> None:
    kafka = guarded.kafka("PLAIN", **({"sasl.password": "wrong-" + PASSWORD} if case == "kafka password" else {}))
    port = locked.port if case == "redis password" else 9
    settings = Settings(
        redis_url=f"redis://lineage:{REDIS_PASSWORD}@127.0.0.1:{port}/0",
        registry_url=f"http://lineage:{REGISTRY_PASSWORD}@127.0.0.1:9",
        kafka=kafka,
        create_topics=True,
        http=Http(indexer_port=0, alerter_port=0, api_port=0),
        log_format="json",
        log_level="debug",
        redis_timeout_s=2,
    )
    with World(settings).process("run", "--role", role) as running:
        awaited = case.partition(" ")[0].capitalize()
        assert eventually(lambda: any(line.get("dependency") == awaited for line in running.log)), running.text
        shown = running.get("/readyz")[1] + command_lines(running.process.pid)
        running.send(signal.SIGTERM)
        running.wait()
    assert not any(secret in shown + running.text for secret in SECRETS), shown + running.text
