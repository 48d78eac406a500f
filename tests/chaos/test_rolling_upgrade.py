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
A_SECOND = 200
"""Events in each second of the flow."""
LAG_BOUND = 15 * A_SECOND
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
def flow(world: World) -> Iterator[list[int]]:
    """Events come all the time that this is open; gives what was behind at each look."""
    stop, lags = threading.Event(), list[int]()
    values = iter(encoded(pipelines(20_000)))

    def send() -> None:
        while not stop.wait(0.25):
            world.produce(list(itertools.islice(values, A_SECOND // 4)))

    def look() -> None:
        while not stop.wait(0.2):
            lags.append(world.behind())

    threads = [threading.Thread(target=each) for each in (send, look)]
    for thread in threads:
        thread.start()
    try:
        yield lags
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def versions(running: Running) -> set[str]:
    return set(re.findall(r'lineage_processor_build_info\{[^}]*version="([^"]+)"', running.get("/metrics")[1]))


def test_one_of_two_is_replaced_by_a_newer_version_while_events_flow(world: World, newer: Path) -> None:
    with ExitStack() as stack:
        old, stays = (stack.enter_context(indexer(world)) for _ in range(2))
        assert eventually(lambda: old.is_ready() and stays.is_ready()), old.text
        for each in (old, stays):  # else the rebalance that lets the second in counts below
            assert eventually(lambda each=each: each.metric("lineage_processor_assigned_partitions") > 0)  # type: ignore[misc]  # of this turn
        flowing = stack.enter_context(ExitStack())
        lags = flowing.enter_context(flow(world))
        assert eventually(lambda: stays.metric("lineage_processor_events_total") > A_SECOND)
        before = stays.metric("lineage_processor_rebalances_total")
        new = stack.enter_context(indexer(world, newer))
        assert eventually(lambda: new.is_ready() and new.metric("lineage_processor_events_total") > 0), new.text
        assert versions(old) | versions(new) == {__version__, NEWER}
        old.process.terminate()
        assert old.wait() == 0, old.text
        at_end = new.metric("lineage_processor_events_total")
        assert eventually(lambda: new.metric("lineage_processor_events_total") > at_end + A_SECOND)
        assert 0 < stays.metric("lineage_processor_rebalances_total") - before <= REBALANCES_BOUND
        assert stays.is_ready()
        flowing.close()
        assert eventually(lambda: world.behind() == 0)
        for each in (stays, new):
            each.process.terminate()
            assert each.wait() == 0, each.text
    assert max(lags) < LAG_BOUND
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
