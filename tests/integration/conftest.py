"""The stores that a contract is held against: the twin in memory, Valkey, and a Valkey Cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from processor.alerter.redis_state import RedisAlerts
from processor.alerter.state import AlertStore, MemoryAlerts
from processor.index.connect import connect
from processor.index.memory import MemoryStore
from processor.index.redis import RedisStore
from processor.index.store import Store
from processor.local import ValkeyCluster
from tests.support.alert_stores import SINKS


@pytest.fixture(scope="session")
def valkey_cluster() -> Iterator[ValkeyCluster]:
    """One cluster of three masters that all tests share; who uses it empties it first."""
    with ValkeyCluster(masters=3, replicas=0) as servers:
        yield servers


@pytest.fixture(params=["memory", "valkey", "cluster"])
def open_alerts(request: pytest.FixtureRequest) -> Callable[[], AlertStore]:
    """Opens the store under test; each call opens the same one anew where that is possible."""
    if request.param == "memory":
        twin = MemoryAlerts(SINKS, queue_limit=3)
        return lambda: twin
    if request.param == "valkey":
        url: str = request.getfixturevalue("redis_url")
        return lambda: RedisAlerts(connect(url), "lineage", SINKS, queue_limit=3)
    servers: ValkeyCluster = request.getfixturevalue("valkey_cluster")
    client = connect(servers.url)
    client.flushall()
    return lambda: RedisAlerts(client, "lineage", SINKS, queue_limit=3)


@pytest.fixture
def alerts(open_alerts: Callable[[], AlertStore]) -> AlertStore:
    """The store of alerts under test."""
    return open_alerts()


@pytest.fixture(params=["memory", "valkey", "cluster"])
def make_store(request: pytest.FixtureRequest) -> Callable[[], Store]:
    """Opens the store under test; each call opens the same one anew where that is possible."""
    if request.param == "memory":
        twin = MemoryStore()
        return lambda: twin
    if request.param == "valkey":
        url: str = request.getfixturevalue("redis_url")
    else:
        servers: ValkeyCluster = request.getfixturevalue("valkey_cluster")
        url = servers.url
        with servers.client() as client:
            client.flushall(target_nodes="primaries")
    return lambda: RedisStore(connect(url))


@pytest.fixture
def store(make_store: Callable[[], Store]) -> Store:
    """The store of the index under test."""
    return make_store()
