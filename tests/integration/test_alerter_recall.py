"""How every store of alerts learns what their topic says: the twin in memory, Valkey, and a Valkey Cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest

from processor.alerter.era import OfEra
from processor.alerter.life import acknowledge, fire, mute
from processor.alerter.recall import Recall
from processor.alerter.state import AlertStore, LostAlertsError, LostReadingError, MemoryAlerts
from processor.model.alert import Status
from tests.support.alert_stores import (
    NOTE,
    ORDERS,
    STAGING,
    Topic,
    emptied,
    end_one,
    finding,
    open_one,
    queued,
    refire,
    taken,
)


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


def test_what_was_sent_by_one_who_did_not_come_to_confirm_it_is_told_the_sinks(alerts: AlertStore) -> None:
    topic = Topic()
    ended = end_one(alerts, open_one(alerts))
    for each in alerts.pending(10):
        topic.write("a1", each.alert)
    Recall(alerts, topic).refresh()
    assert alerts.pending(10) == []
    assert alerts.get(["a1"]) == {"a1": ended}
    assert queued(alerts) == [("a1", 1), ("a1", 2)]


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
