"""Whom to tell of alerts beside the topic. Wiring fills it from the settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from processor.model.alert import Severity

WEBHOOK: Final = "webhook"
SLACK: Final = "slack"


@dataclass(frozen=True, slots=True)
class SinksConfig:
    """Addresses of the sinks, none by default.

    Every Alertmanager is told all that fires each `resend_s`, and at once when something opened or resolved.
    `webhook_secret` signs what the webhook is sent. `slack_severity`: the least severity that Slack hears of.
    `timeout_s`: longest wait for one answer. What an address asks a person to keep secret stays out of `repr`.
    """

    alertmanager_urls: tuple[str, ...] = field(default=(), repr=False)
    webhook_url: str | None = field(default=None, repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    slack_url: str | None = field(default=None, repr=False)
    slack_severity: Severity = Severity.WARNING
    resend_s: float = 60.0
    timeout_s: float = 10.0

    @property
    def queued(self) -> tuple[str, ...]:
        """Names of the sinks that are told each transition, from a queue of their own."""
        addresses = {WEBHOOK: self.webhook_url, SLACK: self.slack_url}
        return tuple(name for name, url in addresses.items() if url)
