"""From a Redis URL to a client.

Understood: redis://, rediss:// (TLS), unix://, redis+cluster:// and rediss+cluster:// with one or
several hosts, redis+sentinel:// and rediss+sentinel:// with the sentinels as hosts and the service as
path. Query parameters go to redis-py (`ssl_ca_certs=…`, `db=…`); user and password stand in the URL.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import redis
from redis import Redis, RedisCluster, exceptions
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import NoPermissionError, ReadOnlyError, RedisClusterException, RedisError
from redis.retry import Retry

from processor.model.errors import DependencyError, UsageError

_untyped: Any = redis
"""redis-py leaves some of its constructors without types; they are called through this name."""

Client = Any
"""Redis or RedisCluster, replies as bytes; their stubs differ too much to name both."""

_SCHEMES = frozenset({"redis", "rediss", "unix"})
_MODES = frozenset({"", "cluster", "sentinel"})
_PORT = 6379
_SENTINEL_PORT = 26379


def connect(url: str, *, timeout_s: float = 10.0) -> Client:
    """A client with no retries of its own: how long to try is the caller's to say.

    Raises UsageError for a URL that is none, DependencyError when a cluster cannot be reached.
    """
    scheme, _, mode = urlsplit(url).scheme.partition("+")
    if scheme not in _SCHEMES or mode not in _MODES:
        raise UsageError(
            f"Redis URL begins with {scheme + mode!r}: use redis://, rediss://, unix://, "
            "redis+cluster:// or redis+sentinel://"
        )
    shared: dict[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    if mode == "cluster":
        return _cluster(url, shared)
    if mode == "sentinel":
        return _sentinel(url, shared)
    return Redis.from_url(url, retry=_once(), connection_class=_CONNECTIONS[scheme], **shared)


class _Leaving:
    """A connection that leaves a server which has become a replica: the name may stand for another one by now."""

    def read_response(self, *args: object, **options: object) -> object:
        parent: Any = super()
        connection: Any = self
        try:
            return parent.read_response(*args, **options)
        except ReadOnlyError as error:
            connection.disconnect()
            raise exceptions.ConnectionError(str(error)) from error


class _AtOnce:
    """A connection that sends a round in one piece: redis-py would wake the server for each longer argument."""

    def send_packed_command(self, command: object, check_health: bool = True) -> None:  # noqa: FBT001, FBT002  as redis-py has it
        parent: Any = super()
        parent.send_packed_command([b"".join(command)] if isinstance(command, list) else command, check_health)


class _Plain(_AtOnce, _Leaving, Connection):
    pass


class _Tls(_AtOnce, _Leaving, SSLConnection):
    pass


class _Unix(_AtOnce, _Leaving, UnixDomainSocketConnection):
    pass


_CONNECTIONS: dict[str, type[Any]] = {"redis": _Plain, "rediss": _Tls, "unix": _Unix}


class _Cluster(RedisCluster):
    """A cluster's client that follows a redirection to a node which it has not met.

    A master that is being given its first slots is on no map yet; redis-py finds nothing under its name.
    """

    def get_node(self, host: object = None, port: object = None, node_name: object = None) -> object:
        parent: Any = super()
        there: object = parent.get_node(host, port, node_name)
        if there is not None or node_name is None:
            return there
        named_host, _, named_port = str(node_name).rpartition(":")
        node: object = _untyped.cluster.ClusterNode(named_host, int(named_port), _untyped.cluster.PRIMARY)
        return node


@contextmanager
def as_dependency(refused: str | None = None) -> Iterator[None]:
    """Turn whatever the server or the network does wrong into a DependencyError of one line.

    `refused`: what it says where this user has no right to a command, in place of the server's words.
    """
    try:
        yield
    except (RedisError, RedisClusterException, OSError) as error:
        told = refused if isinstance(error, NoPermissionError) else None
        text = told or str(error).strip() or type(error).__name__
        raise DependencyError("Redis", text.splitlines()[0][:500]) from error


def memory_of_masters(client: Client) -> list[dict[str, Any]]:
    """INFO memory of every server that is written to. Raises redis-py's errors."""
    if not isinstance(client, RedisCluster):
        return [client.info("memory")]
    found: Any = client.info("memory", target_nodes=RedisCluster.PRIMARIES)
    return [found] if "used_memory" in found else list(found.values())


def fullness(memories: list[dict[str, Any]]) -> float:
    """How much of its maxmemory the fullest server uses, 1.0 being all; 0.0 where there is no limit."""
    limited = [each for each in memories if each.get("maxmemory")]
    return max((each["used_memory"] / each["maxmemory"] for each in limited), default=0.0)


def _cluster(url: str, shared: dict[str, Any]) -> Client:
    hosts, options = _hosts(url, "cluster", _PORT)
    nodes = [_untyped.cluster.ClusterNode(host, port) for host, port in hosts]
    try:
        return _Cluster(startup_nodes=nodes, retry=_once(), **shared, **options)
    except (RedisError, RedisClusterException, OSError) as error:
        raise DependencyError("Redis", str(error)) from error


def _sentinel(url: str, shared: dict[str, Any]) -> Client:
    hosts, options = _hosts(url, "sentinel", _SENTINEL_PORT)
    service = urlsplit(url).path.strip("/") or "mymaster"
    options.pop("db", None)
    watch = _untyped.sentinel.Sentinel(hosts, sentinel_kwargs=shared)
    return watch.master_for(service, retry=_once(), **shared, **options)


def _hosts(url: str, mode: str, port: int) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """Hosts and ports, and what else the URL says as redis-py's keywords."""
    credentials, at, hosts = urlsplit(url).netloc.rpartition("@")
    first = hosts.split(",")[0]
    plain = urlsplit(url.replace(f"+{mode}", "", 1))
    path = "" if mode == "sentinel" else plain.path
    options = dict(
        _untyped.connection.parse_url(plain._replace(netloc=f"{credentials}{at}{first}", path=path).geturl())
    )
    options.pop("host", None)
    options.pop("port", None)
    if options.pop("connection_class", None) is not None:
        options["ssl"] = True
    return [_host(host, port) for host in hosts.split(",")], options


def _host(text: str, port: int) -> tuple[str, int]:
    host, colon, number = text.rpartition(":")
    return (host, int(number)) if colon and number.isdigit() else (text, port)


def _once() -> Retry:
    return Retry(NoBackoff(), 0)
