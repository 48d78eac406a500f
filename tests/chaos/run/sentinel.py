"""A Valkey with a replica, and a sentinel that fails over: the single Redis of most people."""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

import redis

from processor.local import Valkey
from processor.local.ports import HOST, free_ports
from processor.local.process import ChildProcess
from processor.local.valkey import server_binary
from tests.waiting import eventually

_SERVICE: Final = "chaos"
_DOWN_AFTER_MS: Final = 2000
_CONFIG: Final = """\
port {port}
bind {host}
dir {folder}
sentinel monitor {service} {host} {master} 1
sentinel down-after-milliseconds {service} {down_after}
sentinel failover-timeout {service} 4000
sentinel parallel-syncs {service} 1
"""
_NODE: Final = {
    "appendfsync": "everysec",
    # One file that only grows, so that a copy of it is a snapshot.
    "auto-aof-rewrite-percentage": "0",
    "repl-diskless-sync-delay": "0",
    "enable-protected-configs": "local",
    "save": "3600 1000000",
}


class SentinelRedis:
    """Two servers, of which the sentinel says which is the master."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.nodes = [Valkey(data_dir=folder / f"node-{n}", settings=_NODE) for n in range(2)]
        self._sentinel: ChildProcess | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The address for the processor."""
        return f"redis+sentinel://{HOST}:{self._port}/{_SERVICE}"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop()

    def master(self) -> Valkey:
        """The node that the sentinel calls master."""
        with contextlib.closing(redis.Redis(host=HOST, port=self._port, socket_timeout=2)) as client:
            _, port = cast("Any", client.sentinel_get_master_addr_by_name(_SERVICE))
        return next(node for node in self.nodes if node.port == int(port))

    def replica(self) -> Valkey:
        """The other one."""
        master = self.master()
        return next(node for node in self.nodes if node is not master)

    def heal(self) -> None:
        """Whatever was done: both run, one follows the other, and the sentinel agrees."""
        for node in self.nodes:
            node.resume()
            if not node.process.is_running:
                node.restart()
        assert eventually(self._is_whole, guard_s=90), "Valkey and its replica did not find together again"

    def write_lost(self, seconds: float, sleep: Callable[[float], None]) -> None:
        """Cut the replica off for so long, then lose the master: what it got meanwhile is lost."""
        replica = self.replica()
        with replica.client() as client:
            client.replicaof(HOST, "1")
        sleep(seconds)
        self.fail_over()

    def fail_over(self) -> None:
        """Lose the master; the sentinel makes the replica the new one."""
        old = self.master()
        old.kill()
        assert eventually(lambda: self._master_or_none() not in (None, old)), "the sentinel did not fail over"

    def restart_master(self) -> None:
        """Kill the master and start it again at once, with all that it had been told."""
        master = self.master()
        master.kill()
        master.restart()

    def snapshot(self) -> Path:
        """Keep what the master has now, for `restore`."""
        kept = self._folder / "snapshot"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self._data_of(self.master()), kept)
        return kept

    def restore(self, kept: Path) -> None:
        """Both die, and the master comes back with an older state."""
        master, replica = self.master(), self.replica()
        replica.kill()
        master.kill()
        shutil.rmtree(self._data_of(master))
        shutil.move(kept, self._data_of(master))
        master.restart()
        replica.restart()

    def _data_of(self, node: Valkey) -> Path:
        return self._folder / f"node-{self.nodes.index(node)}" / "appendonlydir"

    def _start(self) -> None:
        for node in self.nodes:
            node.start()
        master, replica = self.nodes
        with replica.client() as client:
            client.replicaof(HOST, str(master.port))
        [self._port] = free_ports(1)
        config = self._folder / "sentinel.conf"
        facts = {"host": HOST, "folder": self._folder, "service": _SERVICE, "down_after": _DOWN_AFTER_MS}
        config.write_text(_CONFIG.format(port=self._port, master=master.port, **facts))
        command = [str(server_binary()), str(config), "--sentinel"]
        self._sentinel = ChildProcess("Sentinel", command, log_path=self._folder / "sentinel.log")
        assert eventually(self._is_whole), "Valkey, its replica and the sentinel did not find together"

    def _stop(self) -> None:
        if self._sentinel is not None:
            self._sentinel.kill()
        for node in self.nodes:
            with contextlib.suppress(Exception):
                node.process.send_signal(signal.SIGCONT)
                node.process.kill()
            node.stop()

    def _master_or_none(self) -> Valkey | None:
        with contextlib.suppress(redis.RedisError, StopIteration):
            return self.master()
        return None

    def _is_whole(self) -> bool:
        """Whether the replica follows the master that the sentinel names; a lost one is told whom to follow."""
        try:
            master = self.master()
            [replica] = [node for node in self.nodes if node is not master]
            return self._is_led_by(master, replica)
        except (redis.RedisError, StopIteration):
            return False

    def _is_led_by(self, master: Valkey, replica: Valkey) -> bool:
        with master.client() as of_master, replica.client() as of_replica:
            there = cast("dict[str, Any]", of_replica.info("replication"))
            if of_master.info("replication")["role"] != "master":
                if there["role"] == "slave":  # each takes the other for the master
                    of_master.replicaof("NO", "ONE")
                return False
            follows = there["role"] == "slave" and there.get("master_port") == master.port
            if not follows:
                of_replica.replicaof(HOST, str(master.port))
            return bool(follows and there.get("master_link_status") == "up")
