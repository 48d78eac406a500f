"""Where a worker reads from whose partitions come and go, and what it makes of what it had fetched of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any, cast

from confluent_kafka import TopicPartition

from processor.index.memory import MemoryStore
from processor.index.store import Covered
from processor.indexer.progress import Tracker
from processor.indexer.records import Partition
from processor.indexer.source import Source
from processor.indexer.stocktaking import Stocktaking
from processor.telemetry import metrics

A = Partition("events", 0)


class Message:
    """An empty record."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def __len__(self) -> int:
        return 1

    def value(self) -> bytes:
        return b""

    def error(self) -> None:
        return None

    def topic(self) -> str:
        return A.topic

    def partition(self) -> int:
        return A.number

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return 1, 0

    def key(self) -> None:
        return None

    def headers(self) -> Sequence[Any]:
        return ()


class Member:
    """A client that stands in one partition of 2000 records, of which the group has committed some.

    `between`: what the group does before the next look at the queue.
    """

    def __init__(self, committed: int) -> None:
        self.position = self._committed = committed
        self.low = 0
        self.between: Callable[[], None] = lambda: None
        self._given: Callable[[object, list[TopicPartition]], None]
        self._lost: Callable[[object, list[TopicPartition]], None]

    def subscribe(self, _topics: object, *, on_assign: Any, on_revoke: Any, on_lost: Any) -> None:  # noqa: ANN401
        self._given, self._lost = on_assign, on_lost
        del on_revoke

    def join(self) -> None:
        self.position = self._committed
        self._given(self, [TopicPartition(*A)])

    def lose(self) -> None:
        self._lost(self, [TopicPartition(*A)])

    def consume(self, count: int, _wait_s: float) -> list[Message]:
        self.between()
        found = [Message(self.position + number) for number in range(min(count, 10))]
        self.position += len(found)
        return found

    def poll(self, _wait_s: float) -> None:
        self.between()

    def seek(self, where: TopicPartition) -> None:
        self.position = where.offset

    def committed(self, asked: Iterable[TopicPartition], _wait_s: float) -> list[TopicPartition]:
        return [TopicPartition(each.topic, each.partition, self._committed) for each in asked]

    def get_watermark_offsets(self, *_asked: object, **_how: object) -> tuple[int, int]:
        return self.low, 2000

    def list_topics(self, *_asked: object) -> Any:  # noqa: ANN401
        return SimpleNamespace(
            topics={A.topic: SimpleNamespace(topic=A.topic, error=None, partitions={A.number: None})}
        )

    def assignment(self) -> list[object]:
        return []

    def pause(self, _partitions: object) -> None:
        pass

    resume = pause

    def commit(self, **_what: object) -> None:
        pass


def joined(member: Member) -> Source:
    source = Source(lambda _: cast("Any", member), [A.topic])
    source.subscribe()
    member.join()
    return source


def test_a_partition_that_is_read_again_and_came_back_meanwhile_is_read_again_from_where_the_index_stands() -> None:
    member, store = Member(committed=1000), MemoryStore()
    store.apply({}, {A.key: Covered(0, 500)})
    source, tracker = joined(member), Tracker(lambda _: None)
    stock = Stocktaking(source, store, tracker)
    stock.take(again=False)
    assert (member.position, tracker.position(A), tracker.until(A)) == (500, 500, 1000)
    member.lose()
    member.join()
    stock.take(again=False)
    assert (member.position, tracker.position(A), tracker.until(A)) == (500, 500, 1000)


def test_what_was_fetched_before_a_partition_went_is_void_also_when_it_came_back() -> None:
    member = Member(committed=100)
    source = joined(member)

    def leave_and_return() -> None:
        member.between = lambda: None
        member.lose()
        member.join()

    member.between = lambda: setattr(member, "between", leave_and_return)
    records = source.fetch(20, 60.0).records
    assert [record.offset for record in records] == list(range(100, 119))  # 20, of which the first was void


def test_what_went_while_a_dependency_was_waited_for_is_no_longer_ours() -> None:
    member = Member(committed=100)
    source = joined(member)
    fetched = source.fetch(10, 60.0)
    assert len(source.still_ours(fetched).records) == 10
    member.between = member.lose
    source.hold(0.01)
    assert not source.still_ours(fetched).records


def test_what_is_read_from_elsewhere_now_is_void_and_nothing_else() -> None:
    member = Member(committed=100)
    source = joined(member)
    fetched = source.fetch(10, 60.0)
    source.read_from({Partition("events", 1): 5})
    assert len(source.still_ours(fetched).records) == 10
    source.read_from({A: 50})
    assert not source.still_ours(fetched).records


def test_a_worker_without_partitions_goes_over_to_another_generation_once() -> None:
    class Rebuilt(MemoryStore):
        generation = 1

    member, store = Member(committed=0), Rebuilt()
    source = joined(member)
    stock = Stocktaking(source, store, Tracker(lambda _: None))
    member.lose()
    stock.take(again=False)
    Rebuilt.generation = 2
    assert stock.is_behind()
    stock.take(again=True)
    assert not stock.is_behind()


def test_what_kafka_let_go_of_before_the_worker_came_to_it_is_counted_and_other_gaps_are_not() -> None:
    def lost() -> float:
        return metrics.REGISTRY.get_sample_value("lineage_processor_records_lost_total", {"topic": A.topic}) or 0.0

    member = Member(committed=100)
    source, tracker, store = joined(member), Tracker(lambda _: None), MemoryStore()
    store.apply({}, {A.key: Covered(0, 100)})
    stock, before = Stocktaking(source, store, tracker), lost()
    stock.take(again=False)
    stock.count_overtaken({A: 100})
    stock.count_overtaken({A: 104})
    member.low = 130
    stock.count_overtaken({A: 100})
    assert lost() == before
    stock.count_overtaken({A: 130})
    assert lost() == before + 30
    member.lose()
    stock.count_overtaken({A: 130})
    assert lost() == before + 30
