"""What is done to Redis: to one with a replica and a sentinel, or to a cluster."""

from __future__ import annotations

import contextlib
from typing import cast

import redis

from processor.local import Valkey, ValkeyCluster
from tests.chaos.run.faults import Fault
from tests.chaos.run.sentinel import SentinelRedis
from tests.waiting import eventually


class _OfSentinel(Fault):
    """A fault of the Redis with a sentinel. Undone is it when both servers are whole again."""

    @property
    def redis(self) -> SentinelRedis:
        return cast("SentinelRedis", self.world.redis)

    def undo(self) -> None:
        self.redis.heal()


class RestartRedis(_OfSentinel):
    """Killed and started again with all its data."""

    def do(self) -> None:
        self.redis.restart_master()


class FailOver(_OfSentinel):
    """The master is lost; its replica had nearly everything."""

    def do(self) -> None:
        self.redis.fail_over()


class FailOverWithLoss(_OfSentinel):
    """The master is lost, and with it what its replica did not get for a while."""

    waits_itself = True

    def do(self) -> None:
        self.redis.write_lost(max(1.0, self.act.hold_s), self.sleep)


class RestoreOldSnapshot(_OfSentinel):
    """Somebody restores what was there some seconds ago."""

    waits_itself = True

    def do(self) -> None:
        kept = self.redis.snapshot()
        self.sleep(self.act.hold_s)
        self.redis.restore(kept)


class PauseRedis(_OfSentinel):
    """Frozen; for long enough, the sentinel fails over, and the old master wakes as a second one."""

    def do(self) -> None:
        self.redis.master().pause()


class FlushAll(_OfSentinel):
    def do(self) -> None:
        with self.redis.master().client() as client:
            client.flushall()


class RedisDiskFull(_OfSentinel):
    """Snapshots fail, so writes are refused with MISCONF."""

    def do(self) -> None:
        self.victim = self.redis.master()
        with self.victim.client() as client:
            client.config_set("dbfilename", "appendonlydir")
            client.bgsave()
            eventually(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", guard_s=5)

    def undo(self) -> None:
        with self.victim.client() as client:
            client.config_set("dbfilename", "dump.rdb")
            client.config_set("stop-writes-on-bgsave-error", "no")
            client.bgsave()
            eventually(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "ok", guard_s=5)
            client.config_set("stop-writes-on-bgsave-error", "yes")
        super().undo()


class _OfCluster(Fault):
    """A fault of the cluster. Undone is it when every slot is served and every replica follows."""

    @property
    def redis(self) -> ValkeyCluster:
        return cast("ValkeyCluster", self.world.redis)

    def some_master(self) -> Valkey:
        masters = [node for node in self.redis.nodes if _role(node) == "master"]
        return masters[self.act.dice % len(masters)]

    def undo(self) -> None:
        heal_cluster(self.redis)


class KillMaster(_OfCluster):
    """The cluster makes its replica the master."""

    def do(self) -> None:
        self.some_master().kill()


class RestartMasterEmpty(_OfCluster):
    """Back so soon that the cluster noticed nothing, and without its data: it keeps none on disk."""

    def do(self) -> None:
        node = self.some_master()
        node.kill()
        node.restart()


class PauseMaster(_OfCluster):
    def do(self) -> None:
        self.some_master().pause()


class FlushMaster(_OfCluster):
    def do(self) -> None:
        with self.some_master().client() as client:
            client.flushall()


class FlushScripts(Fault):
    """The servers forget every script."""

    def do(self) -> None:
        for node in masters_of(self.world.redis):
            with node.client() as client:
                client.script_flush()


class RedisFull(Fault):
    """Over `maxmemory`: writes are refused with OOM."""

    def do(self) -> None:
        self._limit("1mb")

    def undo(self) -> None:
        self._limit("0")

    def _limit(self, size: str) -> None:
        for node in self.world.redis.nodes:
            with node.client() as client, contextlib.suppress(redis.RedisError):
                client.config_set("maxmemory", size)


def masters_of(servers: SentinelRedis | ValkeyCluster) -> list[Valkey]:
    """The nodes that take writes."""
    if isinstance(servers, SentinelRedis):
        return [servers.master()]
    return [node for node in servers.nodes if _role(node) == "master"]


def heal_cluster(servers: ValkeyCluster) -> None:
    """Whatever was done: all run, every slot is served, every replica follows."""
    for node in servers.nodes:
        node.resume()
        if not node.process.is_running:
            node.restart()
    assert eventually(lambda: all(map(_is_well, servers.nodes)), guard_s=90), "the Valkey cluster did not heal"
    assert eventually(lambda: len(masters_of(servers)) == 3, guard_s=90), "the Valkey cluster has no three masters"


def _is_well(node: Valkey) -> bool:
    try:
        with node.client() as client:
            state = cast("dict[str, str]", client.execute_command("CLUSTER INFO"))["cluster_state"]
            there = client.info("replication")
    except redis.RedisError:
        return False
    return state == "ok" and (there["role"] == "master" or there["master_link_status"] == "up")


def _role(node: Valkey) -> str:
    try:
        with node.client() as client:
            return str(client.info("replication")["role"])
    except redis.RedisError:
        return "away"
