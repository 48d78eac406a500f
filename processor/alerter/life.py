"""The life of an alert, as pure transitions.

Rules kept here:
- an alert fires until its finding no longer holds; then it is resolved; it may fire again;
- `version` grows by one with each transition that is published: it fires, its severity changes, it is
  resolved. So consumers drop what they had by (alert_id, version);
- it starts when its condition began to hold, in event time, and never before its last end;
- a finding that reads differently without being graver is kept up to date, unpublished; of one that tells of more and
  more others, it is published that they are twice as many, and that it is over itself and they are not;
- one that comes and goes fires on until it has been quiet for a while, and says so. Drift does not: its flapping is a
  finding of its own. What the topic alone knows of an alert does not tell how often it came and went: that is learned
  anew;
- what people say of an alert is a step of its life. Who acknowledges a drift accepts it as the new normal: it is
  resolved, and stays so while the same finding holds (its id names both versions); once that does not hold, it may fire
  anew. Any other alert fires on, marked; when it fires anew, nobody has acknowledged that;
- who mutes an alert ends its telling only: a muted one fires and is resolved as ever.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from processor.detect.kinds import SCHEMA_KINDS
from processor.detect.knobs import Damping
from processor.detect.standing import is_outlived
from processor.detect.stats import hours_us
from processor.detect.words import lasting
from processor.model.alert import Alert, AlertKind, Finding, Note, Status

_OPENINGS = 8
_ACCEPTABLE = frozenset({AlertKind.SCHEMA_DRIFT})


@dataclass(frozen=True, slots=True)
class Step:
    """What an alert becomes. `expected`: the version that it must still have; 0 for none yet."""

    alert: Alert
    expected: int
    is_published: bool


def fire(known: Alert | None, finding: Finding, runbook_url: str, muted: Note | None = None) -> Step | None:
    """The finding holds, and this mutes it. None when the alert says so already, or was accepted."""
    if known is None:
        since_us = finding.since_us
        first = Alert(finding, Status.FIRING, since_us, None, runbook_url, muted=muted, openings=(since_us,))
        return Step(first, 0, is_published=True)
    if is_accepted(known):
        return None
    if known.status is Status.RESOLVED:
        started_us = max(finding.since_us, known.ends_us or finding.since_us)
        again = Alert(finding, Status.FIRING, started_us, None, runbook_url, muted=muted)
        openings = (*known.openings, started_us)[-_OPENINGS:]
        return _published(known, replace(again, openings=openings))
    fresh = replace(known, finding=finding, runbook_url=runbook_url, muted=muted, quiet_since_us=None)
    if fresh == known:
        return None
    if known.muted == muted and not _is_news(known.finding, finding):
        return Step(fresh, known.version, is_published=False)
    return _published(known, fresh)


def resolve(known: Alert, now_us: int) -> Step:
    """The finding of a firing alert no longer holds."""
    ends_us = max(now_us, known.started_us)
    return _published(known, replace(known, status=Status.RESOLVED, ends_us=ends_us))


def is_restless(known: Alert, knobs: Damping, now_us: int) -> bool:
    """Whether an alert came and went so often that it is not over yet, though its finding does not hold now."""
    if not knobs.enabled or known.finding.kind in SCHEMA_KINDS:
        return False
    lately = [opening for opening in known.openings if opening > now_us - hours_us(knobs.hours)]
    quiet_since_us = now_us if known.quiet_since_us is None else known.quiet_since_us
    is_quiet = now_us - quiet_since_us >= hours_us(knobs.hold_hours)
    return (known.quiet_since_us is not None or len(lately) >= knobs.transitions) and not is_quiet


def hold(known: Alert, knobs: Damping, now_us: int) -> Step | None:
    """It goes on firing, and says why; None when it does so already."""
    if known.quiet_since_us is not None:
        return None
    said = f"{known.finding.summary.removesuffix('.')}; it comes and goes, and is over once it has been quiet for"
    finding = replace(known.finding, summary=f"{said} {lasting(hours_us(knobs.hold_hours))}.")
    return Step(replace(known, finding=finding, quiet_since_us=now_us), known.version, is_published=False)


def _is_news(before: Finding, after: Finding) -> bool:
    has_grown = after.member_count.bit_length() > before.member_count.bit_length()
    return has_grown or before.severity is not after.severity or is_outlived(before) is not is_outlived(after)


def fold(known: Alert, leader_id: str, now_us: int) -> Step:
    """From now on another alert tells of it."""
    said = f"{known.finding.summary.removesuffix('.')}; told with alert {leader_id} from now on."
    step = resolve(known, now_us)
    return replace(step, alert=replace(step.alert, finding=replace(known.finding, summary=said)))


def is_accepted(alert: Alert) -> bool:
    """Whether somebody has accepted what it tells as the new normal."""
    return alert.status is Status.RESOLVED and alert.acknowledged is not None and alert.finding.kind in _ACCEPTABLE


def acknowledge(known: Alert, note: Note) -> Step:
    """Somebody has seen a firing alert."""
    seen = replace(known, acknowledged=note)
    if known.finding.kind not in _ACCEPTABLE:
        return _published(known, seen)
    return _published(known, replace(seen, status=Status.RESOLVED, ends_us=max(note.at_us, known.started_us)))


def outlive(known: Alert) -> Step:
    """What was accepted does not hold any more: should it come again, it is news."""
    return Step(replace(known, acknowledged=None), known.version, is_published=False)


def mute(known: Alert, note: Note) -> Step:
    """Somebody has muted a firing alert."""
    return _published(known, replace(known, muted=note))


def unmute(known: Alert) -> Step | None:
    """Somebody took that back; None when nothing mutes it."""
    return _published(known, replace(known, muted=None)) if known.muted else None


def _published(known: Alert, becomes: Alert) -> Step:
    return Step(replace(becomes, version=known.version + 1), known.version, is_published=True)
