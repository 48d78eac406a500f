"""The store is brought up to what the alerts topic says, before anything is judged or published.

Rules kept here:
- the topic is the lasting record: a store that was emptied or went back in time knows less than the topic holds, and
  that is what `known` and the topic's ends tell, for two questions;
- in doubt it is read again: to be told what one knows does no harm;
- to read it may take longer than the lease lasts: `breathe` is called between two records, to lead on (two who took
  turns in leading would each end the other's reading, for ever);
- a topic that ends before what was known of it, or has fewer partitions, was made anew: what fires is sent to it again;
- where the topic's last word on an alert is older than what was published before (somebody who no longer led still
  sent), or that it is to be forgotten though it fires again, the newer word is sent again, for a compacted topic keeps
  the last one only.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

import structlog

from processor.alerter.points import Point, Reached, pass_by
from processor.alerter.state import AlertStore
from processor.alerter.topic_log import AlertLog
from processor.telemetry import metrics

_log = structlog.get_logger(__name__)


class Recall:
    """For one thread at a time."""

    def __init__(
        self,
        alerts: AlertStore,
        topic: AlertLog,
        reached: Reached = pass_by,
        breathe: Callable[[], None] = lambda: None,
    ) -> None:
        """Tell `alerts` what `topic` says. What `breathe` raises ends a reading, and harms nothing."""
        self._alerts = alerts
        self._topic = topic
        self._reached = reached
        self._breathe = breathe

    def refresh(self) -> bool:
        """Make the store know the topic up to its end; whether it did not. Raises DependencyError."""
        known, ends = self._alerts.known(), self._topic.ends()
        if known == ends and self._alerts.era():
            return False
        is_new = any(offset > ends.get(each, 0) for each, offset in known.items())
        from_where = {each: 0 if is_new else known.get(each, 0) for each in ends}
        starts = {each: start for each, start in from_where.items() if start < ends[each]}
        self._read(starts, ends, is_new=is_new)
        return bool(starts) or is_new

    def _read(self, starts: dict[int, int], ends: dict[int, int], *, is_new: bool) -> None:
        reader, told, taken = uuid.uuid4().hex, 0, 0
        last: dict[str, int] = {}
        self._alerts.begin(reader)
        for alert_id, alert in self._topic.read(starts) if starts else ():
            self._breathe()
            if alert is None:
                last[alert_id] = 0
                self._alerts.forget([alert_id])
                continue
            told += 1
            taken += self._alerts.restore(reader, told, alert)
            last[alert_id] = alert.version
            self._reached(Point.RESTORED)
        again = sum(self._resend(*each) for each in last.items())
        if is_new:
            again += sum(self._resend(alert_id, 0) for alert_id in self._alerts.firing() if alert_id not in last)
        self._alerts.finish(reader, told, ends)
        self._reached(Point.KNOWN)
        _tell(taken, again)

    def _resend(self, alert_id: str, version: int) -> bool:
        self._breathe()
        return self._alerts.resend(alert_id, version)


def _tell(taken: int, again: int) -> None:
    if taken or again:
        metrics.ALERTS_RESTORED.inc(taken)
        _log.warning("alerts.restored", from_the_topic=taken, sent_again=again)
