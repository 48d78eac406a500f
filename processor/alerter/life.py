"""The life of an alert, as pure transitions.

Rules kept here:
- an alert fires until its finding no longer holds; then it is resolved; it may fire again;
- `version` grows by one with each transition that is published: it fires, its severity changes, it is
  resolved. So consumers drop what they had by (alert_id, version);
- it starts when its condition began to hold, in event time, and never before its last end;
- a finding that reads differently without being graver is kept up to date, unpublished.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from processor.model.alert import Alert, Finding, Status


@dataclass(frozen=True, slots=True)
class Step:
    """What an alert becomes. `expected`: the version that it must still have; 0 for none yet."""

    alert: Alert
    expected: int
    is_published: bool


def fire(known: Alert | None, finding: Finding, runbook_url: str) -> Step | None:
    """The finding holds. None when the alert says so already."""
    if known is None:
        return Step(Alert(finding, Status.FIRING, finding.since_us, None, runbook_url), 0, is_published=True)
    if known.status is Status.RESOLVED:
        started_us = max(finding.since_us, known.ends_us or finding.since_us)
        again = Alert(finding, Status.FIRING, started_us, None, runbook_url, known.version + 1)
        return Step(again, known.version, is_published=True)
    if known.finding == finding and known.runbook_url == runbook_url:
        return None
    fresh = replace(known, finding=finding, runbook_url=runbook_url)
    if known.finding.severity is finding.severity:
        return Step(fresh, known.version, is_published=False)
    return Step(replace(fresh, version=known.version + 1), known.version, is_published=True)


def resolve(known: Alert, now_us: int) -> Step:
    """The finding of a firing alert no longer holds."""
    ends_us = max(now_us, known.started_us)
    ended = replace(known, status=Status.RESOLVED, ends_us=ends_us, version=known.version + 1)
    return Step(ended, known.version, is_published=True)
