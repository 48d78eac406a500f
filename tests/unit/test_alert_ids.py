"""What a person types is an alert or a node, and which of both can be told."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from processor.alerter.life import fire
from processor.alerter.state import MemoryAlerts
from processor.index.alert_ids import UnclearAlertError, alert_called, alert_meant
from processor.index.resolve import resolve
from processor.index.view import View
from processor.model.alert import Alert, AlertKind, Finding, Severity
from tests.support.events import ds, event, memory, table

CAFE, FEED_1, FEED_2 = "cafe" + 20 * "0", "feed1" + 19 * "0", "feed2" + 19 * "0"
NAMED = View(memory(event("load", outputs=[table("cafe"), table("marts.feed"), table(CAFE)])))
UNNAMED = View(memory(event("load", outputs=[table("orders")])))


@pytest.fixture
def alerts() -> MemoryAlerts:
    kept = MemoryAlerts()
    for alert_id in (CAFE, FEED_1, FEED_2):
        step = fire(None, Finding(alert_id, AlertKind.STUCK_RUN, Severity.INFO, ds("orders"), "It hangs.", 7), "book")
        assert step is not None
        kept.step(step)
    return kept


def id_of(alert: Alert | None) -> str | None:
    return alert.finding.alert_id if alert else None


@pytest.mark.parametrize(
    ("given", "alert_id"),
    [("cafe", CAFE), ("caf", CAFE), (CAFE, CAFE), ("feed1", FEED_1), ("beef", None), ("", None), ("CAFE", None)],
)
def test_an_alert_is_found_by_its_id_or_how_that_alone_begins(
    alerts: MemoryAlerts, given: str, alert_id: str | None
) -> None:
    assert id_of(alert_called(alerts, given)) == alert_id


def test_where_several_begin_so_they_are_named(alerts: MemoryAlerts) -> None:
    with pytest.raises(UnclearAlertError, match=f"^feed may be any of: {FEED_1}, {FEED_2}$"):
        alert_called(alerts, "feed")


@pytest.mark.parametrize(
    ("given", "alert_id"),
    [
        ("cafe", None),  # a node's name
        ("feed", None),  # the trailing part of one, and the beginning of two ids
        ("dataset:cafe", None),
        ("cafe0", CAFE),
        (CAFE, CAFE),  # a node's name, and a whole id
        ("caf", None),
    ],
)
def test_a_node_goes_before_the_beginning_of_an_id_and_a_whole_id_before_a_node(
    alerts: MemoryAlerts, given: str, alert_id: str | None
) -> None:
    assert id_of(alert_meant(NAMED, alerts, given)) == alert_id


def test_where_no_node_is_called_so_the_beginning_of_an_id_will_do(alerts: MemoryAlerts) -> None:
    assert id_of(alert_meant(UNNAMED, alerts, "cafe")) == CAFE
    with pytest.raises(UnclearAlertError):
        alert_meant(UNNAMED, alerts, "feed")


@pytest.mark.parametrize("given", ["cafe", CAFE])
def test_a_whole_id_is_looked_up_once(given: str) -> None:
    class Asked(MemoryAlerts):
        asked = 0

        def get(self, alert_ids: Sequence[str]) -> dict[str, Alert]:
            self.asked += 1
            return super().get(alert_ids)

    for find in (alert_called, partial(alert_meant, UNNAMED)):
        alerts = Asked()
        find(alerts, given)
        assert alerts.asked == 1


def test_every_node_can_be_asked_for_whatever_the_ids_of_alerts(alerts: MemoryAlerts) -> None:
    for given, node in (("cafe", ds("cafe")), ("feed", ds("marts.feed")), (f"dataset:{CAFE}", ds(CAFE))):
        assert (alert_meant(NAMED, alerts, given), resolve(NAMED, given)) == (None, node)
