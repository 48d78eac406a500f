"""Which jobs have runs that end, and which runs say what a job normally does."""

from __future__ import annotations

from processor.model.history import JobHistory

_ENDLESS = frozenset({"STREAMING", "SERVICE"})


def is_endless(history: JobHistory) -> bool:
    """Whether the job's runs have no end by nature. Unstated means batch (OpenLineage jobType facet)."""
    return (history.processing_type or "").upper() in _ENDLESS
