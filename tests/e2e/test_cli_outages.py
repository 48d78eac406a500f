"""A command while Redis or Kafka is in a bad state: exit code 3, and one line that says which and why."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from processor.local import Valkey
from processor.local.ports import HOST
from tests.support.command import Lineage
from tests.support.proxy import Mode, Proxy

SAMPLE = Path(__file__).parent.parent / "samples" / "pipeline.ndjson"


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@pytest.fixture
def proxy(server: Valkey) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def lineage(proxy: Proxy, tmp_path: Path) -> Lineage:
    return Lineage(tmp_path, {"LINEAGE_REDIS_URL": proxy.url, "LINEAGE_REDIS_TIMEOUT_S": "0.5"})


@pytest.fixture
def patient(lineage: Lineage) -> Lineage:
    """The same, with time enough for a machine that has none."""
    return lineage.having(LINEAGE_REDIS_TIMEOUT_S="60")


@contextlib.contextmanager
def locked(server: Valkey) -> Iterator[None]:
    with server.client() as admin:
        admin.config_set("requirepass", "secret")
        yield
        admin.config_set("requirepass", "")


@contextlib.contextmanager
def without_rights(server: Valkey) -> Iterator[None]:
    with server.client() as client:
        admin: Any = client
        admin.execute_command("ACL", "SETUSER", "default", "-@read", "-@write")
        yield
        admin.execute_command("ACL", "SETUSER", "default", "+@all")


@contextlib.contextmanager
def cut_off_replica(server: Valkey) -> Iterator[None]:
    with server.client() as admin:
        admin.config_set("replica-serve-stale-data", "no")
        admin.replicaof(HOST, "1")
        yield
        admin.replicaof("NO", "ONE")
        admin.config_set("replica-serve-stale-data", "yes")


def state(name: str, server: Valkey, proxy: Proxy) -> AbstractContextManager[None]:
    if name in Mode.__members__:
        return proxy.doing(Mode[name])
    return {"NOAUTH": locked, "NOPERM": without_rights, "MASTERDOWN": cut_off_replica}[name](server)


@pytest.mark.parametrize("name", ["SWALLOW", "REFUSE", "NOAUTH", "NOPERM", "MASTERDOWN"])
def test_a_command_says_in_one_line_what_is_wrong_with_redis(
    server: Valkey, proxy: Proxy, lineage: Lineage, patient: Lineage, name: str
) -> None:
    with state(name, server, proxy):
        done, asked = lineage("digest"), lineage("doctor")
    assert done.code == 3, done.err
    assert asked.code == (3 if name in Mode.__members__ else asked.code), asked.out
    assert done.out == ""
    [line] = done.err.splitlines()
    assert line.startswith("lineage: Redis: ")
    assert line.endswith("lineage doctor")
    assert ".;" not in line
    assert patient("digest").code == 0


def test_a_redis_that_takes_no_writes_can_still_be_asked(server: Valkey, patient: Lineage) -> None:
    patient.ok("load", SAMPLE)
    before = patient.ok("digest").out
    with server.client() as admin:
        admin.replicaof(HOST, "1")
        asked, loaded = patient("digest"), patient("load", SAMPLE)
        admin.replicaof("NO", "ONE")
    assert (asked.code, asked.out) == (0, before), asked.err
    assert loaded.code == 3
    assert loaded.err.splitlines()[-1].startswith("lineage: Redis: ")
