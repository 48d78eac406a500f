"""The alerter's engine on twins: who may publish and sweep, and what it does not wait for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence

from structlog.testing import capture_logs

from processor.alerter.config import AlerterConfig, AlerterParts
from processor.alerter.engine import REDIS, Engine
from processor.alerter.recall import Recall
from processor.alerter.reconcile import react
from processor.alerter.records import Incoming, Outgoing
from processor.alerter.right_of_way import RightOfWay
from processor.alerter.sinks.topic import Send, TooLargeError
from processor.alerter.state import MemoryAlerts, Pending
from processor.alerter.topic_log import NoLog, Said
from processor.detect.policy import Policy
from processor.index.memory import MemoryStore
from processor.index.progress import Clock, Progress, encode_progress
from processor.index.view import View
from processor.model.alert import Alert
from processor.model.change import Change
from processor.model.codec import decode_alert, encode_change
from processor.model.history import Lane
from processor.model.identity import Node
from processor.model.observation import Place
from processor.telemetry import metrics
from processor.telemetry.health import Health
from tests.support.events import Json, column_lineage, ds, event, fill, schema, table, us
from tests.waiting import GUARD_S

FULL = ("id:int", "amount:int")
DROPPED = ("id:int",)


def ingest(minutes: float, *columns: str, dataset: str = "orders") -> Json:
    """A run that writes a dataset, and copies a column of it: to lose that is critical, whatever time it is."""
    copy = table(f"{dataset}.copy", columnLineage=column_lineage({"amount": [(dataset, "amount")]}))
    made = [table(dataset, schema=schema(*columns)), copy]
    return event(f"ingest {dataset}", minutes=minutes, run=int(minutes), outputs=made)


_BRIEF = AlerterConfig(kafka={}, lease_s=0.3, send_timeout_s=0.2, publish_every_s=0.01)
_SHORT = AlerterConfig(kafka={}, lease_s=0.05, send_timeout_s=0.04, publish_every_s=0.01)


class Alerts(MemoryAlerts):
    """Alerts of which another may take the lease at any time."""

    is_taken = False
    is_slow = False
    is_to_be_lost = False

    def lease(self, holder: str, lease_ms: int) -> bool:
        return not self.is_taken and super().lease(holder, lease_ms)

    def firing(self) -> dict[str, Alert]:
        if self.is_to_be_lost:
            self.is_to_be_lost = False
            super().__init__()
        return super().firing()

    def pending(self, limit: int) -> list[Pending]:
        waiting = super().pending(limit)
        if self.is_slow:
            time.sleep(_SHORT.lease_s)
            self.is_taken = True
        return waiting


class World:
    """An index of which one dataset lost a column, and alerts that several engines share."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.alerts = Alerts()
        self.store.set_progress({b"t:0": encode_progress(Progress(us(60), 0, time.time_ns() // 1000))})
        fill(self.store, ingest(0, *FULL), ingest(60, *DROPPED))

    def engine(self, send: Send, view: View | None = None, config: AlerterConfig | None = None) -> Engine:
        parts = AlerterParts(lambda: view or View(self.store), lambda: self.alerts)
        return Engine(config or AlerterConfig(kafka={}), parts, send, Health((), livez_timeout_s=60))

    def change(self, *names: str) -> list[Incoming]:
        changes = [Change(f"c {name}", ds(name), ()) for name in names]
        places = (Place("lineage.changes", 0, at) for at in range(len(changes)))
        return [Incoming(place, b"k", encode_change(each)) for place, each in zip(places, changes, strict=True)]

    def react(self) -> None:
        react([Change("c", ds("orders"), ())], View(self.store), self.alerts, Policy(), us(120))


class Slow(View):
    """A view that tells how many sweeps read it at once, and what happens meanwhile."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.sweeps = 0

    def now_us(self, wall_us: int, clock: Clock) -> int | None:
        self.sweeps += 1
        time.sleep(0.05)
        return super().now_us(wall_us, clock)


class Expiring(Alerts):
    """Alerts of which a lease runs out."""

    _ends_s = 0.0

    def lease(self, holder: str, lease_ms: int) -> bool:
        if time.monotonic() > self._ends_s:
            self._holder = None
        leads = super().lease(holder, lease_ms)
        self._ends_s = time.monotonic() + lease_ms / 1000 if leads else self._ends_s
        return leads


class Long:
    """A topic that takes several leases to read."""

    def ends(self) -> dict[int, int]:
        return {0: 40}

    def read(self, starts: Mapping[int, int]) -> Iterator[Said]:
        for number in range(starts[0], 40):
            time.sleep(0.02)
            yield Said(f"a{number}", None)


async def nowhere(_record: Outgoing) -> None:
    """Take a record."""


def test_a_sweep_that_read_of_alerts_which_were_lost_moves_none() -> None:
    async def swept(engine: Engine) -> None:
        await engine.publish()
        await engine.sweep()

    world = World()
    world.alerts.is_to_be_lost = True
    engine = world.engine(nowhere)
    asyncio.run(swept(engine))
    assert world.alerts.firing() == {}
    asyncio.run(swept(engine))
    assert len(world.alerts.firing()) == 1


def test_a_change_that_finds_alerts_which_know_nothing_is_judged_once_they_do() -> None:
    world, sent = World(), list[Outgoing]()

    async def send(record: Outgoing) -> None:
        sent.append(record)

    asyncio.run(world.engine(send).handle(world.change("orders")))
    assert len(sent) == 1


def test_who_does_not_lead_waits_for_alerts_that_know_nothing_and_does_not_say_that_redis_is_away() -> None:
    health, was_ready = Health((REDIS,), livez_timeout_s=60), list[bool]()

    class Led(Alerts):
        """Alerts that another leads, who has told them what the topic says when they are asked for the second time."""

        def lease(self, holder: str, lease_ms: int) -> bool:
            was_ready.append(health.is_ready)
            if len(was_ready) == 2:
                Recall(self, NoLog()).refresh()
            return super().lease(holder, lease_ms)

    world = World()
    world.alerts = Led()
    world.alerts.is_taken = True
    parts = AlerterParts(lambda: View(world.store), lambda: world.alerts)
    with capture_logs() as said:
        asyncio.run(Engine(_BRIEF, parts, nowhere, health).handle(world.change("orders")))
    assert [(line["event"], line["doing"]) for line in said] == [("alerts.untold", "react")]
    assert was_ready[:2] == [False, True]
    assert len(world.alerts.firing()) == 1


class Rewound(View):
    """A view of an index that went back in time, which indexers mend when it is looked at for the second time."""

    looks = 0

    def is_whole(self) -> bool:
        self.looks += 1
        return self.looks > 1


def test_who_waits_for_an_index_that_is_not_whole_says_so_and_not_that_redis_is_away() -> None:
    world, health = World(), Health((REDIS,), livez_timeout_s=60)
    Recall(world.alerts, NoLog()).refresh()
    health.holds(REDIS)
    parts = AlerterParts(lambda: Rewound(world.store), lambda: world.alerts)
    with capture_logs() as said:
        asyncio.run(Engine(_BRIEF, parts, nowhere, health).handle(world.change("orders")))
    told = [line for line in said if line.get("doing") == "react"]
    assert [(line["event"], line["log_level"]) for line in told] == [("index.not_whole", "warning")]
    assert "lineage doctor" in told[0]["reason"]
    assert health.is_ready
    assert len(world.alerts.firing()) == 1


def test_whose_reading_of_the_topic_is_lost_says_so_and_reads_it_anew() -> None:
    class Emptied(Alerts):
        """Alerts that are emptied amid the first reading."""

        readings = 0

        def begin(self, reader: str) -> None:
            self.readings += 1
            super().begin(reader)
            if self.readings == 1:
                self._reading = None

    world, health = World(), Health((REDIS,), livez_timeout_s=60)
    world.alerts = Emptied()
    parts = AlerterParts(lambda: View(world.store), lambda: world.alerts, Long)

    async def publish_twice() -> None:
        engine = Engine(_BRIEF, parts, nowhere, health)
        await engine.publish()
        await engine.publish()
        await engine.close()

    with capture_logs() as said:
        asyncio.run(publish_twice())
    assert [(line["event"], line["doing"]) for line in said] == [("alerts.reading_lost", "publish")]
    assert (health.is_ready, world.alerts.era() is not None) == (True, True)


def test_a_topic_that_takes_longer_to_read_than_a_lease_lasts_is_read_to_its_end_by_one_of_two() -> None:
    world = World()
    world.alerts = Expiring()
    parts = AlerterParts(lambda: View(world.store), lambda: world.alerts, Long)

    async def publishing() -> None:
        engine = Engine(_BRIEF, parts, nowhere, Health((), livez_timeout_s=60))
        while world.alerts.era() is None:
            await engine.publish()
            await asyncio.sleep(0.01)
        await engine.close()

    async def both() -> None:
        await asyncio.wait_for(asyncio.gather(publishing(), publishing()), GUARD_S)

    asyncio.run(both())
    assert world.alerts.known() == Long().ends()


def test_a_reading_of_the_topic_ends_with_the_alerter() -> None:
    world = World()
    parts = AlerterParts(lambda: View(world.store), lambda: world.alerts, Long)

    async def ended() -> None:
        engine = Engine(_BRIEF, parts, nowhere, Health((), livez_timeout_s=60))
        engine.abandon()
        await engine.publish()
        await engine.close()

    asyncio.run(ended())
    assert world.alerts.era() is None


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
    asyncio.run(world.engine(send, config=_SHORT).publish())
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
