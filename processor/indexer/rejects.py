"""When so many records are rejected that the records are not to blame. Pure.

A few bad records are bad data: they go to the dead letters and the worker goes on. Where most of what comes is bad, a
producer or this worker was deployed with a defect, and going on would only turn good data into dead letters.

Rules kept here:
- the share is taken over the newest batches that hold at least `records` records together, whole batches always;
- it counts only once `rejected` of them were rejected, so that a few bad records on a small topic stop nothing;
- batches older than `window_s` are forgotten, so that what was bad last week on a quiet topic does not add up;
- a share of 1 is never passed: that turns the limit off.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from processor.model.errors import Reason

__all__ = ["Kind", "RejectLimit", "RejectWindow", "Storm", "producer_of"]

_LOOKED_AT_BYTES: Final = 64 * 1024
_PRODUCER: Final = re.compile(rb'"producer"\s*:\s*"([^"\\]{1,200})"')


class Kind(NamedTuple):
    """What rejected records have in common."""

    reason: Reason
    topic: str


@dataclass(frozen=True, slots=True)
class RejectLimit:
    """How much may be rejected. `share` is of 1; see the rules above."""

    share: float = 0.5
    records: int = 1000
    rejected: int = 200
    window_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Storm:
    """The limit was passed: `rejected` of the last `seen` records, `most` of them of one kind."""

    rejected: int
    seen: int
    kind: Kind
    most: int

    @property
    def share(self) -> float:
        """Rejected records to all of them."""
        return self.rejected / self.seen


@dataclass(frozen=True, slots=True)
class _Batch:
    at_s: float
    seen: int
    rejected: Mapping[Kind, int]


@dataclass(slots=True)
class RejectWindow:
    """What became of the last records. Say of every batch what became of it."""

    limit: RejectLimit
    _batches: deque[_Batch] = field(default_factory=deque)
    _seen: int = 0
    _rejected: Counter[Kind] = field(default_factory=Counter)

    def note(self, seen: int, rejected: Mapping[Kind, int], now_s: float) -> Storm | None:
        """Take note of a batch at a time that never goes back; tell if the limit is passed now."""
        self._batches.append(_Batch(now_s, seen, rejected))
        self._seen += seen
        self._rejected.update(rejected)
        self._forget(now_s - self.limit.window_s)
        return self._storm()

    def _forget(self, before_s: float) -> None:
        while self._batches[0].at_s < before_s or self._seen - self._batches[0].seen >= self.limit.records:
            old = self._batches.popleft()
            self._seen -= old.seen
            self._rejected.subtract(old.rejected)

    def _storm(self) -> Storm | None:
        rejected = self._rejected.total()
        if rejected < self.limit.rejected or rejected <= self.limit.share * self._seen:
            return None
        kind, most = max(self._rejected.items(), key=lambda each: (each[1], each[0]))
        return Storm(rejected, self._seen, kind, most)


def producer_of(value: bytes | None) -> str | None:
    """Who seems to have written a record that could not be read; None where it does not say."""
    found = _PRODUCER.search((value or b"")[:_LOOKED_AT_BYTES])
    return found[1].decode("utf-8", "backslashreplace") if found else None
