"""An indexer on three masters with a replica each, while slots move, nodes are lost, and nodes come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from processor.local import KafkaCluster, Valkey, ValkeyCluster
from processor.local.ports import HOST
from tests.support.cluster import ask, is_ok, masters, migrating, move_at_once, move_some, owner_of, slot_of
from tests.support.indexing import Running, World, encoded, pipelines
from tests.waiting import eventually

EVENTS: Final = encoded(pipelines(6000, jobs=3000))
STEP: Final = 150
SETTINGS: Final = {
    "appendonly": "yes",
    "appendfsync": "always",
    "cluster-enabled": "yes",
    "cluster-node-timeout": "2000",
    # A master that gave its last slot away stays one.
    "cluster-allow-replica-migration": "no",
}


@dataclass(slots=True)
class Stage:
    """A cluster, and an indexer that works on it."""

    cluster: ValkeyCluster
    world: World
    indexer: Running
    fed: int = 0

    def feed(self) -> None:
        """Some more events."""
        self.world.produce(EVENTS[self.fed : self.fed + STEP])
        self.fed += STEP

    def buckets_of(self, node: Valkey) -> list[int]:
        """The buckets whose slots this node serves."""
        return [bucket for bucket in range(64) if owner_of(self.cluster, slot_of(bucket)) is node]

    def others(self, *nodes: Valkey) -> list[Valkey]:
        """The other masters."""
        return [node for node in masters(self.cluster) if node not in nodes]

    def pair(self) -> tuple[Valkey, Valkey]:
        """A master and the node that follows it, once each of the three has one."""
        assert eventually(lambda: sorted(self.followers()) == sorted(node.port for node in masters(self.cluster)))
        master = masters(self.cluster)[0]
        return master, self.followers()[master.port]

    def followers(self) -> dict[int, Valkey]:
        """Who follows, by the port of its master."""
        roles = [(node, ask(node, "ROLE")) for node in self.cluster.nodes]
        return {role[2]: node for node, role in roles if role[0] == b"slave"}


@pytest.fixture(scope="module")
def stage(kafka: KafkaCluster) -> Iterator[Stage]:
    with ValkeyCluster(masters=3, replicas=1, settings=SETTINGS) as cluster:
        # Who does not poll is put out sooner, who gets no CPU for a while is not.
        steady = {"session.timeout.ms": "60000"}
        world = World.make(kafka.bootstrap, cluster.url, "cluster-", batch_size=20, redis_timeout_s=0.5, kafka=steady)
        with world.process("run", "--role", "indexer") as indexer:
            made = Stage(cluster, world, indexer)
            made.feed()
            assert eventually(indexer.is_ready), indexer.text
            assert_whole(made)
            yield made


def assert_whole(stage: Stage) -> None:
    """Everything is committed, the index is the oracle's, nothing waits to be announced, and nobody was put out."""
    world = stage.world
    assert eventually(lambda: world.behind() == 0), stage.indexer.text
    assert eventually(stage.indexer.is_ready), stage.indexer.text
    assert eventually(lambda: world.outbox() == 0), stage.indexer.text
    assert world.digest() == world.oracle()
    assert len(stage.indexer.logged("partitions assigned")) == 1


def assert_waits_alive(stage: Stage) -> None:
    assert eventually(lambda: stage.indexer.misses("redis")), stage.indexer.text
    assert stage.indexer.get("/livez")[0] == 200


def test_slots_move_key_by_key_while_it_indexes(stage: Stage) -> None:
    """MOVED, ASK and TRYAGAIN."""
    source, target = masters(stage.cluster)[:2]
    for bucket in stage.buckets_of(source)[:2]:
        with migrating(slot_of(bucket), source, target):
            move_some(slot_of(bucket), source, target, 3)
            stage.feed()
            assert eventually(lambda: waits_or_goes_on(stage)), stage.indexer.text
    assert_whole(stage)


def test_slots_move_in_one_step_while_it_indexes(stage: Stage) -> None:
    source, target = masters(stage.cluster)[:2]
    slots = [slot_of(bucket) for bucket in stage.buckets_of(source)[:6]]
    stage.feed()
    move_at_once(slots, source, target)
    stage.feed()
    assert_whole(stage)


def test_slots_move_to_a_master_that_it_has_not_met(stage: Stage) -> None:
    with Valkey(settings={**SETTINGS, "appendonly": "no"}) as fresh:
        known = stage.cluster.nodes[0]
        ask(fresh, "CLUSTER MEET", HOST, known.port, known.bus_port)
        source = masters(stage.cluster)[0]
        assert eventually(lambda: is_ok(fresh) and _knows(source, fresh))
        bucket = stage.buckets_of(source)[0]
        with migrating(slot_of(bucket), source, fresh):
            stage.feed()
            assert eventually(lambda: waits_or_goes_on(stage)), stage.indexer.text
        assert_whole(stage)
        with migrating(slot_of(bucket), fresh, source):
            stage.feed()
        assert_whole(stage)


def test_a_master_is_killed_and_its_replica_takes_over(stage: Stage) -> None:
    victim = owner_of(stage.cluster, 0)  # redis-py's default node, which it asks whatever concerns no slot
    waited = len(stage.indexer.logged("waiting for a dependency"))
    victim.kill()
    stage.feed()
    # Whoever looks late finds it ready again.
    assert eventually(lambda: len(stage.indexer.logged("waiting for a dependency")) > waited), stage.indexer.text
    assert stage.indexer.get("/livez")[0] == 200
    assert eventually(lambda: len(masters(stage.cluster)) == 3)
    assert_whole(stage)
    victim.restart()
    stage.feed()
    assert_whole(stage)


def test_a_master_and_its_replica_are_gone_and_come_back(stage: Stage) -> None:
    """CLUSTERDOWN."""
    master, replica = stage.pair()
    replica.kill()
    master.kill()
    stage.feed()
    assert_waits_alive(stage)
    other = stage.others(master)[0]
    assert eventually(lambda: not is_ok(other))
    assert_waits_alive(stage)
    master.restart()
    replica.restart()
    assert_whole(stage)


def test_every_node_freezes_and_goes_on(stage: Stage) -> None:
    for node in stage.cluster.nodes:
        node.pause()
    stage.feed()
    assert_waits_alive(stage)
    for node in stage.cluster.nodes:
        node.resume()
    assert_whole(stage)


def waits_or_goes_on(stage: Stage) -> bool:
    """Whether the step of the batch that concerns a bucket on its way was either done or put off."""
    return stage.world.behind() == 0 or stage.indexer.misses("redis")


def _knows(node: Valkey, other: Valkey) -> bool:
    return any(name.endswith(f":{other.port}") for name in ask(node, "CLUSTER NODES"))
