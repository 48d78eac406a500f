"""What the store does when a server, or the way to it, fails in the middle of a batch: no news is lost."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import redis

from processor.index.connect import connect
from processor.index.digest import digest
from processor.index.items import unframe
from processor.index.keys import Key
from processor.index.layout import bucket_of
from processor.index.memory import MemoryStore
from processor.index.neighborhood import Ahead
from processor.index.portion import Portion
from processor.index.redis import RedisStore
from processor.index.store import OutboxEntry
from processor.index.view import View
from processor.local import Valkey
from processor.model.errors import DependencyError
from processor.model.identity import Kind
from tests.support.events import column_lineage, ds, event, facet, fill, memory, schema, table
from tests.support.proxy import Mode, Proxy
from tests.waiting import eventually

HISTORY = [
    event("ingest", "COMPLETE", 5, run=1, outputs=[table("raw.orders", schema=schema("id", "amount:int"))]),
    event("stage", "START", 10, run=2, inputs=[table("raw.orders", schema=schema("id"))]),
    event("stage", "FAIL", 12, run=2, run_facets={"errorMessage": facet(message="boom", programmingLanguage="SQL")}),
    event("ingest", "COMPLETE", 65, run=3, outputs=[table("raw.orders", documentation=facet(description="new"))]),
    event(
        "mart",
        "COMPLETE",
        70,
        run=4,
        inputs=[table("raw.orders")],
        outputs=[table("marts.a", columnLineage=column_lineage({"id": [("raw.orders", "id")]}))],
    ),
]


def expected() -> list[OutboxEntry]:
    return sorted(fill(MemoryStore(), *HISTORY))


def news(entries: list[OutboxEntry]) -> set[tuple[bytes, bytes, bytes]]:
    """Subject, item and what stood there before, of every piece of news, however they are put together."""
    found = set()
    for entry in entries:
        subject, *frames = unframe(entry.payload)
        found |= {(subject, *pair) for pair in zip(frames[::2], frames[1::2], strict=True)}
    return found


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    """A way to an empty Valkey that a test may break."""
    with Proxy(urlsplit(redis_url).port or 0) as proxy:
        yield proxy


def through(proxy: Proxy, timeout_s: float = 60.0) -> RedisStore:
    return RedisStore(connect(proxy.url, timeout_s=timeout_s))


@pytest.mark.parametrize("denied", ["hdel", "hset", "hmget", "hgetall", "hlen"])
def test_a_right_that_is_missing_in_the_middle_of_the_script_costs_no_news(denied: str) -> None:
    with Valkey() as server, server.client() as admin:
        store = RedisStore(connect(server.url))
        admin.execute_command("ACL", "SETUSER", "default", f"-{denied}")
        with pytest.raises(DependencyError, match="permission"):
            fill(store, *HISTORY)
        admin.execute_command("ACL", "SETUSER", "default", "+@all")
        fill(store, *HISTORY)
        assert digest(store) == digest(memory(*HISTORY))
        assert news(store.outbox()) == news(expected())


def test_a_key_of_another_type_is_found_before_anything_is_written(redis_url: str) -> None:
    store = RedisStore(connect(redis_url))
    node = ds("raw.orders").id
    odd = store.name(Key(bucket_of(node, store.buckets), "s", node.hex()))
    store.client.set(odd, "not a hash")
    with pytest.raises(DependencyError, match="wrong kind"):
        fill(store, *HISTORY)
    bucket = bucket_of(node, store.buckets)
    there = {store.name(key) for key in store.keys() if key.bucket == bucket}  # noqa: SIM118  it is no dict
    assert there == {odd}
    store.client.delete(odd)
    fill(store, *HISTORY)
    assert digest(store) == digest(memory(*HISTORY))
    assert sorted(store.outbox()) == expected()


def test_what_was_applied_and_not_answered_waits_in_the_outbox(proxy: Proxy) -> None:
    store = through(proxy)
    proxy.lose_answer_to(b"EVALSHA")
    with pytest.raises(DependencyError):
        fill(store, *HISTORY)
    # A busy machine may have sent the request in pieces, and lost the way before the last one.
    assert len(fill(store, *HISTORY)) < len(expected())
    assert proxy.lost == 1
    assert sorted(store.outbox()) == expected()
    assert digest(store) == digest(memory(*HISTORY))


def test_a_connection_that_is_reset_within_a_batch_costs_nothing(proxy: Proxy) -> None:
    store = through(proxy)
    proxy.reset_within(b"EVALSHA")
    with pytest.raises(DependencyError):
        fill(store, *HISTORY)
    fill(store, *HISTORY)
    assert proxy.lost == 1
    assert sorted(store.outbox()) == expected()
    assert digest(store) == digest(memory(*HISTORY))


@pytest.mark.parametrize("mode", [Mode.SWALLOW, Mode.MUTE, Mode.REFUSE])
def test_a_broken_way_is_a_dependency_failure_and_is_gone_when_it_is_whole(proxy: Proxy, mode: Mode) -> None:
    store = through(proxy, timeout_s=0.5)
    with proxy.doing(mode):
        for _ in range(2):
            with pytest.raises(DependencyError, match="Redis"):
                fill(store, *HISTORY)
    assert eventually(lambda: _is_filled(store))  # its time is short
    assert digest(store) == digest(memory(*HISTORY))
    assert sorted(store.outbox()) == expected()


def test_after_a_failover_behind_a_name_it_leaves_the_old_master() -> None:
    with Valkey() as old, Valkey() as new, Proxy(old.port) as name:
        store = through(name)
        with new.client() as replica, old.client() as master:
            fill(store, HISTORY[0])
            replica.replicaof("127.0.0.1", str(old.port))
            _wait_for_link(replica)
            replica.replicaof("NO", "ONE")
            name.target_port = new.port
            master.replicaof("127.0.0.1", str(new.port))
        with pytest.raises(DependencyError):
            fill(store, *HISTORY)
        fill(store, *HISTORY)
        assert digest(RedisStore(connect(new.url))) == digest(memory(*HISTORY))


def _is_filled(store: RedisStore) -> bool:
    with contextlib.suppress(DependencyError):
        fill(store, *HISTORY)
        return True
    return False


def _wait_for_link(replica: redis.Redis) -> None:
    assert eventually(lambda: replica.info("replication")["master_link_status"] == "up")


def test_a_server_that_lets_go_of_scripts_is_read_all_the_same(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    twin, store = MemoryStore(), RedisStore(connect(redis_url), "forgetful")
    fill(twin, *HISTORY)
    fill(store, *HISTORY)
    keys = sorted(twin.keys())
    load = store.client.script_load

    def forgetful(script: str) -> str:
        sha: str = load(script)
        store.client.script_flush()
        return sha

    def packed() -> int:
        return int(store.client.info("commandstats").get("cmdstat_evalsha_ro", {}).get("calls", 0))

    ids = [i for kind in (Kind.DATASET, Kind.JOB) for i in View(twin).ids(kind)]
    portions = [Portion("o"), Portion("n", fields=(b"i", b"d", b"w")), Portion("i", prefix=b"w")]
    ahead = Ahead("o", 100, 100)

    monkeypatch.setattr(store.client, "script_load", forgetful)
    assert store.fetch(keys) == twin.fetch(keys)
    assert store.fetch_records(ids, portions) == twin.fetch_records(ids, portions)
    assert store.fetch_neighborhood(ids[:1], ahead) == twin.fetch_neighborhood(ids[:1], ahead)
    monkeypatch.undo()
    before = packed()
    assert store.fetch(keys) == twin.fetch(keys)
    assert packed() > before, "each hash is asked for by itself for good"
    before = packed()
    assert store.fetch_records(ids, portions) == twin.fetch_records(ids, portions)
    assert packed() > before
    before = packed()
    assert store.fetch_neighborhood(ids[:1], ahead) == twin.fetch_neighborhood(ids[:1], ahead)
    assert packed() > before
