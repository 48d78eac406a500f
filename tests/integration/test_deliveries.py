"""Whatever way a log is delivered, real servers come to what the twin and the events say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from processor.index.connect import Client, connect
from processor.index.digest import digest
from processor.index.memory import MemoryStore
from processor.index.redis import RedisStore
from processor.index.reduce import reduce
from processor.index.store import Batch
from processor.local import ValkeyCluster
from tests.support.budget import within
from tests.support.deliveries import AT_ONCE_US, BUCKETS, LosingMemory, LosingRedis, hold_together
from tests.support.events import Json, observe
from tests.support.histories import events


def emptied(client: Client, **where: str) -> Callable[[], LosingRedis]:
    def open_store() -> LosingRedis:
        client.flushall(**where)
        return LosingRedis(client, buckets=BUCKETS)

    return open_store


def test_valkey_comes_to_what_the_twin_and_the_events_say(redis_url: str) -> None:
    hold_together([lambda: LosingMemory(BUCKETS), emptied(connect(redis_url))], examples=60)


def test_a_cluster_comes_to_what_the_twin_and_the_events_say() -> None:
    with ValkeyCluster(masters=3, replicas=0) as servers:
        cluster = emptied(connect(servers.url), target_nodes="primaries")
        hold_together([lambda: LosingMemory(BUCKETS), cluster], examples=10)


def test_two_workers_at_the_same_time_come_to_the_same_as_one(redis_url: str) -> None:
    clients = (connect(redis_url), connect(redis_url))

    @given(st.lists(events(), min_size=2, max_size=12), st.data())
    @within(40)
    def both(history: list[Json], data: st.DataObject) -> None:
        emptied(clients[0])()
        work = [shuffled_batches(history, data) for _ in clients]
        with ThreadPoolExecutor(len(clients)) as pool:
            list(pool.map(apply_all, clients, work))
        twin = MemoryStore(BUCKETS)
        twin.apply(reduce([(observe(event), None) for event in history], BUCKETS, AT_ONCE_US))
        store = RedisStore(clients[0])
        assert digest(store) == digest(twin)
        assert apply_all(clients[0], work[0]) == 0, "what was known is announced again"

    both()


def shuffled_batches(history: Sequence[Json], data: st.DataObject) -> list[Batch]:
    """All of a history in an order of its own, some of it twice, in batches of a size of its own."""
    again = data.draw(st.lists(st.sampled_from(history), max_size=3))
    order, size = data.draw(st.permutations([*history, *again])), data.draw(st.integers(1, 4))
    return [
        reduce([(observe(event), None) for event in order[start : start + size]], BUCKETS, AT_ONCE_US)
        for start in range(0, len(order), size)
    ]


def apply_all(client: Client, batches: Sequence[Batch]) -> int:
    """Apply one batch after another as one worker does; how many changes that announced."""
    store = RedisStore(client)
    return sum(len(store.apply(batch)) for batch in batches)
