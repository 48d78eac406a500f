"""What is wrong with what observers state of datasets.

Rules kept here:
- how grave a drift is takes one step downstream to tell, and all that it breaks a walk that may last for seconds. So
  drifts are judged *briefly* first, with no impact; only what is told of them, once it is known what has the same root
  cause and what is too much at once, is judged *in full*. Both are equally grave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from processor.detect import kinds
from processor.detect.rename import Lineages
from processor.detect.schema_drift import Asking
from processor.index.impact import impact, is_read
from processor.index.view import View
from processor.judging.scope import Scope, spared
from processor.model.alert import Finding
from processor.model.history import KnownMapping, Observer
from processor.model.identity import Kind, Node
from processor.model.observation import Role

_READERS_ASKED = 50
"""Of how many mappings that read a dataset the history is read, for evidence of a renaming."""

_Asked = Callable[[View, Node], Asking]


def of_schemas(scope: Scope, datasets: Sequence[Node]) -> Iterator[Finding]:
    """What is wrong with what observers state of these datasets, briefly."""
    yield from of_live_schemas(scope, _live(scope.view, datasets))


def of_schemas_in_full(scope: Scope, datasets: Sequence[Node]) -> Iterator[Finding]:
    """The same with all that it breaks."""
    yield from _spared(scope, _live(scope.view, datasets), _in_full)


def of_live_schemas(scope: Scope, datasets: Sequence[Node]) -> Iterable[Finding]:
    """The same, briefly, of datasets that are known not to be dropped."""
    return _spared(scope, datasets, _briefly)


def _spared(scope: Scope, datasets: Sequence[Node], asking: _Asked) -> Iterable[Finding]:
    return spared(scope, datasets, lambda some: _drift_of(scope, some, asking), lambda dataset: dataset)


def _live(view: View, datasets: Sequence[Node]) -> list[Node]:
    records = view.nodes(dataset.id for dataset in datasets)
    return [record.node for record in records.values() if not record.dropped]


def _drift_of(scope: Scope, datasets: Sequence[Node], asking: _Asked) -> Iterator[Finding]:
    for dataset, lanes in scope.view.lanes_of(datasets).items():
        scope.breathe()  # what is downstream of one drift may take seconds to walk
        yield from kinds.of_lanes(lanes, scope.policy, scope.now_us, asking(scope.view, dataset))


def _briefly(view: View, dataset: Node) -> Asking:
    return Asking(
        is_read=lambda columns: is_read(view, dataset, columns),
        lineages_of=lambda observer: _lineages(view, dataset, observer),
    )


def _in_full(view: View, dataset: Node) -> Asking:
    return _briefly(view, dataset)._replace(impact_of=lambda columns: impact(view, dataset, columns))


def _lineages(view: View, dataset: Node, observer: Observer) -> Lineages:
    """The mappings that this observer ever stated for a dataset, and those of others that read it."""
    is_job = observer.role is not Role.PRODUCER
    owner = Node(Kind.JOB, observer.namespace, observer.name) if is_job else dataset
    read = sorted({(link.owner, link.other) for link in view.out_links([dataset.id])[dataset.id] if link.owner})
    asked = set(read[:_READERS_ASKED])
    known = view.mappings(sorted({owner.id, *(owner for owner, _ in asked)}))
    return Lineages(
        dataset=dataset,
        stated=tuple(each for each in known.get(owner.id, ()) if each.output == dataset),
        read=tuple(each for found in known.values() for each in found if _key(each) in asked),
    )


def _key(known: KnownMapping) -> tuple[bytes, bytes]:
    return known.owner.id, known.output.id
