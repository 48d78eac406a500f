"""A Redis that nears its maxmemory is told of before it is full."""

from __future__ import annotations

import pytest
import structlog

from processor.doctor.look import diagnose
from processor.index.connect import connect, fullness, memory_of_masters
from processor.index.memory import MemoryStore
from processor.index.redis import RedisStore
from processor.indexer.fullness import FullnessWatch
from processor.local import Valkey, ValkeyCluster
from processor.settings import Settings
from processor.telemetry import metrics

WARNING = "Redis is nearly full"
LIMIT_BYTES = 64 * 1024 * 1024


def gauge() -> float:
    return metrics.REGISTRY.get_sample_value("lineage_processor_redis_memory_ratio") or 0.0


class Filling(MemoryStore):
    """As full as it is told to be."""

    ratio = 0.0

    def fullness(self) -> float | None:
        return self.ratio


def test_a_server_that_fills_up_is_seen_on_the_gauge_in_the_log_and_by_the_doctor() -> None:
    with Valkey(settings={"maxmemory": str(LIMIT_BYTES), "maxmemory-policy": "noeviction"}) as server:
        store = RedisStore(connect(server.url))
        with structlog.testing.capture_logs() as calm:
            FullnessWatch(store).look()
        assert 0 < gauge() < 0.8
        with server.client() as client:
            number = 0
            while fullness(memory_of_masters(client)) < 0.82:
                number += 1
                client.set(f"ballast:{number}", b"x" * 400_000)
        with structlog.testing.capture_logs() as alarmed:
            FullnessWatch(store).look()
        assert gauge() > 0.8
        assert [each["event"] for each in (*calm, *alarmed)] == [WARNING]
        check = next(c for c in diagnose(Settings(redis_url=server.url)) if c.name == "redis memory")
        assert (check.ok, "of 64 MiB" in check.detail) == (False, True)


def test_a_policy_that_evicts_is_bad_on_any_master_of_a_cluster() -> None:
    with ValkeyCluster(masters=3, replicas=0) as cluster:
        settings = Settings(redis_url=cluster.url)
        assert next(c for c in diagnose(settings) if c.name == "redis eviction").ok
        with cluster.client() as client:
            last = client.get_primaries()[-1]
            client.config_set("maxmemory-policy", "allkeys-lru", target_nodes=last)
        assert not next(c for c in diagnose(settings) if c.name == "redis eviction").ok


def test_it_is_said_once_until_there_is_room_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processor.indexer.fullness._LOOK_S", 0.0)
    store = Filling()
    watch = FullnessWatch(store)
    with structlog.testing.capture_logs() as said:
        for store.ratio in (0.5, 0.81, 0.9, 0.79, 0.81, 0.7, 0.85):
            watch.look()
    assert [each["used_percent"] for each in said] == [81.0, 85.0]
