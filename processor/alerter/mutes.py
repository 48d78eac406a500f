"""Mutes: what is to be told nobody for a while, and why.

Rules kept here:
- whoever mutes says until when and why; what has passed its end mutes nothing, and is no error;
- an alert has a mute of its own, or that of a pattern. Its own goes with it wherever it goes and ends when it said, or
  when it is taken back; that of a pattern holds as long as the pattern is there, beside the alerts or in the policy;
- a mute is a statement about what people are told, not about what holds: a muted alert fires, and is resolved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from processor.detect.policy import Policy, matches
from processor.model.alert import Alert, AlertKind, Finding, Note
from processor.model.identity import hash_parts


@dataclass(frozen=True, slots=True)
class Mute:
    """All alerts about what a pattern matches, of one kind or of any."""

    pattern: str
    until_us: int
    reason: str
    by: str
    at_us: int
    kind: AlertKind | None = None

    @property
    def mute_id(self) -> str:
        """The same for the same pattern and kind: who mutes it again says something else about it."""
        return hash_parts("mute", self.pattern, self.kind or "").hex()

    def covers(self, finding: Finding) -> bool:
        """Whether it is about that finding."""
        return self.kind in (None, finding.kind) and matches((self.pattern,), finding.subject.dataset)


class Mutes:
    """The mutes that hold at one moment."""

    def __init__(self, known: Iterable[Mute], policy: Policy, now_us: int) -> None:
        """Take those that people set, and those of the policy."""
        of_policy = (Mute(m.pattern, m.until_us, m.reason, "policy", now_us, m.kind) for m in policy.mutes)
        self._now_us = now_us
        self._mutes = sorted(
            (mute for mute in (*known, *of_policy) if mute.until_us > now_us),
            key=lambda mute: (-mute.until_us, mute.pattern, mute.mute_id),
        )

    def on(self, finding: Finding, known: Alert | None) -> Note | None:
        """What mutes an alert now: its own mute, else the pattern that does so for longest."""
        note = known.muted if known else None
        if note and note.pattern is None and (note.until_us is None or note.until_us > self._now_us):
            return note
        mute = next((mute for mute in self._mutes if mute.covers(finding)), None)
        if mute is None:
            return None
        is_known = note and (note.pattern, note.until_us, note.reason) == (mute.pattern, mute.until_us, mute.reason)
        return note if is_known else Note(mute.by, self._now_us, mute.reason, mute.until_us, mute.pattern)
