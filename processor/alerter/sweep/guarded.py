"""What guarded datasets and jobs draw on: each is walked to its sources, one at a time.

Without a guard in the policy nothing is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from processor.detect import untrusted_source
from processor.detect.stats import hours_us
from processor.judging.scope import Scope, all_nodes, spared
from processor.judging.trusted import trust_under
from processor.model.alert import Finding
from processor.model.identity import Kind, Node


def of_guarded(scope: Scope, since_us: int) -> Iterator[Finding]:
    """What is wrong with the sources of all that is guarded; lineage has been coming in since `since_us`."""
    known_us = hours_us(scope.policy.untrusted_source.known_hours)
    if not scope.policy.guarded or scope.now_us - since_us < known_us:
        return
    for kind in (Kind.DATASET, Kind.JOB):
        for page in all_nodes(scope, kind):
            for record in page:
                scope.breathe()
                if not record.dropped and untrusted_source.guards_of(record.node, scope.policy):
                    yield from spared(scope, [record.node], lambda some: _of_subject(scope, some), lambda node: node)


def _of_subject(scope: Scope, subjects: Sequence[Node]) -> Iterable[Finding]:
    for subject in subjects:
        guards = untrusted_source.guards_of(subject, scope.policy)
        judged = trust_under(scope.view, subject, guards, scope.policy, scope.now_us)
        yield from untrusted_source.detect(zip(guards, judged, strict=True), scope.policy)
