"""Who waits for what does not come.

Rules kept here:
- of a job that is silent or stuck, and of a dataset that is silent or has nobody who writes it, all that is downstream
  is stale, and whoever owns that has to know. What merely lost lineage may be as fresh as ever: nothing is said of it;
- a walk may last for seconds, so it is made for what is told one by one only, as that of a drift is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from processor.index.impact import stale
from processor.judging.scope import Scope, spared
from processor.model.alert import AlertKind, Finding

_STALE = frozenset({AlertKind.SILENT_JOB, AlertKind.STUCK_RUN, AlertKind.SILENT_DATASET, AlertKind.ORPHAN_DATASET})


def reaching(scope: Scope, findings: Iterable[Finding]) -> Iterator[Finding]:
    """These findings, those about what does not come with all that waits for it."""

    def judge(some: Iterable[Finding]) -> Iterable[Finding]:
        return (replace(finding, impact=stale(scope.view, finding.subject)) for finding in some)

    for finding in findings:
        if finding.kind in _STALE:
            scope.breathe()
            yield from spared(scope, [finding], judge, lambda one: one.subject)
        else:
            yield finding
