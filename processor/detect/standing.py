"""What stands: open alerts that tell of others, and what of that still holds.

Rules kept here:
- an alert goes on telling of each member that still holds, and has held since: one that began a day or more apart from
  what was told is another incident;
- one whose own finding is over goes on for the sake of its members, as grave as the gravest of them, until the last
  one is over: one cause is one alert, whichever part of it is mended first;
- so what is open may depend on what was told before; what holds never does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from processor.detect.stats import DAY_US
from processor.detect.words import counted, node_words
from processor.model.alert import AlertKind, Finding, Member


@dataclass(frozen=True, slots=True)
class Standing:
    """Open findings by alert id, as they were told.

    `leads`: what holds and was told with one of them: by its id, the id of that one. `over`: those of them that do not
    hold by themselves any more, though others do that they lead.
    """

    open: Mapping[str, Finding] = field(default_factory=dict)
    leads: Mapping[str, str] = field(default_factory=dict)
    over: Mapping[str, Finding] = field(default_factory=dict)

    def among(self, findings: Iterable[Finding]) -> Standing:
        """What of it stands where only these are to be told."""
        told = {finding.alert_id for finding in findings}
        leads = {i: leader for i, leader in self.leads.items() if i in told and (leader in told or leader in self.over)}
        leading = frozenset(leads.values())
        return Standing(self.open, leads, {i: finding for i, finding in self.over.items() if i in leading})

    def family_of(self, alert_id: str) -> str:
        """The open alert that something is told with, or it itself."""
        return self.leads.get(alert_id, alert_id)

    def may_have_unnamed(self, alert_id: str) -> bool:
        """Whether an open alert told of more than it could name."""
        there = self.open.get(alert_id)
        return there is not None and there.member_count > len(there.members)


NOTHING_STANDS = Standing()


def standing(open_: Mapping[str, Finding], held: Iterable[Finding]) -> Standing:
    """What stands of the open findings while these hold."""
    holding = {finding.alert_id: finding for finding in held}
    leads: dict[str, str] = {}
    for leader in sorted(open_.values(), key=lambda finding: (finding.since_us, finding.alert_id)):
        for member in () if leader.kind is AlertKind.ALERT_STORM else leader.members:
            if _goes_on(member, holding):
                leads.setdefault(member.alert_id, leader.alert_id)
    over = {leader_id: open_[leader_id] for leader_id in leads.values() if leader_id not in holding}
    return Standing(open_, leads, over)


def outlived(leader: Finding, members: Sequence[Member], count: int) -> Finding:
    """What an alert says that only goes on for the sake of its members, which come the gravest first."""
    summary = f"{_is_over(leader)}{counted(count, 'finding')} of the same cause: {members[0].summary}"
    return replace(leader, summary=summary, severity=members[0].severity, members=tuple(members), member_count=count)


def is_outlived(finding: Finding) -> bool:
    """Whether it says that it only goes on for the sake of its members."""
    return finding.summary.startswith(_is_over(finding))


def _is_over(leader: Finding) -> str:
    what = leader.kind.value.replace("_", " ")
    return f"The {what} of {node_words(leader.subject)} is over, but not "


def _goes_on(member: Member, holding: Mapping[str, Finding]) -> bool:
    now = holding.get(member.alert_id)
    return now is not None and abs(now.since_us - member.since_us) < DAY_US
