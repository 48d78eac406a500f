"""Whatever way a log is delivered, real servers come to what the twin and the events say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from hypothesis import example, given
from hypothesis import strategies as st

from processor.index.connect import Client, connect
from processor.index.digest import digest
from processor.index.expiry import Keep
from processor.index.keys import Key
from processor.index.memory import MemoryStore
from processor.index.redis import RedisStore
from processor.index.reduce import reduce
from processor.index.store import Batch, Store
from processor.local import ValkeyCluster
from tests.support.budget import within
from tests.support.deliveries import AT_ONCE_US, BUCKETS, LosingMemory, LosingRedis, hold_together
from tests.support.events import Json, at, event, observe, schema, table
from tests.support.histories import events

DAY_MIN = 24 * 60


def emptied(client: Client, **where: str) -> Callable[[], LosingRedis]:
    def open_store() -> LosingRedis:
        client.flushall(**where)
        return LosingRedis(client, buckets=BUCKETS)

    return open_store


def test_valkey_comes_to_what_the_twin_and_the_events_say(redis_url: str) -> None:
    hold_together([lambda: LosingMemory(BUCKETS), emptied(connect(redis_url))], examples=60)


def test_a_cluster_comes_to_what_the_twin_and_the_events_say(valkey_cluster: ValkeyCluster) -> None:
    cluster = emptied(connect(valkey_cluster.url), target_nodes="primaries")
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
        twin.apply(reduce([(observe(each), None) for each in history], BUCKETS, AT_ONCE_US))
        store = RedisStore(clients[0])
        assert digest(store) == digest(twin)
        assert apply_all(clients[0], work[0]) == 0, "what was known is announced again"

    both()


@st.composite
def aged_events(draw: st.DrawFn) -> Json:
    """Any event, on any day of some months."""
    return {**draw(events()), "eventTime": at(draw(st.integers(0, 130)) * DAY_MIN)}


LONG_OPEN = [[event("j", "START", 0)], [event("j", "COMPLETE", 90 * DAY_MIN)]]
TWO_LANES_LOSE_ONE_VERSION = [
    [event(job, "COMPLETE", day * DAY_MIN, outputs=[table("a", schema=schema(column))]) for job in ("j", "o")]
    for day, column in enumerate(("id", "amount"))
]


def test_valkey_keeps_and_announces_what_the_twin_does_while_runs_and_versions_expire(redis_url: str) -> None:
    client, keep = connect(redis_url), Keep(versions=1)

    @given(st.lists(st.lists(aged_events(), min_size=1, max_size=8), min_size=1, max_size=4))
    @example(LONG_OPEN)
    @example(TWO_LANES_LOSE_ONE_VERSION)
    @within(60)
    def same(batches: list[list[Json]]) -> None:
        client.flushall()
        store, twin = RedisStore(client, buckets=1, keep=keep), MemoryStore(1, keep)
        for some in batches:
            batch = reduce([(observe(each), None) for each in some], 1)
            assert sorted(store.apply(batch)) == sorted(twin.apply(batch))
            assert contents(store) == contents(twin)
        assert store.late_events == twin.late_events

    same()


def contents(store: Store) -> dict[Key, dict[bytes, bytes]]:
    """All that is there, expired or not."""
    keys = list(store.keys())
    return dict(zip(keys, store.fetch(keys), strict=True))


def shuffled_batches(history: Sequence[Json], data: st.DataObject) -> list[Batch]:
    """All of a history in an order of its own, some of it twice, in batches of a size of its own."""
    again = data.draw(st.lists(st.sampled_from(history), max_size=3))
    order, size = data.draw(st.permutations([*history, *again])), data.draw(st.integers(1, 4))
    return [
        reduce([(observe(each), None) for each in order[start : start + size]], BUCKETS, AT_ONCE_US)
        for start in range(0, len(order), size)
    ]


def apply_all(client: Client, batches: Sequence[Batch]) -> int:
    """Apply one batch after another as one worker does; how many changes that announced."""
    store = RedisStore(client)
    return sum(len(store.apply(batch)) for batch in batches)
