"""What every store of alerts must do, on the twin in memory, on Valkey, and on a Valkey Cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import pytest

from processor.alerter.era import OfEra
from processor.alerter.life import Step, acknowledge, fire, mute, outlive, resolve
from processor.alerter.mutes import Mute
from processor.alerter.recall import Recall
from processor.alerter.records import Landed
from processor.alerter.redis_state import RedisAlerts
from processor.alerter.state import AlertStore, LostAlertsError, LostReadingError, MemoryAlerts, Pending
from processor.alerter.topic_log import Said
from processor.index.connect import connect
from processor.local import Valkey, ValkeyCluster
from processor.model.alert import Alert, AlertKind, Finding, Note, Severity, Status
from processor.model.errors import DependencyError
from processor.model.identity import Node, dataset

ORDERS = dataset("postgres://shop:5432", "public.orders")
STAGING = dataset("postgres://shop:5432", "staging.orders")
SINKS = ("webhook", "slack")
_HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def cluster() -> Iterator[ValkeyCluster]:
    with ValkeyCluster(masters=3, replicas=0) as servers:
        yield servers


@pytest.fixture(params=["memory", "valkey", "cluster"])
def open_alerts(request: pytest.FixtureRequest) -> Callable[[], AlertStore]:
    """Opens the store under test; each call opens the same one anew where that is possible."""
    if request.param == "memory":
        twin = MemoryAlerts(SINKS, queue_limit=3)
        return lambda: twin
    if request.param == "valkey":
        url: str = request.getfixturevalue("redis_url")
        return lambda: RedisAlerts(connect(url), "lineage", SINKS, queue_limit=3)
    servers: ValkeyCluster = request.getfixturevalue("cluster")
    client = connect(servers.url)
    client.flushall()
    return lambda: RedisAlerts(client, "lineage", SINKS, queue_limit=3)


@pytest.fixture
def alerts(open_alerts: Callable[[], AlertStore]) -> AlertStore:
    return open_alerts()


def finding(alert_id: str = "a1", subject: Node = ORDERS) -> Finding:
    return Finding(alert_id, AlertKind.SCHEMA_DRIFT, Severity.WARNING, subject, "something broke", 7)


def open_one(alerts: AlertStore, alert_id: str = "a1", subject: Node = ORDERS) -> Alert:
    step = fire(None, finding(alert_id, subject), "runbook")
    assert step is not None
    assert alerts.step(step)
    return step.alert


def end_one(alerts: AlertStore, alert: Alert, now_us: int = 2 * _HOUR_US) -> Alert:
    step = resolve(alert, now_us)
    assert alerts.step(step)
    return step.alert


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
    assert ended.ends_us == 2 * _HOUR_US


def test_a_step_from_an_old_version_is_refused(alerts: AlertStore) -> None:
    alert = open_one(alerts)
    ended = end_one(alerts, alert)
    assert not alerts.step(resolve(alert, 3 * _HOUR_US))
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
    end_one(alerts, old, 2 * _HOUR_US)
    refired = fire(end_one(alerts, again, 2 * _HOUR_US), finding("again"), "runbook")
    assert refired is not None
    assert alerts.step(refired)
    alerts.confirm(alerts.pending(10))
    now_us = time.time_ns() // 1000
    assert alerts.expired(now_us - _HOUR_US, 10) == []
    assert alerts.expired(now_us + _HOUR_US, 10) == ["old"]
    alerts.forget(["old", "again", "firing", "unknown"])
    assert set(alerts.get(["old", "again", "firing"])) == {"again", "firing"}
    assert alerts.expired(now_us + _HOUR_US, 10) == []


def test_what_is_not_published_yet_is_not_forgotten(alerts: AlertStore) -> None:
    end_one(alerts, open_one(alerts))
    alerts.forget(["a1"])
    assert set(alerts.get(["a1"])) == {"a1"}


NOTE = Note("sam", 3 * _HOUR_US, "agreed")


def taken(alerts: AlertStore, step: Step | None) -> Alert:
    assert step is not None
    assert alerts.step(step)
    return step.alert


def test_an_accepted_alert_is_kept_however_old_until_it_is_outlived(alerts: AlertStore) -> None:
    seen = taken(alerts, acknowledge(open_one(alerts), NOTE))
    ended = end_one(alerts, open_one(alerts, "a2"))
    alerts.confirm(alerts.pending(10))
    later_us = time.time_ns() // 1000 + _HOUR_US
    assert alerts.accepted() == {"a1": seen}
    assert alerts.firing() == {}
    assert alerts.expired(later_us, 10) == alerts.expired(later_us, 1) == ["a2"]
    assert ended in alerts.all()
    taken(alerts, outlive(seen))
    assert alerts.accepted() == {}
    assert alerts.pending(10) == []
    assert set(alerts.expired(later_us, 10)) == {"a1", "a2"}


def test_what_people_said_is_known_again_from_the_topic(alerts: AlertStore) -> None:
    topic = Topic()
    seen = taken(alerts, acknowledge(open_one(alerts, "a1"), NOTE))
    muted = taken(alerts, mute(open_one(alerts, "a2"), NOTE))
    topic.publish(alerts)
    alerts = emptied(alerts)
    Recall(alerts, topic).refresh()
    assert alerts.accepted() == {"a1": seen}
    assert alerts.firing() == {"a2": muted}


def test_of_two_notes_under_one_version_the_published_one_stands(alerts: AlertStore) -> None:
    topic = Topic()
    alert = open_one(alerts)
    said = mute(alert, NOTE).alert
    topic.write("a1", alert)
    topic.write("a1", said)
    taken(alerts, mute(alert, replace(NOTE, by="kim")))
    assert topic.publish(alerts) == []
    assert alerts.firing() == {"a1": said}


def test_a_forgotten_alert_is_no_longer_accepted(alerts: AlertStore) -> None:
    taken(alerts, acknowledge(open_one(alerts), NOTE))
    alerts.confirm(alerts.pending(10))
    alerts.forget(["a1"])
    assert alerts.accepted() == alerts.get(["a1"]) == {}


def test_mutes_are_kept_replaced_and_taken_back(open_alerts: Callable[[], AlertStore]) -> None:
    alerts = open_alerts()
    first = Mute("postgres://shop:*", 9 * _HOUR_US, "moving", "sam", _HOUR_US)
    other = replace(first, kind=AlertKind.STUCK_RUN)
    for each in (first, other, again := replace(first, reason="still moving")):
        alerts.mute(each)
    assert {m.mute_id: m for m in open_alerts().mutes()} == {again.mute_id: again, other.mute_id: other}
    assert alerts.unmute(first.mute_id)
    assert not alerts.unmute(first.mute_id)
    assert alerts.mutes() == [other]


def queued(alerts: AlertStore, sink: str = "webhook") -> list[tuple[str, int]]:
    waiting = alerts.to_tell(sink, 100)
    assert alerts.untold(sink) == len(waiting)
    assert all(each.version == each.alert.version for each in waiting)
    return [(each.alert_id, each.version) for each in waiting]


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


def test_what_was_sent_by_one_who_did_not_come_to_confirm_it_is_told_the_sinks(alerts: AlertStore) -> None:
    topic = Topic()
    ended = end_one(alerts, open_one(alerts))
    for each in alerts.pending(10):
        topic.write("a1", each.alert)
    Recall(alerts, topic).refresh()
    assert alerts.pending(10) == []
    assert alerts.get(["a1"]) == {"a1": ended}
    assert queued(alerts) == [("a1", 1), ("a1", 2)]


def test_what_was_resolved_lately_is_found_the_newest_first(alerts: AlertStore) -> None:
    first = end_one(alerts, open_one(alerts, "a1"))
    time.sleep(0.002)
    second = end_one(alerts, open_one(alerts, "a2"))
    open_one(alerts, "a3")
    now_us = time.time_ns() // 1000
    assert alerts.ended(now_us - _HOUR_US, 10) == [second, first]
    assert alerts.ended(now_us - _HOUR_US, 1) == [second]
    assert alerts.ended(now_us + _HOUR_US, 10) == []


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


class Topic:
    """The alerts topic: a list a partition. Compaction is left to the tests."""

    def __init__(self, partitions: int = 2) -> None:
        self.partitions: dict[int, list[Said]] = {number: [] for number in range(partitions)}
        self.reads = list[dict[int, int]]()

    def ends(self) -> dict[int, int]:
        return {number: len(there) for number, there in self.partitions.items()}

    def read(self, starts: Mapping[int, int]) -> Iterator[Said]:
        self.reads.append(dict(starts))
        for number, start in starts.items():
            yield from self.partitions[number][start:]

    def write(self, alert_id: str, alert: Alert | None) -> Landed:
        """Append a record."""
        number = sum(alert_id.encode()) % len(self.partitions)
        self.partitions[number].append(Said(alert_id, alert))
        return Landed(number, len(self.partitions[number]) - 1)

    def publish(self, alerts: AlertStore) -> list[Pending]:
        """Do as an alerter does that leads."""
        Recall(alerts, self).refresh()
        waiting = alerts.pending(100)
        alerts.confirm(waiting, [self.write(each.alert_id, each.alert) for each in waiting])
        return waiting


def refire(alerts: AlertStore, known: Alert, severity: Severity = Severity.CRITICAL) -> Alert:
    step = fire(known, replace(known.finding, severity=severity), "runbook")
    assert step is not None
    assert alerts.step(step)
    return step.alert


def emptied(alerts: AlertStore) -> AlertStore:
    """The store after it has lost everything."""
    if isinstance(alerts, MemoryAlerts):
        return MemoryAlerts()
    assert isinstance(alerts, RedisAlerts)
    alerts._client.flushall()  # noqa: SLF001  there is no other way to lose it
    return alerts


def test_what_was_published_is_known_in_the_same_step(alerts: AlertStore) -> None:
    topic = Topic()
    open_one(alerts, "a1")
    open_one(alerts, "a2")
    topic.publish(alerts)
    assert alerts.known() == topic.ends() == {0: 1, 1: 1}
    assert not Recall(alerts, topic).refresh()
    assert topic.reads == []


def test_what_was_judged_in_one_era_moves_no_alert_in_another(alerts: AlertStore) -> None:
    topic, step = Topic(), fire(None, finding(), "runbook")
    assert step is not None
    with pytest.raises(LostAlertsError):
        OfEra(alerts)
    Recall(alerts, topic).refresh()
    era, seen = alerts.era(), OfEra(alerts)
    assert seen.step(step)
    topic.publish(alerts)
    topic.write("c3", None)
    assert Recall(alerts, topic).refresh()
    assert alerts.era() == era
    alerts = emptied(alerts)
    with pytest.raises(LostAlertsError):
        alerts.step(step, era)
    Recall(alerts, topic).refresh()
    with pytest.raises(LostAlertsError):
        alerts.step(step, era)
    assert not OfEra(alerts).step(step), "it fires already"


def test_what_somebody_else_wrote_between_ours_is_not_claimed(alerts: AlertStore) -> None:
    topic = Topic()
    Recall(alerts, topic).refresh()
    alert = open_one(alerts, "a1")
    topic.write("c3", None)
    alerts.confirm(alerts.pending(9), [topic.write("a1", alert)])
    assert alerts.known() == {0: 0, 1: 0}
    assert Recall(alerts, topic).refresh()
    assert alerts.known() == topic.ends() != {0: 0, 1: 0}


def test_an_emptied_store_is_told_what_fires_and_what_was_resolved(alerts: AlertStore) -> None:
    topic = Topic()
    fires, ended = open_one(alerts, "a1"), end_one(alerts, open_one(alerts, "a2", STAGING))
    topic.publish(alerts)
    alerts = emptied(alerts)
    assert Recall(alerts, topic).refresh()
    assert alerts.get(["a1", "a2"]) == {"a1": fires, "a2": ended}
    assert set(alerts.firing()) == set(alerts.about([ORDERS])) == {"a1"}
    assert alerts.pending(9) == []
    assert alerts.known() == topic.ends()
    assert end_one(alerts, alerts.firing()["a1"]).version == 2


def test_what_an_emptied_store_judged_anew_gives_way_to_what_was_said(alerts: AlertStore) -> None:
    topic = Topic()
    ended = end_one(alerts, open_one(alerts))
    topic.publish(alerts)
    alerts = emptied(alerts)
    open_one(alerts)
    assert topic.publish(alerts) == []
    assert alerts.get(["a1"]) == {"a1": ended}
    assert refire(alerts, ended).version == 3


@pytest.mark.parametrize("said", [1, 2])
def test_another_content_under_a_version_that_was_published_is_withdrawn(alerts: AlertStore, said: int) -> None:
    topic = Topic()
    alert = open_one(alerts)
    if said == 2:
        alert = refire(alerts, alert)
    topic.publish(alerts)
    alerts = emptied(alerts)
    end_one(alerts, open_one(alerts))
    published = topic.publish(alerts)
    assert [p.version for p in published] == [2][: 2 - said]
    assert alerts.get(["a1"])["a1"].version == 2
    assert alerts.get(["a1"])["a1"].status is (Status.RESOLVED if said == 1 else Status.FIRING)


def test_what_was_sent_and_not_confirmed_is_not_sent_twice(alerts: AlertStore) -> None:
    topic = Topic()
    first, second = open_one(alerts, "a1"), open_one(alerts, "a2")
    topic.write("a1", first)
    ended = end_one(alerts, second)
    assert [(p.alert_id, p.version) for p in topic.publish(alerts)] == [("a2", 1), ("a2", 2)]
    assert alerts.firing() == {"a1": first}
    assert alerts.get(["a2"]) == {"a2": ended}


def test_an_older_word_after_a_newer_one_is_put_right(alerts: AlertStore) -> None:
    topic = Topic()
    alert = open_one(alerts)
    ended = end_one(alerts, alert)
    topic.publish(alerts)
    topic.write("a1", alert)
    assert [p.alert for p in topic.publish(alerts)] == [ended]
    assert topic.publish(alerts) == []


@pytest.mark.parametrize(("fires", "ended"), [("a1", "a2"), ("a1", None), ("a2", None)])
@pytest.mark.parametrize("partitions", [2, 1])
def test_a_topic_that_was_made_anew_hears_again_what_fires(
    alerts: AlertStore, fires: str, ended: str | None, partitions: int
) -> None:
    topic = Topic()
    alert = open_one(alerts, fires)
    if ended is not None:
        end_one(alerts, open_one(alerts, ended))
    topic.publish(alerts)
    assert [p.alert for p in Topic(partitions).publish(alerts)] == [alert]


def test_what_the_topic_forgot_is_forgotten_and_begins_anew(alerts: AlertStore) -> None:
    topic = Topic()
    end_one(alerts, open_one(alerts))
    topic.publish(alerts)
    topic.write("a1", None)
    Recall(alerts, topic).refresh()
    assert alerts.get(["a1"]) == {}
    assert open_one(alerts).version == 1


def test_an_alert_that_fired_again_while_it_was_to_be_forgotten_is_sent_again(alerts: AlertStore) -> None:
    topic = Topic()
    again = refire(alerts, end_one(alerts, open_one(alerts)))
    topic.publish(alerts)
    topic.write("a1", None)
    assert [p.alert for p in topic.publish(alerts)] == [again]
    assert topic.publish(alerts) == []


def test_a_store_that_is_lost_while_it_is_told_is_told_again(alerts: AlertStore) -> None:
    alert = open_one(MemoryAlerts())
    alerts.begin("me")
    assert alerts.restore("me", 1, alert)
    lost = emptied(alerts)
    with pytest.raises(LostReadingError):
        lost.restore("me", 2, alert)
    with pytest.raises(LostReadingError):
        lost.finish("me", 1, {0: 5})
    assert lost.known() == {}


def test_of_two_who_tell_it_the_later_one_counts(alerts: AlertStore) -> None:
    alerts.begin("one")
    alerts.begin("other")
    with pytest.raises(LostReadingError):
        alerts.finish("one", 0, {0: 5})
    alerts.finish("other", 0, {0: 4})
    assert alerts.known() == {0: 4}


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
