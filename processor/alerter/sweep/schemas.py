"""What is wrong with what observers state of datasets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from processor.alerter.sweep.scope import Scope, spared
from processor.detect import kinds
from processor.index.impact import impact
from processor.index.view import View
from processor.model.alert import Finding, Impact
from processor.model.identity import Node


def of_schemas(scope: Scope, datasets: Sequence[Node]) -> Iterator[Finding]:
    """What is wrong with what observers state of these datasets."""
    records = scope.view.nodes(dataset.id for dataset in datasets)
    yield from of_live_schemas(scope, [r.node for r in records.values() if not r.dropped])


def of_live_schemas(scope: Scope, datasets: Sequence[Node]) -> Iterable[Finding]:
    """The same of datasets that are known not to be dropped."""
    return spared(scope, datasets, lambda some: _drift_of(scope, some), lambda dataset: dataset)


def _drift_of(scope: Scope, datasets: Sequence[Node]) -> Iterator[Finding]:
    for dataset, lanes in scope.view.lanes_of(datasets).items():
        yield from kinds.of_lanes(lanes, scope.policy, scope.now_us, _impact_of(scope.view, dataset))


def _impact_of(view: View, dataset: Node) -> Callable[[frozenset[str]], Impact]:
    return lambda columns: impact(view, dataset, columns)
