"""Real services for the tests: started once a session by their own process ids, and stopped with it."""

import itertools
import re
from collections.abc import Iterator

import pytest
import redis
from hypothesis import HealthCheck, settings

from processor.local import KafkaCluster, SchemaRegistry, Valkey

# No test states how fast it is: an example that takes long on a busy machine is no defect.
settings.register_profile("unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaCluster]:
    """One Kafka broker that all tests share; `kafka.bootstrap` is its address."""
    with KafkaCluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """One Valkey that all tests share; most want `redis_url` instead."""
    with Valkey() as server:
        yield server


@pytest.fixture
def redis_url(valkey: Valkey) -> str:
    """The address of an empty Valkey."""
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    return valkey.url


@pytest.fixture(scope="session")
def registry() -> Iterator[SchemaRegistry]:
    """A schema registry that speaks Confluent's API at `registry.url`; fetched (159 MB, once) where first needed."""
    with SchemaRegistry() as server:
        yield server


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> str:
    """A start for the names of topics and groups that no other test of the session has, such as `t7-test_name-`."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", request.node.name)[:60]
    return f"t{next(_numbers)}-{name}-"
