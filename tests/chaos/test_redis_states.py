"""Every state in which a Redis may be, one after the other, under one indexer and one alerter.

Each time both become unready and stay alive, keep their partitions, and go on by themselves when the state is over.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

import pytest
import redis

from processor.local import KafkaCluster, Valkey
from processor.local.ports import HOST
from tests.support.indexing import Running, World, encoded, pipelines
from tests.support.proxy import Mode, Proxy
from tests.waiting import eventually

State = Callable[["Stage"], AbstractContextManager[None]]
"""Begins on entry and is over on exit."""

EVENTS: Final = encoded(pipelines(6000, jobs=3000))
STEP: Final = 120
USER: Final = "worker"
NOWHERE: Final = "1"
OF_A_BATCH: Final = b":offsets\r\n"
"""A key that every step of a batch names, and nothing else that is asked meanwhile."""
SETTINGS: Final = {
    # A server that loads answers nobody between two looks at its connections.
    "loading-process-events-interval-bytes": "1024",
    "busy-reply-threshold": "100",
    "appendonly": "no",
}


@dataclass(slots=True)
class Stage:
    """One Redis behind a proxy, and who works on it."""

    server: Valkey
    proxy: Proxy
    world: World
    indexer: Running
    alerter: Running
    fed: int = 0

    def feed(self) -> None:
        """Some more events."""
        self.world.produce(EVENTS[self.fed : self.fed + STEP])
        self.fed += STEP

    def admin(self) -> AbstractContextManager[redis.Redis]:
        """A client beside the proxy, as the default user."""
        return self.server.client()

    def roles(self) -> tuple[Running, Running]:
        return self.indexer, self.alerter


@pytest.fixture(scope="module")
def stage(kafka: KafkaCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("valkey")
    users = folder / "users.acl"
    users.write_text(f"user default on nopass ~* &* +@all\nuser {USER} on >first ~* &* +@all\n")
    with Valkey(data_dir=folder, settings={**SETTINGS, "aclfile": str(users)}) as server, Proxy(server.port) as proxy:
        url = f"redis://{USER}:first@{HOST}:{proxy.port}/0"
        world = World.make(
            kafka.bootstrap,
            url,
            "states-",
            batch_size=20,
            redis_timeout_s=0.5,
            reconcile_interval_s=1.0,
            kafka={"session.timeout.ms": "60000"},  # who does not poll is put out sooner, who gets no CPU is not
        )
        with world.process("run", "--role", "indexer") as indexer, world.process("run", "--role", "alerter") as alerter:
            made = Stage(server, proxy, world, indexer, alerter)
            made.feed()
            assert eventually(lambda: all(role.is_ready() for role in made.roles())), indexer.text + alerter.text
            assert eventually(lambda: world.behind() == 0), indexer.text
            yield made


def rebalances(stage: Stage) -> list[float]:
    return [running.metric("lineage_processor_rebalances_total") for running in stage.roles()]


@contextlib.contextmanager
def a_replica_without_its_master(stage: Stage) -> Iterator[None]:
    """READONLY."""
    with stage.admin() as admin:
        admin.replicaof(HOST, NOWHERE)
        try:
            yield
        finally:
            admin.replicaof("NO", "ONE")


@contextlib.contextmanager
def a_replica_that_serves_nothing_stale(stage: Stage) -> Iterator[None]:
    """MASTERDOWN."""
    with stage.admin() as admin:
        admin.config_set("replica-serve-stale-data", "no")
        admin.replicaof(HOST, NOWHERE)
        try:
            yield
        finally:
            admin.replicaof("NO", "ONE")
            admin.config_set("replica-serve-stale-data", "yes")


@contextlib.contextmanager
def loading(stage: Stage) -> Iterator[None]:
    """LOADING: killed, and back with a snapshot that takes its time."""
    with stage.admin() as admin:
        admin.config_set("key-load-delay", "0")
        admin.save()
    stage.server.kill()
    stage.server.restart({"key-load-delay": "20000"})  # longer than anybody looks; it ends below
    with stage.admin() as admin:
        assert admin.info("persistence")["loading"] == 1
        yield
        admin.config_set("key-load-delay", "0")


@contextlib.contextmanager
def full(stage: Stage) -> Iterator[None]:
    """OOM."""
    with stage.admin() as admin:
        admin.config_set("maxmemory", "1mb")
        try:
            yield
        finally:
            admin.config_set("maxmemory", "0")


@contextlib.contextmanager
def without_enough_replicas(stage: Stage) -> Iterator[None]:
    """NOREPLICAS."""
    with stage.admin() as admin:
        admin.config_set("min-replicas-to-write", "1")
        try:
            yield
        finally:
            admin.config_set("min-replicas-to-write", "0")


def without_the_right(right: str) -> State:
    """NOPERM."""

    @contextlib.contextmanager
    def state(stage: Stage) -> Iterator[None]:
        with stage.admin() as admin:
            _ask(admin, "ACL", "SETUSER", USER, f"-{right}")
            try:
                yield
            finally:
                _ask(admin, "ACL", "SETUSER", USER, "+@all")

    return state


@contextlib.contextmanager
def with_another_password(stage: Stage) -> Iterator[None]:
    """WRONGPASS."""
    with stage.admin() as admin:
        _ask(admin, "ACL", "SETUSER", USER, "resetpass", ">second")
        _hang_up(admin)
        try:
            yield
        finally:
            _ask(admin, "ACL", "SETUSER", USER, "resetpass", ">first")


@contextlib.contextmanager
def without_its_user(stage: Stage) -> Iterator[None]:
    """The user was deleted: its connections end, and it cannot log in."""
    with stage.admin() as admin:
        _ask(admin, "ACL", "DELUSER", USER)
        yield
        _ask(admin, "ACL", "SETUSER", USER, "on", ">first", "~*", "&*", "+@all")


@contextlib.contextmanager
def with_no_room_for_clients(stage: Stage) -> Iterator[None]:
    """ERR max number of clients reached."""
    with stage.admin() as admin:
        admin.config_set("maxclients", "1")
        _hang_up(admin)
        yield
        admin.config_set("maxclients", "1000")


@contextlib.contextmanager
def busy(stage: Stage) -> Iterator[None]:
    """BUSY: somebody's script does not end."""
    forever = threading.Thread(target=_run_forever, args=(stage.server,))
    forever.start()
    with stage.admin() as admin:
        yield
        assert eventually(lambda: _kill_script(admin))
    forever.join()


