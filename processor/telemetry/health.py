"""Whether this process lives and works: what /livez and /readyz say.

Rules kept here: liveness is the loop's own progress and never a dependency, so that a broken Redis
does not get a healthy process killed; readiness is a list of named conditions, all of which must hold.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from processor.telemetry import metrics

__all__ = ["Health"]


class Health:
    """Written by the loop, read by the HTTP server's threads."""

    def __init__(
        self, conditions: tuple[str, ...], *, livez_timeout_s: float, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Start alive and not ready; `now_s` is a monotonic clock."""
        self._lock = threading.Lock()
        self._missing: dict[str, str] = dict.fromkeys(conditions, "not yet")
        self._livez_timeout_s = livez_timeout_s
        self._now_s = now_s
        self._beat_s = now_s()
        metrics.READY.set(0)
        for condition in conditions:
            metrics.CONDITION.labels(condition).set(0)

    def beat(self) -> None:
        """Tell that the loop turned."""
        self._beat_s = self._now_s()
        metrics.LAST_PROGRESS.set_to_current_time()

    def holds(self, condition: str) -> None:
        """Tell that a condition of readiness holds."""
        with self._lock:
            self._missing.pop(condition, None)
            metrics.CONDITION.labels(condition).set(1)
            self._show()

    def fails(self, condition: str, why: str) -> None:
        """Tell that a condition of readiness does not hold, and why."""
        with self._lock:
            self._missing[condition] = why
            metrics.CONDITION.labels(condition).set(0)
            self._show()

    @property
    def is_alive(self) -> bool:
        """Whether the loop turned within the time it is given."""
        return self._now_s() - self._beat_s < self._livez_timeout_s

    @property
    def is_ready(self) -> bool:
        """Whether every condition holds."""
        return not self._missing

    def missing(self) -> dict[str, str]:
        """Return the conditions that do not hold, each with its reason."""
        with self._lock:
            return dict(self._missing)

    def _show(self) -> None:
        metrics.READY.set(0 if self._missing else 1)
