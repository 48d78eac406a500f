"""May this be fed? Judged by the sources that it draws on, each with its trust and the way there.

Rules kept here:
- what is asked for is demanded; where nothing is, what the policy's guards demand of the subject, else a trust of 0.9;
- of several guards the one counts that is kept least;
- of a column those sources count that the columns it is made from come from; all of its dataset's where its lineage is
  not known to the end: where any way up ends at a dataset that is made from others itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import msgspec

from processor.detect import untrusted_source
from processor.detect.knobs import Guarded
from processor.detect.policy import Policy
from processor.detect.trust import SourceTrust, Trust
from processor.index.columns import column_lineage
from processor.index.graph import Graph
from processor.index.provenance import provenance
from processor.index.traverse import Direction
from processor.index.view import View
from processor.judging.trusted import trust_in
from processor.judging.verdicts import ProvenanceVerdict, SourceVerdict, TrustFactors, ref
from processor.model.identity import Kind, Node
from processor.model.provenance import Provenance, Trail

MIN_TRUST = 0.9
_DIGITS = 4


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What is demanded of the sources: see `Guarded`, whose members these are. None leaves it to the policy."""

    allow: tuple[Annotated[str, msgspec.Meta(min_length=1)], ...] = ()
    min_trust: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    max_age_hours: Annotated[float, msgspec.Meta(gt=0)] | None = None


def may_be_fed(view: View, subject: Node, demand: Demand, policy: Policy, now_us: int) -> ProvenanceVerdict:
    """Whether a dataset, a job or a column may be fed with what it draws on."""
    found, notes = _sources(view, subject)
    guards = _guards(subject, demand, policy)
    judged = zip(guards, trust_in(view, found, guards, policy, now_us), strict=True)
    guard, trust = min(judged, key=lambda each: (each[1].holds(each[0].min_trust), each[1].score))
    return _verdict(subject, guard, trust, notes)


def _guards(subject: Node, demand: Demand, policy: Policy) -> Sequence[Guarded]:
    own = untrusted_source.guards_of(subject.dataset, policy)
    if own and demand == Demand():
        return own
    least = MIN_TRUST if demand.min_trust is None else demand.min_trust
    return [Guarded(match=("*",), allowed=demand.allow, min_trust=least, max_age_hours=demand.max_age_hours)]


def _sources(view: View, subject: Node) -> tuple[Provenance, list[str]]:
    found = provenance(view, subject.dataset)
    if subject.kind is not Kind.COLUMN:
        return found, []
    above = column_lineage(view, subject, Direction.UP)
    origins = _origins(above)
    if above.truncated or not above.edges or not origins <= {name for trail in found.trails for name in _names(trail)}:
        return found, [f"no lineage of the column is known to the end, so all sources of {subject.dataset} count"]
    return replace(found, trails=tuple(t for t in found.trails if not origins.isdisjoint(_names(t)))), []


def _origins(above: Graph) -> set[Node]:
    """The datasets at which the ways up end."""
    derived = {edge.dst for edge in above.edges}
    return {reached.node.dataset for reached in above.nodes if reached.node not in derived}


def _names(trail: Trail) -> set[Node]:
    return {trail.source, *(trail.stops[-1].names if trail.stops else ())}


def _verdict(subject: Node, guard: Guarded, trust: Trust, notes: list[str]) -> ProvenanceVerdict:
    ok = trust.holds(guard.min_trust)
    sources = [_source(source, guard) for source in trust.sources]
    return ProvenanceVerdict(
        ok=ok,
        subject=ref(subject),
        trust=round(trust.score, _DIGITS),
        min_trust=guard.min_trust,
        allowed=list(guard.allowed),
        reason="" if ok else untrusted_source.why_not(trust, guard),
        path=[] if ok or not sources else sources[0].path,
        sources=sources,
        truncated=trust.truncated,
        notes=notes,
    )


def _source(source: SourceTrust, guard: Guarded) -> SourceVerdict:
    rounded = TrustFactors(*(round(factor, _DIGITS) for factor in source.factors))
    return SourceVerdict(
        source=ref(source.trail.source),
        ok=not source.is_refused and round(source.factors.score, 9) >= guard.min_trust,
        score=round(source.factors.score, _DIGITS),
        factors=rounded,
        reasons=untrusted_source.doubts(source),
        path=[ref(node) for node in source.trail.path],
    )
