"""An upgrade while events flow: a newer version takes the place of an older one, and nobody but the lag notices."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from processor import __version__
from processor.index.layout import FORMAT_VERSION
from processor.local import KafkaCluster, Valkey
from processor.settings_sources import environment_for_child
from tests.support.answers import status_of
from tests.support.indexing import Running, World, encoded, pipelines
from tests.waiting import eventually

NEWER = "99.0.0"
AT_ONCE = 50
"""Events that come together, time and again."""
REBALANCES_BOUND = 4
"""One for who joins and one for who leaves, each of at most two rounds: one gives partitions up, one takes them."""


@pytest.fixture
def world(kafka: KafkaCluster, redis_url: str, topic_prefix: str) -> World:
    return World.make(kafka.bootstrap, redis_url, topic_prefix, batch_size=100)


@contextmanager
def indexer(world: World, path: Path | None = None) -> Iterator[Running]:
    """An indexer in a process of its own; `path` goes before all others from which it imports."""
    environment = environment_for_child(world.settings.to_environment())
    before = f"{path}:" if path else ""
    with Running(("run", "--role", "indexer"), {**environment, "PYTHONPATH": f"{before}{Path.cwd()}"}) as running:
        yield running


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """What an installed newer version tells of itself, to who imports from here first."""
    folder = tmp_path / f"lineage_processor-{NEWER}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lineage-processor\nVersion: {NEWER}\n", "utf-8")
    return tmp_path


@contextmanager
def flow(world: World) -> Iterator[None]:
    """Events come all the time that this is open, the same ones again where that is long."""
    stop, values = threading.Event(), itertools.cycle(encoded(pipelines(20_000)))

    def send() -> None:
        while not stop.wait(0.25):
            world.produce(list(itertools.islice(values, AT_ONCE)))

    sending = threading.Thread(target=send)
    sending.start()
    try:
        yield
    finally:
        stop.set()
        sending.join(60)


def taken(running: Running) -> float:
    return running.metric("lineage_processor_events_total")


def versions(running: Running) -> set[str]:
    return set(re.findall(r'lineage_processor_build_info\{[^}]*version="([^"]+)"', running.get("/metrics")[1]))


def test_one_of_two_is_replaced_by_a_newer_version_while_events_flow(world: World, newer: Path) -> None:
    with ExitStack() as stack:
        old, stays = (stack.enter_context(indexer(world)) for _ in range(2))
        assert eventually(lambda: old.is_ready() and stays.is_ready()), old.text
        for each in (old, stays):  # else the rebalance that lets the second in counts below
            assert eventually(lambda each=each: each.metric("lineage_processor_assigned_partitions") > 0)  # type: ignore[misc]  # of this turn
        flowing = stack.enter_context(ExitStack())
        flowing.enter_context(flow(world))
        assert eventually(lambda: taken(stays) > AT_ONCE)
        before = stays.metric("lineage_processor_rebalances_total")
        new = stack.enter_context(indexer(world, newer))
        assert eventually(lambda: new.is_ready() and taken(new) > 0), new.text
        assert eventually(lambda: world.behind() <= AT_ONCE), "what moved to the newer one waits"
        assert versions(old) | versions(new) == {__version__, NEWER}
        old.process.terminate()
        assert old.wait() == 0, old.text
        left, at_end = (stays, new), (taken(stays), taken(new))
        assert eventually(lambda: all(taken(each) > had + AT_ONCE for each, had in zip(left, at_end, strict=True)))
        assert eventually(lambda: world.behind() <= AT_ONCE), "what the older one read waits"
        assert 0 < stays.metric("lineage_processor_rebalances_total") - before <= REBALANCES_BOUND
        assert stays.is_ready()
        flowing.close()
        assert eventually(lambda: world.behind() == 0)
        for each in (stays, new):
            each.process.terminate()
            assert each.wait() == 0, each.text
    assert world.digest() == world.oracle()
    assert world.outbox() == 0
    assert world.dead_letters() == []


@pytest.mark.parametrize(
    ("role", "found", "said"),
    [("indexer", FORMAT_VERSION + 1, "upgrade this worker"), ("alerter", FORMAT_VERSION - 1, "lineage rebuild")],
)
def test_an_index_of_another_version_is_left_alone_by_who_starts(
    world: World, valkey: Valkey, role: str, found: int, said: str
) -> None:
    with valkey.client() as client:
        client.hset("lineage:{meta}:index", mapping={"format": found, "generation": 7, "buckets": 64})
        before = client.dbsize()
        with world.process("run", "--role", role) as running:
            assert running.wait() == 2, running.text
        assert said in running.text.splitlines()[-1]
        assert client.dbsize() == before


def test_who_works_ends_when_a_newer_version_takes_the_index_over(world: World, valkey: Valkey) -> None:
    often = World(world.settings.changed(reconcile_interval_s=1.0))
    with ExitStack() as stack:
        workers = [stack.enter_context(often.process("run", "--role", role)) for role in ("indexer", "alerter")]
        api = stack.enter_context(world.process("run", "--role", "api"))
        for each in (*workers, api):
            assert eventually(each.is_ready), each.text
        with valkey.client() as client:
            client.hset("lineage:{meta}:index", mapping={"format": FORMAT_VERSION + 1, "generation": 2})
        for each in workers:
            assert each.wait() == 2, each.text
            assert "newer version" in each.text.splitlines()[-1]
        [serving] = api.logged("serving the API")
        assert eventually(lambda: status_of(f"{serving['url']}/api/v2/nodes") == 503)
        assert api.get("/livez")[0] == 200
