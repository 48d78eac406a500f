"""How silent whole namespaces are: a metric, for rules that watch the estate rather than one job.

The measure is `silent_job`'s: what counts is the shortest time that any job of the namespace may be silent, and the
newest start of any run. So a namespace is beyond it only when all its jobs are silent, or about to be.
Memory is bounded by `coverage.MOST_NAMESPACES`; beyond those a namespace is not measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from processor.detect import silent_job
from processor.detect.batch import is_endless
from processor.detect.cadence import Cadence
from processor.detect.coverage import MOST_NAMESPACES
from processor.judging.scope import Scope, spared
from processor.model.alert import AlertKind, Finding
from processor.model.history import JobHistory
from processor.model.text import visible
from processor.telemetry import metrics

TOLD_NAMESPACES: Final = 50
"""How many namespaces, those with the most jobs of a known cadence first, have a metric of their own."""


@dataclass(slots=True)
class _Place:
    """One namespace: the newest start, and the cadence with the shortest limit of its `jobs` that have one."""

    newest_us: int = 0
    jobs: int = 0
    strictest: Cadence | None = None

    def take(self, history: JobHistory, cadence: Cadence | None) -> None:
        ended, open_ = ([run.started_us for run in runs] for runs in (history.finished, history.running()))
        self.newest_us = max(self.newest_us, *ended, *open_, 0)
        if cadence is not None:
            self.jobs += 1
            if self.strictest is None or cadence.limit_us < self.strictest.limit_us:
                self.strictest = cadence

    def ratio(self, now_us: int) -> float | None:
        if self.strictest is None:
            return None
        return max(0, self.strictest.silence_us(self.newest_us, now_us)) / self.strictest.limit_us


class Silence:
    """The namespaces, while a pass streams all jobs."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._places: dict[str, _Place] = {}

    def jobs(self, histories: Iterable[JobHistory]) -> Iterator[JobHistory]:
        """The same jobs, each taken in as it passes."""
        for history in histories:
            spared(self._scope, [history], self._take, lambda one: one.job)
            yield history

    def tell(self) -> None:
        """Set the metric of the namespaces with the most jobs, and of no others."""
        metrics.SILENCE.clear()
        largest = sorted(self._places.items(), key=lambda pair: (-pair[1].jobs, pair[0]))[:TOLD_NAMESPACES]
        for namespace, place in largest:
            ratio = place.ratio(self._scope.now_us)
            if ratio is not None:
                metrics.SILENCE.labels(visible(namespace)).set(ratio)

    def _take(self, histories: Sequence[JobHistory]) -> Iterable[Finding]:
        for history in histories:
            place = self._place(history.job.namespace)
            if place is not None:
                place.take(history, self._cadence(history))
        return ()

    def _place(self, namespace: str) -> _Place | None:
        if namespace not in self._places and len(self._places) >= MOST_NAMESPACES:
            return None
        return self._places.setdefault(namespace, _Place())

    def _cadence(self, history: JobHistory) -> Cadence | None:
        """The cadence of a job that may be told to be silent; None of the others, retired ones too."""
        own, now_us = self._scope.policy.for_(history.job), self._scope.now_us
        if is_endless(history) or not own.permits(AlertKind.SILENT_JOB, history.job):
            return None
        if silent_job.is_retired(history, own, now_us):
            return None
        return silent_job.cadence_of(history, own.silent_job)
