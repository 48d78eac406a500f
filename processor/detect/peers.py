"""What jobs of one sort normally have: learned from those that have runs enough.

Rules kept here:
- a sort is an integration and a jobType together (both as the jobType facet says); a job that does not say both has
  no peers;
- each job counts once, however often it runs; the tally is a few numbers a sort.
"""

from __future__ import annotations

from collections import Counter

from processor.detect.batch import is_endless
from processor.detect.missing_lineage import SIDES, Peers, knobs_of, normally_has
from processor.detect.policy import Policy
from processor.model.alert import AlertKind
from processor.model.history import JobHistory


class PeerTally:
    """What was learned of each sort of job."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._jobs: Counter[tuple[AlertKind, str]] = Counter()
        self._having: Counter[tuple[AlertKind, str]] = Counter()

    def add(self, history: JobHistory) -> None:
        """Learn from a job."""
        sort = sort_of(history)
        if sort is None or is_endless(history):
            return
        policy = self._policy.for_(history.job)
        for kind in SIDES:
            has = normally_has(history, kind, knobs_of(policy, kind))
            if has is not None:
                self._jobs[kind, sort] += 1
                self._having[kind, sort] += has

    def peers(self, history: JobHistory, kind: AlertKind) -> Peers | None:
        """The peers of a job; it is none of them while it has too few runs itself."""
        sort = sort_of(history)
        return None if sort is None else Peers(sort, self._jobs[kind, sort], self._having[kind, sort])


def sort_of(history: JobHistory) -> str | None:
    """What peers have in common, such as `DBT MODEL`."""
    if not history.integration or not history.job_type:
        return None
    return f"{history.integration} {history.job_type}".upper()
