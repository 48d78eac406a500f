"""Every kind of Redis URL, against a real server of that kind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from processor.index.connect import Client, connect
from processor.index.redis import RedisStore
from processor.local import Valkey
from processor.local.ports import HOST, free_ports
from processor.local.process import ChildProcess
from processor.local.valkey import server_binary
from processor.model.errors import DependencyError, UsageError
from tests.waiting import eventually


def test_a_unix_socket(tmp_path: Path) -> None:
    socket = tmp_path / "valkey.sock"
    with Valkey(settings={"unixsocket": str(socket)}):
        assert connect(f"unix://{socket}").ping()


def test_a_user_and_a_password_and_a_database() -> None:
    with Valkey() as server:
        _only_user(server, "worker", "pa%ss:word")
        client = connect(f"redis://worker:pa%25ss%3Aword@{HOST}:{server.port}/3")
        assert client.set("a", "b")
        assert client.client_info()["db"] == 3


def test_a_wrong_password_is_a_dependency_failure_that_does_not_show_it() -> None:
    with Valkey() as server:
        _only_user(server, "worker", "right")
        with pytest.raises(DependencyError) as error:
            RedisStore(connect(f"redis://worker:not-this-one@{HOST}:{server.port}"))
        assert "not-this-one" not in str(error.value)


def _only_user(server: Valkey, name: str, password: str) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", name, "on", f">{password}", "~*", "&*", "+@all")
        client.execute_command("ACL", "SETUSER", "default", "off")


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[int]:
    """The port of a sentinel that watches one master under the name `lineage`."""
    with Valkey() as master:
        (port,) = free_ports(1)
        config = tmp_path / "sentinel.conf"
        config.write_text(
            f"bind {HOST}\nport {port}\ndir {tmp_path}\nsentinel monitor lineage {HOST} {master.port} 1\n"
        )
        command = [str(server_binary()), str(config), "--sentinel"]
        process = ChildProcess("a sentinel", command, log_path=tmp_path / "sentinel.log")
        yield port
        process.stop()


def test_sentinels(sentinel: int) -> None:
    client = connect(f"redis+sentinel://{HOST}:1,{HOST}:{sentinel}/lineage")
    assert _eventually_pings(client)


@pytest.mark.parametrize("url", ["http://localhost", "redis+ring://localhost", "localhost:6379"])
def test_a_url_of_another_kind_is_refused_with_what_would_do(url: str) -> None:
    with pytest.raises(UsageError, match=r"redis\+cluster://"):
        connect(url)


def test_a_cluster_that_is_not_there_is_a_dependency_failure() -> None:
    (port,) = free_ports(1)
    with pytest.raises(DependencyError):
        connect(f"redis+cluster://{HOST}:{port}", timeout_s=0.5)


def _eventually_pings(client: Client) -> bool:
    def pings() -> bool:
        with contextlib.suppress(RedisError):
            return bool(client.ping())
        return False

    return eventually(pings)
