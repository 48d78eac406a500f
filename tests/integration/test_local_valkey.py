"""The local Valkey is a real one, ends when it should, and keeps only what it is told to keep."""

import socket
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from processor.local import LocalServiceError, Valkey, ValkeyCluster, valkey
from processor.local.ports import HOST, free_ports
from tests.waiting import eventually

NEVER = Retry(NoBackoff(), 0)


def test_it_answers_and_leaves_nothing_behind() -> None:
    with Valkey() as server, server.client() as client:
        client.set("key", "value")
        folder = server.process.log_path.parent
        assert client.get("key") == b"value"
        assert folder.is_dir()
    assert not server.process.is_running
    assert not folder.exists()


def test_it_listens_on_the_loopback_address_only() -> None:
    with Valkey() as server, server.client() as client:
        assert client.config_get("bind") == {"bind": "127.0.0.1"}


def test_a_given_folder_keeps_its_data(tmp_path: Path) -> None:
    with Valkey(data_dir=tmp_path) as server, server.client() as client:
        client.set("key", "value")
    with Valkey(data_dir=tmp_path) as server, server.client() as client:
        assert client.get("key") == b"value"


def test_a_killed_server_comes_back_on_its_port(tmp_path: Path) -> None:
    with Valkey(data_dir=tmp_path, settings={"appendfsync": "always"}) as server:
        url = server.url
        with server.client() as client:
            client.set("key", "value")
        server.kill()
        server.restart()
        assert server.url == url
        with server.client() as client:
            assert client.get("key") == b"value"


def test_a_running_server_is_not_started_twice() -> None:
    with Valkey() as server, pytest.raises(LocalServiceError, match="kill it first"):
        server.restart()


def test_a_frozen_server_goes_on_where_it_stood() -> None:
    with Valkey() as server:
        server.pause()
        hasty = redis.Redis(host=HOST, port=server.port, socket_timeout=0.3, retry=NEVER)
        with hasty, pytest.raises(redis.TimeoutError):
            hasty.ping()
        server.resume()
        with server.client() as client:
            assert client.ping()


def test_a_wrong_setting_is_told_with_the_words_of_the_log() -> None:
    with pytest.raises(LocalServiceError, match="no-such-setting"), Valkey(settings={"no-such-setting": "1"}):
        pass


def test_a_port_that_another_process_took_first_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as quicker:
        taken = [quicker.getsockname()[1], *free_ports(1)]
        answers = iter([taken, free_ports(2)])
        monkeypatch.setattr(valkey, "free_ports", lambda _count: next(answers))
        with Valkey() as server, server.client() as client:
            assert client.ping()
            assert server.port != taken[0]


def test_a_cluster_serves_every_slot_and_survives_a_master() -> None:
    with ValkeyCluster(masters=3, replicas=1) as cluster:
        with cluster.client() as client:
            for number in range(50):
                client.set(f"key-{number}", number)
            client.wait(1, 60_000, target_nodes=redis.RedisCluster.PRIMARIES)
        cluster.nodes[0].kill()
        assert eventually(lambda: read(cluster) == [str(number).encode() for number in range(50)])


def read(cluster: ValkeyCluster) -> list[object]:
    """Return all values, or none while the cluster has no master for some of them."""
    with cluster.client() as client:
        try:
            return [client.get(f"key-{number}") for number in range(50)]
        except redis.RedisError:
            return []
