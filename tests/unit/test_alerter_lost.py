"""What the alerter's engine does about alerts, an index or a reading that was lost."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from processor.alerter.config import AlerterParts
from processor.alerter.engine import REDIS, Engine
from processor.alerter.recall import Recall
from processor.alerter.records import Outgoing
from processor.alerter.topic_log import NoLog
from processor.index.view import View
from processor.telemetry.health import Health
from tests.support.engines import BRIEF, Alerts, Expiring, Long, World, nowhere
from tests.waiting import GUARD_S


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
        asyncio.run(Engine(BRIEF, parts, nowhere, health).handle(world.change("orders")))
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
        asyncio.run(Engine(BRIEF, parts, nowhere, health).handle(world.change("orders")))
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
        engine = Engine(BRIEF, parts, nowhere, health)
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
        engine = Engine(BRIEF, parts, nowhere, Health((), livez_timeout_s=60))
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
        engine = Engine(BRIEF, parts, nowhere, Health((), livez_timeout_s=60))
        engine.abandon()
        await engine.publish()
        await engine.close()

    asyncio.run(ended())
    assert world.alerts.era() is None
