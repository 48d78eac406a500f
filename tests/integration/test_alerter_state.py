"""What every store of alerts must do, on the twin in memory, on Valkey, and on a Valkey Cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from processor.alerter.life import acknowledge, fire, outlive, resolve
from processor.alerter.mutes import Mute
from processor.alerter.redis_state import RedisAlerts
from processor.alerter.state import AlertStore
from processor.index.connect import connect
from processor.local import Valkey
from processor.model.alert import AlertKind, Status
from processor.model.errors import DependencyError
from tests.support.alert_stores import (
    HOUR_US,
    NOTE,
    ORDERS,
    STAGING,
    end_one,
    finding,
    open_one,
    queued,
    refire,
    taken,
)


def test_an_alert_that_fires_is_found_by_id_by_subject_and_among_all(alerts: AlertStore) -> None:
    alert = open_one(alerts)
    assert alerts.get(["a1", "a2"]) == {"a1": alert}
    assert alerts.about([ORDERS]) == alerts.firing() == {"a1": alert}
    assert alerts.about([STAGING]) == {}
    assert list(alerts.all()) == [alert]


def test_a_resolved_alert_fires_no_more_and_is_kept(alerts: AlertStore) -> None:
    ended = end_one(alerts, open_one(alerts))
    assert alerts.firing() == alerts.about([ORDERS]) == {}
    assert list(alerts.all()) == [ended]
    assert ended.ends_us == 2 * HOUR_US


def test_a_step_from_an_old_version_is_refused(alerts: AlertStore) -> None:
    alert = open_one(alerts)
    ended = end_one(alerts, alert)
    assert not alerts.step(resolve(alert, 3 * HOUR_US))
    stale = fire(None, finding(), "runbook")
    assert stale is not None
    assert not alerts.step(stale)
    assert alerts.get(["a1"]) == {"a1": ended}
    assert [p.version for p in alerts.pending(10)] == [1, 2]


def test_the_outbox_keeps_the_order_until_it_is_confirmed(open_alerts: Callable[[], AlertStore]) -> None:
    alerts = open_alerts()
    first, second = open_one(alerts, "b"), open_one(alerts, "a")
    ended = end_one(alerts, first)
    waiting = open_alerts().pending(10)
    assert {(p.alert_id, p.version) for p in waiting} == {("b", 1), ("a", 1), ("b", 2)}
    assert [p.alert for p in waiting if p.alert_id == "b"] == [first, ended]
    alerts.confirm(waiting[:1])
    assert alerts.pending(10) == waiting[1:]
    alerts.confirm(waiting)
    alerts.confirm([])
    assert alerts.pending(10) == []
    assert second in alerts.firing().values()


def test_a_page_of_the_outbox_is_its_oldest_part(alerts: AlertStore) -> None:
    for number in range(5):
        open_one(alerts, f"a{number}")
    assert alerts.pending(2) == alerts.pending(5)[:2]


def test_an_update_that_is_not_published_stays_out_of_the_outbox(alerts: AlertStore) -> None:
    alert = open_one(alerts)
    alerts.confirm(alerts.pending(10))
    fresh = fire(alert, replace(finding(), summary="it broke otherwise"), "runbook")
    assert fresh is not None
    assert alerts.step(fresh)
    assert alerts.pending(10) == []
    assert alerts.get(["a1"])["a1"].finding.summary == "it broke otherwise"


def test_alerts_resolved_long_ago_are_forgotten_others_are_not(alerts: AlertStore) -> None:
    old = open_one(alerts, "old")
    again = open_one(alerts, "again")
    open_one(alerts, "firing")
    end_one(alerts, old, 2 * HOUR_US)
    refired = fire(end_one(alerts, again, 2 * HOUR_US), finding("again"), "runbook")
    assert refired is not None
    assert alerts.step(refired)
    alerts.confirm(alerts.pending(10))
    now_us = time.time_ns() // 1000
    assert alerts.expired(now_us - HOUR_US, 10) == []
    assert alerts.expired(now_us + HOUR_US, 10) == ["old"]
    alerts.forget(["old", "again", "firing", "unknown"])
    assert set(alerts.get(["old", "again", "firing"])) == {"again", "firing"}
    assert alerts.expired(now_us + HOUR_US, 10) == []


def test_what_is_not_published_yet_is_not_forgotten(alerts: AlertStore) -> None:
    end_one(alerts, open_one(alerts))
    alerts.forget(["a1"])
    assert set(alerts.get(["a1"])) == {"a1"}


def test_an_accepted_alert_is_kept_however_old_until_it_is_outlived(alerts: AlertStore) -> None:
    seen = taken(alerts, acknowledge(open_one(alerts), NOTE))
    ended = end_one(alerts, open_one(alerts, "a2"))
    alerts.confirm(alerts.pending(10))
    later_us = time.time_ns() // 1000 + HOUR_US
    assert alerts.accepted() == {"a1": seen}
    assert alerts.firing() == {}
    assert alerts.expired(later_us, 10) == alerts.expired(later_us, 1) == ["a2"]
    assert ended in alerts.all()
    taken(alerts, outlive(seen))
    assert alerts.accepted() == {}
    assert alerts.pending(10) == []
    assert set(alerts.expired(later_us, 10)) == {"a1", "a2"}


def test_a_forgotten_alert_is_no_longer_accepted(alerts: AlertStore) -> None:
    taken(alerts, acknowledge(open_one(alerts), NOTE))
    alerts.confirm(alerts.pending(10))
    alerts.forget(["a1"])
    assert alerts.accepted() == alerts.get(["a1"]) == {}


def test_mutes_are_kept_replaced_and_taken_back(open_alerts: Callable[[], AlertStore]) -> None:
    alerts = open_alerts()
    first = Mute("postgres://shop:*", 9 * HOUR_US, "moving", "sam", HOUR_US)
    other = replace(first, kind=AlertKind.STUCK_RUN)
    for each in (first, other, again := replace(first, reason="still moving")):
        alerts.mute(each)
    assert {m.mute_id: m for m in open_alerts().mutes()} == {again.mute_id: again, other.mute_id: other}
    assert alerts.unmute(first.mute_id)
    assert not alerts.unmute(first.mute_id)
    assert alerts.mutes() == [other]


def test_what_the_topic_has_stands_in_the_queue_of_each_sink_until_it_is_told(alerts: AlertStore) -> None:
    end_one(alerts, open_one(alerts, "a1"))
    assert queued(alerts) == []
    waiting = alerts.pending(10)
    alerts.confirm(waiting[:1])
    alerts.confirm(waiting)
    assert queued(alerts, "webhook") == queued(alerts, "slack") == [("a1", 1), ("a1", 2)]
    alerts.told("webhook", alerts.to_tell("webhook", 1))
    assert queued(alerts, "webhook") == [("a1", 2)]
    assert queued(alerts, "slack") == [("a1", 1), ("a1", 2)]
    alerts.told("slack", [])
    alerts.told("slack", waiting)
    alerts.confirm(waiting)
    assert queued(alerts, "slack") == []


def test_a_full_queue_keeps_the_newest_of_each_alert(alerts: AlertStore) -> None:
    known = end_one(alerts, open_one(alerts, "a1"))
    open_one(alerts, "a2")
    refire(alerts, known)
    open_one(alerts, "a3")
    for each in sorted(alerts.pending(10), key=lambda each: (each.version, each.alert_id)):
        alerts.confirm([each])
    assert sorted(queued(alerts)) == [("a1", 3), ("a2", 1), ("a3", 1)]


def test_what_was_resolved_lately_is_found_the_newest_first(alerts: AlertStore) -> None:
    first = end_one(alerts, open_one(alerts, "a1"))
    time.sleep(0.002)
    second = end_one(alerts, open_one(alerts, "a2"))
    open_one(alerts, "a3")
    now_us = time.time_ns() // 1000
    assert alerts.ended(now_us - HOUR_US, 10) == [second, first]
    assert alerts.ended(now_us - HOUR_US, 1) == [second]
    assert alerts.ended(now_us + HOUR_US, 10) == []


def test_one_at_a_time_holds_the_lease(open_alerts: Callable[[], AlertStore]) -> None:
    one, other = open_alerts(), open_alerts()
    assert one.lease("one", 60_000)
    assert one.lease("one", 60_000)
    assert not other.lease("other", 60_000)
    other.release("other")
    assert not other.lease("other", 60_000)
    one.release("one")
    assert other.lease("other", 60_000)


def test_a_step_is_published_once_however_often_it_is_tried(alerts: AlertStore) -> None:
    step = fire(None, finding(), "runbook")
    assert step is not None
    assert [alerts.step(step) for _ in range(3)] == [True, False, False]
    assert len(alerts.pending(10)) == 1


def test_a_server_that_lost_its_scripts_is_told_them_again(redis_url: str) -> None:
    client = connect(redis_url)
    alerts = RedisAlerts(client)
    open_one(alerts, "a1")
    client.script_flush()
    open_one(alerts, "a2")
    assert set(alerts.firing()) == {"a1", "a2"}


def test_two_prefixes_are_two_worlds(redis_url: str) -> None:
    client = connect(redis_url)
    open_one(RedisAlerts(client, "one"))
    assert RedisAlerts(client, "other").firing() == {}


def test_an_alert_that_only_a_newer_version_knows_is_left_alone(redis_url: str) -> None:
    client = connect(redis_url)
    alerts = RedisAlerts(client)
    alert = open_one(alerts)
    client.hset("lineage:{alerts}:alert:a1", "b", b"\x81\xa7finding\x01")
    assert alerts.firing() == {}
    assert alerts.get(["a1"]) == {}
    assert alert.status is Status.FIRING


def test_a_server_that_is_away_is_a_dependency_error() -> None:
    with Valkey() as server:
        alerts = RedisAlerts(connect(server.url, timeout_s=1))
        open_one(alerts)
    with pytest.raises(DependencyError):
        alerts.firing()
