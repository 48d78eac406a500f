"""What guarded datasets and jobs draw on: each is walked to its sources, one at a time.

Without a guard in the policy nothing is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from processor.alerter.sweep.scope import Scope, pages, spared
from processor.detect import kinds, untrusted_source
from processor.detect.knobs import Guarded
from processor.detect.policy import Policy
from processor.detect.schema_drift import Asking
from processor.detect.trust import Trust, judge
from processor.index.provenance import provenance
from processor.index.view import View
from processor.model.alert import Finding, Impact, Severity
from processor.model.identity import Kind, Node
from processor.model.provenance import Provenance

_ASKING = Asking(lambda _: Impact())
"""What is downstream does not matter here."""


def of_guarded(scope: Scope) -> Iterator[Finding]:
    """What is wrong with the sources of all that is guarded."""
    if not scope.policy.guarded:
        return
    for kind in (Kind.DATASET, Kind.JOB):
        for page in pages(scope.view.all_nodes(kind)):
            for record in page:
                scope.breathe()
                if not record.dropped and untrusted_source.guards_of(record.node, scope.policy):
                    yield from spared(scope, [record.node], lambda some: _of_subject(scope, some), lambda node: node)


def trust_under(view: View, subject: Node, guards: Sequence[Guarded], policy: Policy, now_us: int) -> list[Trust]:
    """The trust of a dataset or a job under each of these guards, in their order, whether or not they match it."""
    found = provenance(view, subject)
    drifting = _drifting(view, found, policy, now_us)
    return [judge(found, guard, policy, now_us, drifting) for guard in guards]


def _of_subject(scope: Scope, subjects: Sequence[Node]) -> Iterable[Finding]:
    for subject in subjects:
        guards = untrusted_source.guards_of(subject, scope.policy)
        judged = trust_under(scope.view, subject, guards, scope.policy, scope.now_us)
        yield from untrusted_source.detect(zip(guards, judged, strict=True), scope.policy)


def _drifting(view: View, found: Provenance, policy: Policy, now_us: int) -> frozenset[Node]:
    """Datasets on the way whose schema drifted in a way that may break their readers."""
    names = {name for trail in found.trails for stop in trail.stops for name in stop.names}
    return frozenset(
        dataset
        for page in pages(sorted(names))
        for dataset, lanes in view.lanes_of(page).items()
        if any(f.severity is not Severity.INFO for f in kinds.of_lanes(lanes, policy, now_us, _ASKING))
    )
