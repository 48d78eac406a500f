"""`low_coverage`: the lineage of a namespace is less complete than it should be.

Rules kept here:
- runs are judged everywhere: what is expected of them is learned job by job. Columns are judged where the namespace
  once had what is demanded, and lost more than the target allows to be without: one whose engine gives no column
  lineage is not, nor one that has always been near its target. Datasets are judged where the policy declares what the
  sources are, for else nobody knows which of them somebody should write. What `demand` names is judged whole;
- a small namespace is not judged, nor one where few jobs or datasets are to blame: of few things a share says little,
  and the alerts about each say it better;
- one alert a namespace, about all that is low there; the targets are the policy's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from processor.detect.coverage import Coverage, Measure, Part
from processor.detect.knobs import LowCoverage
from processor.detect.policy import Policy, matches
from processor.detect.stats import HOUR_US
from processor.detect.words import listed, node_words, shown
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.identity import Kind, Node, hash_parts

_SAID = {
    Measure.DATASETS: "datasets have a known writer or are declared sources",
    Measure.RUNS: "completed runs have the lineage that is expected of them",
    Measure.COLUMNS: "columns of written datasets have known parents",
}


class _Low(NamedTuple):
    measure: Measure
    part: Part
    target: float


def detect(coverage: Coverage, policy: Policy, now_us: int) -> list[Finding]:
    """The finding of one namespace, if its lineage is not complete enough."""
    subject = Node(Kind.NAMESPACE, coverage.namespace, "")
    own = policy.for_(subject)
    if not own.permits(AlertKind.LOW_COVERAGE, subject):
        return []
    low = [one for one in _judged(coverage, subject, own) if (one.part.ratio or 0.0) < one.target]
    return [_finding(coverage, subject, low, now_us)] if low else []


def _judged(coverage: Coverage, subject: Node, policy: Policy) -> Iterator[_Low]:
    """What is judged of the namespace, with its target."""
    knobs, parts, lacking = policy.low_coverage, coverage.parts, coverage.lacking
    is_demanded = matches(knobs.demand, subject)
    has_runs = parts[Measure.RUNS].total >= knobs.min_runs and coverage.jobs >= knobs.min_jobs
    if has_runs and lacking[Measure.RUNS] >= knobs.min_lacking:
        yield _Low(Measure.RUNS, parts[Measure.RUNS], knobs.runs)
    if parts[Measure.COLUMNS].total >= knobs.min_columns and (is_demanded or _fell(coverage, knobs)):
        yield _Low(Measure.COLUMNS, parts[Measure.COLUMNS], knobs.columns)
    if parts[Measure.DATASETS].total >= knobs.min_datasets and (is_demanded or policy.sources):
        yield _Low(Measure.DATASETS, parts[Measure.DATASETS], knobs.datasets)


def _fell(coverage: Coverage, knobs: LowCoverage) -> bool:
    """Whether columns had parents as they should, and too many of them lost them."""
    had, now = coverage.ever, coverage.parts[Measure.COLUMNS]
    has_lost = had.having - now.having > (1 - knobs.columns) * now.total
    return (had.ratio or 0.0) >= knobs.columns and has_lost and coverage.lacking[Measure.COLUMNS] >= knobs.min_lacking


def _finding(coverage: Coverage, subject: Node, low: list[_Low], now_us: int) -> Finding:
    said = "; ".join(_words(coverage, one) for one in low)
    return Finding(
        alert_id=hash_parts(AlertKind.LOW_COVERAGE.value, subject.namespace).hex(),
        kind=AlertKind.LOW_COVERAGE,
        severity=Severity.WARNING,
        subject=subject,
        summary=f"In namespace {shown(subject.namespace)} {said}.",
        since_us=now_us - now_us % HOUR_US,
    )


def _words(coverage: Coverage, low: _Low) -> str:
    having, total = low.part
    names = [node_words(node) for node in coverage.missing[low.measure]]
    lacking = f" (not: {listed(names, total - having)})" if names else ""
    # Rounded down: 94.96 % is not the 95 % that it would read as.
    percent = int(1000 * having / total) / 10
    return f"{percent:g} % ({having} of {total}) {_SAID[low.measure]}, where {100 * low.target:g} % should{lacking}"
