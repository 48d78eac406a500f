"""Who waits for what does not come.

Rules kept here:
- of a job that is silent or stuck, and of a dataset that is silent or has nobody who writes it, all that is downstream
  is stale, and whoever owns that has to know. What merely lost lineage may be as fresh as ever: nothing is said of it;
- a walk may last for seconds, so it is made for what is told one by one only, as that of a drift is; and of what lies
  downstream of several, which have one core table in common, each node is read once;
- the nearest are named, and all are counted: hundreds of alerts that each named thousands are more than an alerter,
  which reads all that fires again and again, may hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from processor.index.impact import stale
from processor.index.view import View
from processor.judging.scope import Scope, spared
from processor.model.alert import AlertKind, Finding, Impact
from processor.model.identity import Node

NAMED: Final = 100
"""Datasets, jobs and exposures, of each so many."""
_STALE = frozenset({AlertKind.SILENT_JOB, AlertKind.STUCK_RUN, AlertKind.SILENT_DATASET, AlertKind.ORPHAN_DATASET})


def reaching(scope: Scope, findings: Iterable[Finding]) -> Iterator[Finding]:
    """These findings, those about what does not come with all that waits for it."""
    view = scope.view.walking()

    def judge(some: Iterable[Finding]) -> Iterable[Finding]:
        return (replace(finding, impact=_reach(view, finding.subject)) for finding in some)

    for finding in findings:
        if finding.kind in _STALE:
            scope.breathe()
            yield from spared(scope, [finding], judge, lambda one: one.subject)
        else:
            yield finding


def _reach(view: View, subject: Node) -> Impact:
    impact = stale(view, subject)
    datasets, jobs, ends = (part[:NAMED] for part in (impact.datasets, impact.jobs, impact.exposures))
    is_cut = len(datasets) + len(jobs) < len(impact.datasets) + len(impact.jobs)
    return replace(impact, datasets=datasets, jobs=jobs, exposures=ends, truncated=impact.truncated or is_cut)
