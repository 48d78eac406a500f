"""Alerts as Alertmanager's API v2 wants them.

Rules kept here:
- an alert's labels are its identity there, so they never change while it fires; where the severity does, the old
  labels are told to be over and the new ones fire;
- what fires ends by itself a few intervals after it was last told, so nobody has to clean up after an alerter that is
  gone;
- what is over, or muted, is told to be over for some minutes, so that one lost message is none;
- no time lies ahead but that end: Alertmanager takes no alert that ends before it starts.
Source: prometheus/alertmanager, api/v2/openapi.yaml (postableAlert).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from processor.detect.words import node_words, shown
from processor.model.alert import Alert, Note, Severity, Status
from processor.render.alerts import impact_line
from processor.render.times import rfc3339

Post = dict[str, Any]

KEPT_US = 300_000_000
"""How long the end of an alert is told."""
_INTERVALS = 4
_MOST_TEXT = 1000
_SECOND_US = 1_000_000


class Board:
    """What one Alertmanager is to be told; remembers under which severity it knows each alert."""

    def __init__(self, resend_s: float) -> None:
        self._lasts_us = int(_INTERVALS * resend_s * _SECOND_US)
        self._known: dict[str, Severity] = {}
        self._former: dict[tuple[str, Severity], tuple[Post, int]] = {}

    def posts(self, alerts: Iterable[Alert], now_us: int) -> list[Post]:
        """Everything to tell now. `alerts`: those that fire, and those that ended within `KEPT_US`."""
        told = [(alert, post) for alert in alerts if (post := self._post(alert, now_us))]
        for alert, post in told:
            self._retire_former(alert, post, now_us)
        self._known = {a.finding.alert_id: a.finding.severity for a, _ in told if a.status is Status.FIRING}
        self._former = {key: kept for key, kept in self._former.items() if kept[1] > now_us}
        return [post for _, post in told] + [post for post, _ in self._former.values()]

    def _post(self, alert: Alert, now_us: int) -> Post | None:
        starts_us = min(alert.started_us, now_us)
        if alert.status is Status.RESOLVED:
            return _posted(alert, starts_us, min(alert.ends_us or now_us, now_us))
        if alert.muted is None:
            return _posted(alert, starts_us, now_us + self._lasts_us)
        is_news = now_us - alert.muted.at_us < KEPT_US
        return _posted(alert, starts_us, now_us) if is_news else None

    def _retire_former(self, alert: Alert, post: Post, now_us: int) -> None:
        alert_id, severity = alert.finding.alert_id, alert.finding.severity
        self._former.pop((alert_id, severity), None)
        known = self._known.get(alert_id, severity)
        if known is not severity:
            labels = post["labels"] | {"severity": known.value}
            over = post | {"labels": labels, "endsAt": rfc3339(now_us)}
            self._former[alert_id, known] = over, now_us + KEPT_US


def _posted(alert: Alert, starts_us: int, ends_us: int) -> Post:
    return {
        "labels": labels(alert),
        "annotations": _annotations(alert),
        "startsAt": rfc3339(starts_us),
        "endsAt": rfc3339(max(ends_us, starts_us)),
    }


def labels(alert: Alert) -> dict[str, str]:
    """What an alert is known by."""
    finding = alert.finding
    return {
        "alertname": finding.kind.value,
        "severity": finding.severity.value,
        "alert_id": finding.alert_id,
        "namespace": shown(finding.subject.namespace),
        "subject": shown(str(finding.subject)),
    }


def _annotations(alert: Alert) -> dict[str, str]:
    finding = alert.finding
    told = {
        "summary": finding.summary,
        "runbook_url": alert.runbook_url,
        "breaks": impact_line(finding.impact),
        "owners": ", ".join(finding.impact.owners),
        "cause": node_words(finding.cause.job) if finding.cause.job else "",
        "run": finding.cause.run_id or "",
        "acknowledged": _noted(alert.acknowledged),
    }
    return {name: text[:_MOST_TEXT] for name, text in told.items() if text}


def _noted(note: Note | None) -> str:
    return f"by {shown(note.by)}: {shown(note.reason)}" if note else ""
