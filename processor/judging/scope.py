"""What every look at the index shares.

Rules kept here:
- findings are a function of the index, the policy and the time; nothing is remembered between passes;
- a subject whose judgement fails, whatever the reason, costs only itself: it is logged and counted, its alerts stay
  as they are, and the pass goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

import structlog

from processor.detect.coverage import Surveyed
from processor.detect.policy import Policy
from processor.detect.words import shown
from processor.index.view import View
from processor.model.alert import Finding
from processor.model.errors import LineageError
from processor.model.history import JobHistory, NodeRecord
from processor.model.identity import Kind, Node
from processor.model.pages import pages
from processor.telemetry import metrics

Survey = Callable[["Scope"], Surveyed]
"""Measures how complete the lineage is."""

PIECE: Final = 100
"""Of how many nodes a pass over everything reads and judges between two breaths."""

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)


class Scope(NamedTuple):
    """What every judgement needs: the index, the policy, the time.

    `breathe` is called again and again while a pass goes on; what it raises ends the pass. `stumbled` collects the
    subjects whose judgement failed: nothing is known of them in this pass. `survey` measures the coverage; without it
    that is measured in each pass.
    """

    view: View
    policy: Policy
    now_us: int
    breathe: Callable[[], None]
    stumbled: set[Node]
    survey: Survey | None = None


def all_jobs(scope: Scope) -> Iterator[list[JobHistory]]:
    """Every job, in pieces that are soon done with."""
    for ids in pages(scope.view.ids(Kind.JOB), PIECE):
        scope.breathe()
        yield list(scope.view.jobs(ids).values())


def all_nodes(scope: Scope, kind: Kind) -> Iterator[list[NodeRecord]]:
    """Every dataset, or every job, in pieces that are soon done with."""
    for ids in pages(scope.view.ids(kind), PIECE):
        scope.breathe()
        yield list(scope.view.nodes(ids).values())


def spared(
    scope: Scope,
    judged: Sequence[_T],
    judge: Callable[[Sequence[_T]], Iterable[Finding]],
    subject_of: Callable[[_T], Node],
) -> list[Finding]:
    """What a judgement says; where it fails, each is judged by itself, and the one that fails is left out."""
    try:
        return list(judge(judged)) if judged else []
    except LineageError:
        raise
    except Exception:  # noqa: BLE001  outermost for what is judged here: see the rules above
        if len(judged) > 1:
            return [finding for one in judged for finding in spared(scope, [one], judge, subject_of)]
        subject = subject_of(judged[0])
        scope.stumbled.add(subject)
        metrics.JUDGEMENTS_FAILED.inc()
        _log.exception("judgement.failed", subject=shown(str(subject)))
        return []
