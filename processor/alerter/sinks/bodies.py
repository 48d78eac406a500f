"""What the webhook and Slack are sent.

Rules kept here:
- the webhook gets the alert as `lineage alerts -o json` prints it, one message a transition, signed so that its
  receiver can tell who sent it and when, with a key by which doubles are known;
- Slack gets what a person needs to decide whether to get up, escaped as Slack wants it;
- what is muted is told nobody; but that it is over is told the webhook, so that nothing stays open there.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import msgspec

from processor.alerter.sinks.config import SLACK
from processor.alerter.state import Pending
from processor.detect.words import node_words, shown
from processor.model.alert import Alert, Severity, Status
from processor.render.alerts import alert_record, impact_line

_ORDER = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)
_COLORS = {Severity.CRITICAL: "#d32f2f", Severity.WARNING: "#f9a825", Severity.INFO: "#1976d2"}
_OVER = "#2e7d32"
_MOST_TEXT = 2800  # Slack takes 3000 characters a block


def is_told(alert: Alert, sink: str, least: Severity) -> bool:
    """Whether a sink with a queue is to hear of a transition."""
    if sink == SLACK:
        return alert.muted is None and _ORDER.index(alert.finding.severity) >= _ORDER.index(least)
    return alert.muted is None or alert.status is Status.RESOLVED


def webhook_body(alert: Alert) -> bytes:
    """The alert as JSON."""
    return msgspec.json.encode(alert_record(alert))


def webhook_headers(transition: Pending, body: bytes, secret: str | None, now_s: int) -> dict[str, str]:
    """Type, key against doubles, and where there is a secret the signature."""
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": f"{transition.alert_id}:{transition.version}",
    }
    return headers | ({"Lineage-Signature": signature(secret, now_s, body)} if secret else {})


def signature(secret: str, now_s: int, body: bytes) -> str:
    """`t=SECONDS,v1=HEX`: HMAC-SHA256 under the secret of the seconds, a dot, and the body."""
    signed = hmac.new(secret.encode(), f"{now_s}.".encode() + body, hashlib.sha256)
    return f"t={now_s},v1={signed.hexdigest()}"


def slack_body(alert: Alert) -> bytes:
    """A message with a line that notifies, and an attachment in the severity's color."""
    finding = alert.finding
    is_over = alert.status is Status.RESOLVED
    head = f"{'resolved' if is_over else finding.severity.value}: {finding.kind.value}"
    block = {"color": _OVER if is_over else _COLORS[finding.severity], "blocks": list(_blocks(alert))}
    text = f"{head}: {escaped(finding.summary)}"
    return msgspec.json.encode({"text": text[:_MOST_TEXT], "attachments": [block]})


def _blocks(alert: Alert) -> list[dict[str, Any]]:
    finding, told = alert.finding, [f"*{escaped(node_words(alert.finding.subject))}*"]
    breaks = impact_line(finding.impact)
    if breaks and alert.status is Status.FIRING:
        told.append(f"breaks {escaped(breaks)}")
    if finding.impact.owners:
        told.append(f"owners: {escaped(', '.join(finding.impact.owners))}")
    return [_markdown("section", "\n".join(told)), _markdown("context", " · ".join(_facts(alert)))]


def _facts(alert: Alert) -> list[str]:
    cause, url = alert.finding.cause, alert.runbook_url
    facts = [f"`{alert.finding.alert_id}`"]
    facts += [f"by {escaped(node_words(cause.job))}"] if cause.job else []
    facts += [f"acknowledged by {escaped(shown(alert.acknowledged.by))}"] if alert.acknowledged else []
    is_link = url.startswith(("http://", "https://"))
    return [*facts, f"<{escaped(url)}|runbook>" if is_link else escaped(url)]


def _markdown(kind: str, text: str) -> dict[str, Any]:
    words = {"type": "mrkdwn", "text": text[:_MOST_TEXT]}
    return {"type": kind, "text": words} if kind == "section" else {"type": kind, "elements": [words]}


def escaped(text: str) -> str:
    """The three characters that mean something to Slack, and nothing that is not shown."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
