"""A real Valkey cluster on this machine: masters with replicas, for tests of sharding and of failing over."""

import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from types import TracebackType
from typing import Final, Self

import redis

from processor.local.errors import LocalServiceError
from processor.local.ports import HOST
from processor.local.service import OnProgress, no_progress
from processor.local.valkey import Valkey

__all__ = ["ValkeyCluster"]

_SLOTS: Final = 16_384
_FORM_TIMEOUT_S: Final = 30.0
_POLL_S: Final = 0.05
_SETTINGS: Final[Mapping[str, str]] = {
    "cluster-enabled": "yes",
    "cluster-node-timeout": "2000",
    "repl-diskless-sync-delay": "0",
}


class ValkeyCluster:
    """A cluster of Valkey servers that keeps nothing beyond its own life.

    `nodes` has the masters first, then the replicas, of which number i follows master i modulo the masters.
    """

    def __init__(
        self,
        *,
        masters: int = 3,
        replicas: int = 0,
        settings: Mapping[str, str] | None = None,
        on_progress: OnProgress = no_progress,
    ) -> None:
        """Only take note; `replicas` counts those of each master."""
        merged = {**_SETTINGS, **(settings or {})}
        self._masters = masters
        self._on_progress = on_progress
        self.nodes = [Valkey(settings=merged) for _ in range(masters * (1 + replicas))]

    @property
    def url(self) -> str:
        """The address for a client, as `redis+cluster://host:port,host:port,…`: every node, so any may be down."""
        return "redis+cluster://" + ",".join(f"{HOST}:{node.port}" for node in self.nodes)

    def client(self) -> redis.RedisCluster:
        """Return a client of the cluster; the caller closes it."""
        running = next(node for node in self.nodes if node.process.is_running)
        return redis.RedisCluster(host=HOST, port=running.port)

    def start(self) -> None:
        """Start the servers, join them, and return once every slot is served and every replica follows."""
        self._on_progress("Starting a Valkey cluster", None)
        try:
            for node in self.nodes:
                node.start()
            self._form()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every server; harmless when none runs."""
        for node in self.nodes:
            node.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _form(self) -> None:
        """Deal out the slots, introduce the nodes to each other, then let the replicas follow."""
        masters, replicas = self.nodes[: self._masters], self.nodes[self._masters :]
        bounds = [_SLOTS * i // self._masters for i in range(self._masters + 1)]
        for node, (first, end) in zip(masters, pairwise(bounds), strict=True):
            _ask(node, "CLUSTER ADDSLOTSRANGE", first, end - 1)
        for node in self.nodes[1:]:
            _ask(node, "CLUSTER MEET", HOST, self.nodes[0].port, self.nodes[0].bus_port)
        _wait_for(lambda: all(self._knows_all(node) for node in self.nodes), "the nodes to meet")
        for place, node in enumerate(replicas):
            _ask(node, "CLUSTER REPLICATE", _ask(masters[place % self._masters], "CLUSTER MYID"))
        _wait_for(lambda: all(_is_ok(node) for node in self.nodes), "every slot to be served")
        _wait_for(lambda: all(map(_follows, replicas)), "the replicas to follow")

    def _knows_all(self, node: Valkey) -> bool:
        return _cluster_info(node).get("cluster_known_nodes") == str(len(self.nodes))


def _ask(node: Valkey, command: str, *words: object) -> object:
    with redis.Redis(host=HOST, port=node.port) as client:
        return client.execute_command(command, *words)


def _cluster_info(node: Valkey) -> dict[str, str]:
    answer = _ask(node, "CLUSTER INFO")
    return answer if isinstance(answer, dict) else {}


def _is_ok(node: Valkey) -> bool:
    return _cluster_info(node).get("cluster_state") == "ok"


def _follows(node: Valkey) -> bool:
    with redis.Redis(host=HOST, port=node.port) as client:
        return bool(client.info("replication").get("master_link_status") == "up")


def _wait_for(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _FORM_TIMEOUT_S
    while not holds():
        if time.monotonic() > deadline:
            raise LocalServiceError(f"a Valkey cluster waited {_FORM_TIMEOUT_S:.0f} s in vain for {what}")
        time.sleep(_POLL_S)
