"""Looking whether Redis nears its limit, so that it is told before it is full: a full one takes no more events."""

from __future__ import annotations

from typing import Final

import structlog

from processor.index.store import Store
from processor.indexer.timing import Every
from processor.telemetry import metrics

__all__ = ["NEARLY_FULL", "FullnessWatch"]

NEARLY_FULL: Final = 0.8
_CALM: Final = 0.75
_LOOK_S: Final = 15.0

_log = structlog.get_logger(__name__)


class FullnessWatch:
    """Tells of the memory of Redis: a gauge always, a warning once each time that it becomes nearly full."""

    def __init__(self, store: Store) -> None:
        """Look at once, then seldom."""
        self._store = store
        self._due = Every(_LOOK_S)
        self._is_told = False

    def look(self) -> None:
        """Ask the servers if it is time to. Raises `DependencyError`."""
        if not self._due.is_due:
            return
        self._due.done()
        ratio = self._store.fullness()
        if ratio is not None:
            metrics.REDIS_MEMORY.set(ratio)
            self._judge(ratio)

    def _judge(self, ratio: float) -> None:
        if ratio >= NEARLY_FULL and not self._is_told:
            advice = "raise maxmemory, or shorten keep.runs_days; once it is full, nothing more can be indexed"
            _log.warning("Redis is nearly full", used_percent=round(100 * ratio, 1), advice=advice)
        self._is_told = ratio >= (_CALM if self._is_told else NEARLY_FULL)
