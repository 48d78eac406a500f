"""What is wrong with jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from processor.alerter.sweep.scope import Scope, spared
from processor.detect import kinds
from processor.model.alert import Finding
from processor.model.history import JobHistory


def of_jobs(scope: Scope, histories: Iterable[JobHistory]) -> Iterator[Finding]:
    """What is wrong with these jobs."""
    for history in histories:
        scope.breathe()
        yield from spared(scope, [history], lambda some: _of_job(scope, some[0]), lambda history: history.job)


def _of_job(scope: Scope, history: JobHistory) -> Iterable[Finding]:
    return kinds.of_job(history, scope.policy, scope.now_us)
