"""Whoever is to hear of alerts: the topic first, then the log, Alertmanager, a webhook, Slack."""
