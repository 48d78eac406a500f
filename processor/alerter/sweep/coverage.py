"""How complete the lineage is: told in metrics, and judged by namespace.

Measuring reads everything once more, and shares change slowly: so the alerter does it seldom, and judges by what it
measured last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from processor.detect import low_coverage
from processor.detect.coverage import Coverage, Surveyed
from processor.detect.policy import Policy
from processor.judging.coverage import measure
from processor.judging.scope import Scope, spared
from processor.model.alert import Finding
from processor.model.identity import Kind, Node
from processor.model.observation import EdgeType
from processor.model.pages import pages
from processor.model.text import visible
from processor.telemetry import metrics

EVERY_S = 300.0
_REST = 20  # or else measuring takes at most a twentieth of the time

TOLD_NAMESPACES = 50
"""How many namespaces, the largest first, have metrics of their own."""


def of_coverage(scope: Scope) -> Iterator[Finding]:
    """What is wrong with the coverage of namespaces."""
    surveyed = (scope.survey or _measure)(scope)
    _tell(surveyed.overall, surveyed.namespaces)
    for page in pages(surveyed.namespaces):
        yield from spared(
            scope, page, lambda some: _judge(scope, some), lambda one: Node(Kind.NAMESPACE, one.namespace, "")
        )


class Seldom:
    """Measures anew when the policy is another one, or when what was measured is old."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, every_s: float = EVERY_S) -> None:
        self._clock, self._every_s = clock, every_s
        self._known: tuple[Policy, Surveyed] | None = None
        self._edges: Mapping[EdgeType, int] = {}
        self._until_s = 0.0

    def __call__(self, scope: Scope) -> Surveyed:
        """What was measured last, or is measured now."""
        if self._known is None or self._known[0] is not scope.policy or self._clock() >= self._until_s:
            began_s = self._clock()
            self._known = scope.policy, measure(scope, self._count)
            self._until_s = self._clock() + max(self._every_s, _REST * (self._clock() - began_s))
        _tell_edges(self._edges)
        return self._known[1]

    def _count(self, edges: Mapping[EdgeType, int]) -> None:
        self._edges = edges


def _measure(scope: Scope) -> Surveyed:
    return measure(scope, _tell_edges)


def _tell_edges(edges: Mapping[EdgeType, int]) -> None:
    for type_ in EdgeType:
        metrics.INDEX_EDGES.labels(type_.value).set(edges.get(type_, 0))


def _judge(scope: Scope, namespaces: Sequence[Coverage]) -> Iterator[Finding]:
    for one in namespaces:
        yield from low_coverage.detect(one, scope.policy, scope.now_us)


def _tell(overall: Coverage, namespaces: Sequence[Coverage]) -> None:
    metrics.COVERAGE.clear()
    largest = sorted(namespaces, key=lambda one: (-one.size, one.namespace))[:TOLD_NAMESPACES]
    for one in (overall, *largest):
        for name, part in one.parts.items():
            if part.ratio is not None:
                metrics.COVERAGE.labels(name.value, visible(one.namespace)).set(part.ratio)
    metrics.LINEAGE_DEPTH.clear()
    if overall.depth is not None:
        metrics.LINEAGE_DEPTH.labels("average").set(overall.depth.average)
        metrics.LINEAGE_DEPTH.labels("max").set(overall.depth.greatest)
