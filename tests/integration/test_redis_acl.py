"""The users of `deploy/redis/users.acl` have the rights that their roles need, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import redis
from pydantic import SecretStr

from processor.index.connect import connect
from processor.index.generations import Generations
from processor.local import KafkaCluster, Valkey
from processor.local.ports import free_ports
from processor.model.errors import DependencyError
from processor.settings import Sinks
from tests.support.command import ROOT, Lineage
from tests.support.events import column_lineage, event, schema, table
from tests.support.indexing import World
from tests.waiting import eventually

USERS = ROOT / "deploy" / "redis" / "users.acl"
ADMIN = "user admin on >admin-password ~* &* +@all\n"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Valkey that knows these users, and one more for the test itself."""
    file = tmp_path_factory.mktemp("acl") / "users.acl"
    file.write_text(
        USERS.read_text("utf-8").replace("user default off", f"user default on nopass +@all ~* &*\n{ADMIN}")
    )
    with Valkey(settings={"aclfile": str(file)}) as server:
        yield server


def address(server: Valkey, role: str) -> str:
    return f"redis://lineage-{role}:CHANGE-ME-{role}@127.0.0.1:{server.port}/0"


def denied(server: Valkey) -> list[str]:
    """What the server has refused: user, command and object."""
    with server.client() as client:
        entries = client.execute_command("ACL", "LOG")
    told = [dict(zip(entry[::2], entry[1::2], strict=True)) if isinstance(entry, list) else entry for entry in entries]
    return [f"{e.get(b'username', e.get('username'))} {e.get(b'object', e.get('object'))}" for e in told]


def test_indexer_alerter_and_reader_do_their_work_and_nothing_is_refused(
    kafka: KafkaCluster, guarded: Valkey, topic_prefix: str, tmp_path: Path
) -> None:
    indexer = World.make(kafka.bootstrap, address(guarded, "indexer"), topic_prefix, reconcile_interval_s=1.0)
    nowhere = f"http://127.0.0.1:{free_ports(1)[0]}"
    sinks = Sinks(alertmanager_urls=(nowhere,), webhook_url=SecretStr(nowhere))
    alerter = World(indexer.settings.changed(redis_url=address(guarded, "alerter"), sinks=sinks))
    wide, narrow = (
        event("load", run=run, minutes=run, outputs=[table("orders", schema=schema(*columns))])
        for run, columns in enumerate((("id", "amount"), ("id",)))
    )
    mapping = column_lineage({"amount": [("orders", "amount")]})
    report = table("report", schema=schema("amount"), columnLineage=mapping)
    read = event("report", run=9, inputs=[table("orders")], outputs=[report])
    with indexer.process("run", "--role", "indexer") as indexing:
        assert eventually(indexing.is_ready), indexing.text  # it makes the index, which an alerter may not
        with alerter.process("run", "--role", "alerter") as judging:
            indexer.produce([msgspec.json.encode(wide), msgspec.json.encode(read)])
            assert eventually(lambda: indexer.behind() == 0), indexing.text
            indexer.produce([msgspec.json.encode(narrow)])
            assert eventually(lambda: bool(indexer.read(indexer.settings.topics.alerts))), indexing.text + judging.text
            assert eventually(lambda: indexer.outbox() == 0), indexing.text
            assert eventually(lambda: all(f'"{name}"' in judging.text for name in ("alertmanager", "webhook"))), (
                judging.text
            )
            lineage = Lineage(tmp_path, {"LINEAGE_REDIS_URL": address(guarded, "reader")})
            assert len(lineage.ok("alerts", "-o", "json").json) == 1
            assert len(lineage.ok("export", "nodes", "-o", "ndjson").lines) == 4
            asked = ("show orders", "up orders", "down load", "digest", "export edges", "search orders", "why orders")
            for command in map(str.split, asked):
                lineage.ok(*command)
    saying = Lineage(tmp_path, {"LINEAGE_REDIS_URL": address(guarded, "alerter")})
    (alert,) = saying.ok("alerts", "-o", "json").json
    saying.ok("alerts", "mute", "--pattern", "*", "--for", "1h", "--reason", "migration")
    saying.ok("alerts", "unmute", "--pattern", "*")
    saying.ok("alerts", "ack", alert["alert_id"])
    assert denied(guarded) == []


@pytest.mark.parametrize("role", ["alerter", "reader"])
def test_who_may_not_make_the_index_is_told_to_wait_for_an_indexer(guarded: Valkey, role: str) -> None:
    with guarded.client() as client:
        client.flushall()
    waiting, indexer = (Generations(connect(address(guarded, each))) for each in (role, "indexer"))
    with pytest.raises(DependencyError, match=r"no index under 'lineage' yet.*wait for an indexer"):
        waiting.live(64)
    assert indexer.live(64) == waiting.live(64)
    with guarded.client() as client:
        client.execute_command("ACL", "LOG", "RESET")


@pytest.mark.parametrize(
    ("role", "command"),
    [
        *(("indexer", each) for each in ("FLUSHALL", "CONFIG GET maxmemory", "KEYS *", "SET other:key 1", "ACL LIST")),
        *(("alerter", each) for each in ("FLUSHDB", "HSET lineage:{b0}:g1:n:x f v", "ACL LIST", "GET other:key")),
        *(("reader", each) for each in ("SET lineage:{meta}:x 1", "DEL lineage:x", "GET other:x", "SHUTDOWN NOSAVE")),
    ],
)
def test_what_a_role_does_not_need_is_refused(guarded: Valkey, role: str, command: str) -> None:
    with redis.Redis.from_url(address(guarded, role)) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command.split(" "))
    with guarded.client() as client:
        client.execute_command("ACL", "LOG", "RESET")


def test_the_file_itself_lets_nobody_in_without_a_name() -> None:
    lines = USERS.read_text("utf-8").splitlines()
    assert lines[0] == "user default off"
    assert all(" -@all " in line and "~*" not in line for line in lines[1:])
