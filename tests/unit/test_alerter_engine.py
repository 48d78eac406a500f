"""The alerter's engine on twins: who may publish and sweep, and what it does not wait for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from processor.alerter.config import AlerterConfig, AlerterParts
from processor.alerter.engine import Engine
from processor.alerter.records import Incoming, Outgoing
from processor.alerter.right_of_way import RightOfWay
from processor.alerter.sinks.topic import TooLargeError
from processor.alerter.state import MemoryAlerts
from processor.index.memory import MemoryStore
from processor.index.view import View
from processor.model.codec import decode_alert
from processor.model.history import Lane
from processor.model.identity import Node
from processor.model.observation import Place
from processor.telemetry import metrics
from processor.telemetry.health import Health
from tests.support.engines import DROPPED, FULL, SHORT, Slow, World, ingest, nowhere
from tests.support.events import ds, fill


def test_a_sweep_that_is_asked_for_during_a_sweep_is_left_out() -> None:
    async def both(engine: Engine) -> None:
        await engine.publish()
        await asyncio.gather(engine.sweep(), engine.sweep())

    world = World()
    view = Slow(world.store)
    asyncio.run(both(world.engine(nowhere, view)))
    assert view.sweeps == 1
    assert len(world.alerts.firing()) == 1


def test_a_sweep_ends_when_the_alerter_is_to_end() -> None:
    async def ended(engine: Engine) -> None:
        await engine.publish()
        engine.abandon()
        await engine.sweep()

    world = World()
    asyncio.run(ended(world.engine(nowhere)))
    assert not world.alerts.firing()


def test_only_the_alerter_that_leads_shows_what_fires() -> None:
    def shown() -> list[int]:
        gauges = (metrics.ALERTS_FIRING, metrics.COVERAGE, metrics.INDEX_NODES, metrics.INDEX_EDGES)
        return [len(family.samples) for gauge in gauges for family in gauge.collect()]

    async def led_and_lost(world: World, engine: Engine) -> None:
        await engine.publish()
        began_s = time.time()
        await engine.sweep()
        assert all(shown())
        assert (metrics.REGISTRY.get_sample_value("lineage_processor_last_sweep_timestamp_seconds") or 0) >= began_s
        world.alerts.is_taken = True
        await engine.publish()
        await engine.sweep()
        assert not any(shown())

    world = World()
    asyncio.run(led_and_lost(world, world.engine(nowhere)))


def test_who_lost_the_lease_while_it_sent_sends_no_more() -> None:
    world, sent = World(), list[int]()

    async def send(record: Outgoing) -> None:
        assert record.value is not None
        sent.append(decode_alert(record.value).version)
        world.alerts.is_taken = True

    world.react()
    fill(world.store, ingest(100, *FULL))
    world.react()
    asyncio.run(world.engine(send).publish())
    assert sent == [1]
    assert [p.version for p in world.alerts.pending(10)] == [2]


def test_who_read_for_longer_than_the_lease_lasts_sends_nothing() -> None:
    world, sent = World(), list[Outgoing]()

    async def send(record: Outgoing) -> None:
        sent.append(record)

    world.react()
    world.alerts.is_slow = True
    asyncio.run(world.engine(send, config=SHORT).publish())
    assert sent == []
    assert [p.version for p in MemoryAlerts.pending(world.alerts, 10)] == [1]


def test_an_unreadable_change_that_no_topic_takes_is_not_waited_for() -> None:
    tries = list[str]()

    async def refuse(record: Outgoing) -> None:
        tries.append(record.topic)
        raise TooLargeError("32 MB")

    record = Incoming(Place("lineage.changes", 0, 1), b"k", b"\x00" * 100)
    asyncio.run(World().engine(refuse).handle([record]))
    assert tries == ["lineage.dead-letters"] * 2  # with its bytes, and without


def test_changes_that_come_together_are_published_with_one_look_at_the_index() -> None:
    world, sent = World(), list[str]()
    for name in ("clicks", "visits"):
        fill(world.store, ingest(0, *FULL, dataset=name), ingest(60, *DROPPED, dataset=name))

    async def send(record: Outgoing) -> None:
        assert record.value is not None
        sent.append(decode_alert(record.value).finding.subject.name)

    view = Slow(world.store)
    asyncio.run(world.engine(send, view).handle(world.change("clicks", "orders", "visits")))
    assert sorted(sent) == ["clicks", "orders", "visits"]
    assert view.sweeps == 1


def test_a_change_that_nobody_can_judge_leaves_the_others_their_alerts() -> None:
    class Stumbling(View):
        def look_ahead(self, ids: Sequence[bytes], *records: str) -> None:
            if ds("bad").id in ids:
                raise ValueError("bad")
            super().look_ahead(ids, *records)

    world = World()
    asyncio.run(world.engine(nowhere, Stumbling(world.store)).handle(world.change("bad", "orders", "copy")))
    assert [alert.finding.subject for alert in world.alerts.firing().values()] == [ds("orders")]


class Told(View):
    """A view that tells who has read lanes by it."""

    def __init__(self, store: MemoryStore, who: str, order: list[str]) -> None:
        super().__init__(store)
        self.who, self.order = who, order

    def lanes_of(self, datasets: Sequence[Node]) -> dict[Node, list[Lane]]:
        time.sleep(0.02)
        self.order.append(self.who)
        return super().lanes_of(datasets)


def test_a_sweep_lets_a_reaction_pass() -> None:
    world, order = World(), list[str]()
    views = iter([Told(world.store, who, order) for who in ("reaction", "sweep")])
    parts = AlerterParts(lambda: next(views), lambda: world.alerts, right_of_way=RightOfWay(most_wait_s=60))
    engine = Engine(AlerterConfig(kafka={}), parts, nowhere, Health((), livez_timeout_s=60))

    async def both() -> None:
        await engine.publish()
        await asyncio.gather(engine.handle(world.change("orders")), engine.sweep())

    asyncio.run(both())
    assert set(order) == {"reaction", "sweep"}
    assert order == sorted(order)