def broken_way(mode: Mode) -> State:
    """Half-open, answers lost after the write was applied, or reset again and again."""
    return lambda stage: stage.proxy.doing(mode)


@contextlib.contextmanager
def frozen(stage: Stage) -> Iterator[None]:
    """SIGSTOP."""
    stage.server.pause()
    yield
    stage.server.resume()


STATES: Final[dict[str, State]] = {
    "READONLY": a_replica_without_its_master,
    "MASTERDOWN": a_replica_that_serves_nothing_stale,
    "LOADING": loading,
    "OOM": full,
    "NOREPLICAS": without_enough_replicas,
    "NOPERM-all": without_the_right("@all"),
    "NOPERM-script": without_the_right("evalsha"),
    "NOPERM-in-script": without_the_right("hset"),
    "WRONGPASS": with_another_password,
    "user-deleted": without_its_user,
    "maxclients": with_no_room_for_clients,
    "BUSY": busy,
    "half-open": broken_way(Mode.SWALLOW),
    "answers-lost": broken_way(Mode.MUTE),
    "reset": broken_way(Mode.REFUSE),
    "frozen": frozen,
}


ONLY_WRITERS_NOTICE: Final = {"NOPERM-in-script"}
"""An alerter to which nothing is announced has nothing to write."""


@pytest.mark.parametrize("name", STATES)
def test_both_wait_and_go_on(stage: Stage, name: str) -> None:
    before = rebalances(stage)
    with STATES[name](stage):
        stage.feed()
        for role in [stage.indexer] if name in ONLY_WRITERS_NOTICE else stage.roles():
            assert eventually(lambda: role.misses("redis")), role.text  # noqa: B023  called at once
            assert role.get("/livez")[0] == 200
        assert stage.world.behind() > 0
    for role in stage.roles():
        assert eventually(role.is_ready), role.text
    assert_whole(stage)
    assert rebalances(stage) == before


@pytest.mark.parametrize("harm", ["scripts-forgotten", "answer-lost", "reset-in-the-middle", "slow"])
def test_a_passing_harm_costs_nothing(stage: Stage, harm: str) -> None:
    before, lost = rebalances(stage), stage.proxy.lost
    _do(harm, stage)
    stage.feed()
    assert eventually(lambda: stage.world.behind() == 0), stage.indexer.text
    stage.proxy.mode = Mode.PASS
    assert_whole(stage)
    assert rebalances(stage) == before
    assert stage.proxy.lost == lost + (harm in {"answer-lost", "reset-in-the-middle"})


def test_after_all_of_it_nobody_has_rejected_a_record(stage: Stage) -> None:
    assert stage.world.dead_letters() == []


def assert_whole(stage: Stage) -> None:
    """Everything is committed, the index is the oracle's, and nothing waits to be announced."""
    world = stage.world
    assert eventually(lambda: world.behind() == 0), stage.indexer.text
    assert eventually(lambda: world.outbox() == 0), stage.indexer.text
    assert world.digest() == world.oracle()


def _do(harm: str, stage: Stage) -> None:
    if harm == "scripts-forgotten":
        with stage.admin() as admin:
            admin.script_flush()
    elif harm == "answer-lost":
        stage.proxy.lose_answer_to(OF_A_BATCH)
    elif harm == "reset-in-the-middle":
        stage.proxy.reset_within(OF_A_BATCH)
    else:
        stage.proxy.mode = Mode.SLOW


def _ask(admin: redis.Redis, *words: str) -> None:
    client: Any = admin
    client.execute_command(*words)


def _hang_up(admin: redis.Redis) -> None:
    _ask(admin, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def _run_forever(server: Valkey) -> None:
    with server.client() as client, contextlib.suppress(redis.RedisError):
        client.eval("while true do end", 0)


def _kill_script(admin: redis.Redis) -> bool:
    with contextlib.suppress(redis.RedisError):
        admin.script_kill()
    with contextlib.suppress(redis.RedisError):
        return bool(admin.ping())
    return False
