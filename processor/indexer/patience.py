"""Waiting for a broken world to become whole: try, wait longer each time, try again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from processor.indexer.errors import BrokenClientError, StoppedError
from processor.model.errors import DependencyError
from processor.telemetry import metrics
from processor.telemetry.health import Health

__all__ = ["Backoff", "Patience", "Stop"]

T = TypeVar("T")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Growing waits, each with jitter so that many workers do not come back at the same moment."""

    first_s: float = 0.1
    factor: float = 2.0
    longest_s: float = 10.0

    def delays_s(self, jitter: Callable[[], float] = random.random) -> Iterator[float]:
        """Yield waits for ever; `jitter` gives numbers from 0 to 1 and takes away up to half."""
        delay_s = self.first_s
        while True:
            yield delay_s * (1 - jitter() / 2)
            delay_s = min(delay_s * self.factor, self.longest_s)


class Stop(Protocol):
    """Whether the process was asked to end; a `threading.Event` is one."""

    def is_set(self) -> bool:
        """Tell whether it was."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for it, at most that long, in seconds."""


class Wait(Protocol):
    """How to spend the time between two tries; raises `StoppedError` when the process is to end."""

    def __call__(self, delay_s: float, /) -> None:
        """Wait that long."""


class Patience:
    """Repeats a step while a dependency fails. Readiness follows."""

    def __init__(self, health: Health, backoff: Backoff = Backoff()) -> None:
        """Tell `health` of trouble and relief."""
        self._health = health
        self._backoff = backoff

    def until_done(self, step: Callable[[], T], wait: Wait) -> T:
        """Return the step's result, however long that takes.

        Raises what the step raises apart from `DependencyError`, and `StoppedError` from `wait`.
        """
        troubled: set[str] = set()
        for delay_s in self._backoff.delays_s():
            try:
                result = step()
            except BrokenClientError:
                raise
            except DependencyError as error:
                troubled.add(error.dependency)
                self._tell_trouble(error, delay_s)
                wait(delay_s)
            else:
                self._tell_relief(troubled)
                return result
        raise StoppedError  # the delays never end

    def _tell_trouble(self, error: DependencyError, delay_s: float) -> None:
        metrics.RETRIES.labels(error.dependency.lower()).inc()
        self._health.fails(error.dependency.lower(), error.detail)
        _log.warning(
            "waiting for a dependency", dependency=error.dependency, error=error.detail, retry_in_s=round(delay_s, 2)
        )

    def _tell_relief(self, troubled: set[str]) -> None:
        for dependency in troubled:
            self._health.holds(dependency.lower())
            _log.info("dependency is back", dependency=dependency)
