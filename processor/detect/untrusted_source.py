"""`untrusted_source`: a guarded dataset or job draws on a source that is not to be trusted.

Rules kept here:
- one alert a subject, about its worst source under any guard that matches it, with the way there;
- critical: the source is outside the allowed ones, or a check on the way failed that blocks; warning: the trust is
  below what is demanded, or not all that is upstream could be looked at.
"""

from __future__ import annotations

from collections.abc import Iterable

from processor.detect.knobs import Guarded
from processor.detect.policy import Policy, matches
from processor.detect.trust import SourceTrust, Trust, age_limit_us, dated
from processor.detect.words import counted, node_words, shown
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.change import Cause
from processor.model.identity import Kind, Node, hash_parts


def guards_of(subject: Node, policy: Policy) -> list[Guarded]:
    """The guards that stand over a dataset or a job."""
    return [guard for guard in policy.guarded if matches(guard.match, subject)]


def is_outside(source: Node, guards: Iterable[Guarded]) -> bool:
    """Whether any of these guards allows other sources only."""
    return any(guard.allowed and not matches(guard.allowed, source) for guard in guards)


def detect(judged: Iterable[tuple[Guarded, Trust]], policy: Policy) -> list[Finding]:
    """The finding of one subject, judged under each of its guards."""
    broken = [(guard, trust) for guard, trust in judged if not trust.holds(guard.min_trust)]
    if not broken:
        return []
    guard, trust = min(broken, key=lambda each: (_is_mild(each[1]), each[1].score))
    permitted = policy.permits(AlertKind.UNTRUSTED_SOURCE, trust.subject)
    return [_finding(trust, guard)] if permitted else []


def _is_mild(trust: Trust) -> bool:
    return not any(source.is_refused for source in trust.sources)


def _finding(trust: Trust, guard: Guarded) -> Finding:
    subject, worst = trust.subject, trust.sources[0] if trust.sources else None
    return Finding(
        alert_id=hash_parts(AlertKind.UNTRUSTED_SOURCE.value, *subject[:3]).hex(),
        kind=AlertKind.UNTRUSTED_SOURCE,
        severity=Severity.WARNING if _is_mild(trust) else Severity.CRITICAL,
        subject=subject,
        summary=f"{_subject_words(subject)} {why_not(trust, guard)}.",
        since_us=_since_us(worst, guard),
        cause=Cause(job=_writer(worst)),
        path=worst.trail.path if worst else (),
    )


def _since_us(worst: SourceTrust | None, guard: Guarded) -> int:
    """Since when it draws on that source; since when that is too old, where nothing else is wrong."""
    if worst is None:
        return 0
    written, factors = dated(worst.trail), worst.factors
    is_age_alone = factors.freshness < 1 and factors.freshness == factors.score
    if written is None or written.last_write_us is None or not is_age_alone:
        return worst.trail.since_us
    return written.last_write_us + (age_limit_us(written, guard) or 0)


def _writer(worst: SourceTrust | None) -> Node | None:
    """The job that brings the data of the worst source in."""
    path = worst.trail.path if worst else ()
    return next((node for node in reversed(path) if node.kind is Kind.JOB), None)


def why_not(trust: Trust, guard: Guarded) -> str:
    """Why a subject is not trusted as far as the guard demands; the subject comes before it."""
    worst = trust.sources[0] if trust.sources else None
    if worst is not None and worst.is_outside:
        return f"draws on {_source_words(worst)}, which is outside its allowed sources{_others(trust)}"
    if worst is not None and worst.failed:
        dataset, check = worst.failed
        return f"draws on {node_words(dataset)}, where the blocking check {shown(check.name)} failed{_by(check.job)}"
    if trust.truncated or worst is None:
        return "has more upstream than could be looked at, so it is not trusted"
    reasons = "; ".join(_reasons(worst))
    demanded = f"trust in it is {worst.factors.score:.2f} where {guard.min_trust:.2f} is demanded"
    return f"draws on {_source_words(worst)}, and {demanded}: {reasons}{_others(trust)}"


def doubts(source: SourceTrust) -> list[str]:
    """All that takes trust in a source away, what refuses it first."""
    refused = ["outside the allowed sources"] if source.is_outside else []
    if source.failed:
        dataset, check = source.failed
        refused.append(f"the blocking check {shown(check.name)} of {node_words(dataset)} failed{_by(check.job)}")
    said = _reasons(source)
    return refused + (said[1:] if source.is_outside else said)


def _reasons(worst: SourceTrust) -> list[str]:
    """What takes trust away, in the order of the factors."""
    factors = worst.factors
    said = {
        "nobody is known to vouch for that source": factors.origin,
        "a check that does not block failed on the way": factors.checks,
        "the source has not been written for longer than it should": factors.freshness,
        f"{worst.unmapped} of {counted(worst.columns, 'column')} on the way have no known parents": factors.columns,
        "a dataset on the way has an open schema drift": factors.drift,
    }
    return [text for text, factor in said.items() if factor < 1]


def _subject_words(subject: Node) -> str:
    return f"Guarded {subject.kind.value} {node_words(subject)}"


def _source_words(worst: SourceTrust) -> str:
    source = worst.trail.source
    way = [node for node in worst.trail.path[1:-1] if node.kind is Kind.DATASET]
    by = f" by way of {node_words(way[-1])}" if way else ""
    return f"{node_words(source)} in {shown(source.namespace)}{by}"


def _by(job: Node | None) -> str:
    return f" in job {node_words(job)}" if job else ""


def _others(trust: Trust) -> str:
    others = sum(1 for source in trust.sources[1:] if source.is_refused)
    return f" ({counted(others, 'more source')} of it refused, too)" if others else ""
