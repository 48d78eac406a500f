"""Whether this worker takes in records: it stops for good when the limit of rejected records is passed.

Stopped, it stays a living member of the group with its partitions paused, and is not ready. What was rejected until
then is in the dead letters, and committed: nothing is lost by it. A restart takes in again; if nothing was mended, it
stops again after the next `rejected` records.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

import structlog

from processor.indexer.records import Sorted
from processor.indexer.rejects import Kind, RejectLimit, RejectWindow, Storm, producer_of
from processor.indexer.timing import Every
from processor.telemetry import metrics
from processor.telemetry.health import Health

__all__ = ["Intake"]

CONDITION: Final = "rejects"
_SAY_AGAIN_S: Final = 60.0
_ADVICE: Final = (
    "this looks like a bad deploy, not like bad data: mend the producer or this worker, and restart this worker;"
    " LINEAGE_REJECT_LIMIT__SHARE=1 takes everything in regardless; what was rejected is in the dead letters,"
    " `lineage dead-letters redrive` brings it back"
)
_log = structlog.get_logger(__name__)


class Intake:
    """Belongs to one loop."""

    def __init__(self, limit: RejectLimit, health: Health) -> None:
        """Start taking in."""
        self._window = RejectWindow(limit)
        self._health = health
        self._told: dict[str, object] = {}
        self._say_due = Every(_SAY_AGAIN_S)
        metrics.INTAKE_STOPPED.set(0)

    @property
    def is_stopped(self) -> bool:
        """Whether it has stopped. It does not start again."""
        return bool(self._told)

    def judge(self, seen: int, result: Sorted) -> None:
        """Take note of a batch of so many records that is indexed, with its rejects in the dead letters."""
        kinds = Counter(Kind(rejected.reason, record.partition.topic) for record, rejected in result.rejected)
        storm = self._window.note(seen, kinds, time.monotonic())
        if storm is not None and not self.is_stopped:
            self._stop(storm, result)

    def remind(self) -> None:
        """Say again why it has stopped, once in a while."""
        if self._say_due.is_due:
            _log.error("intake stopped: too many records are rejected", **self._told, advice=_ADVICE)
            self._say_due.done()

    def _stop(self, storm: Storm, result: Sorted) -> None:
        self._told = _told(storm, result)
        metrics.INTAKE_STOPPED.set(1)
        self._health.fails(
            CONDITION,
            f"intake stopped: {storm.rejected} of the last {storm.seen} records were rejected,"
            f" {storm.most} as {storm.kind.reason.value} from {storm.kind.topic}; {_ADVICE}",
        )
        self._say_due.now()
        self.remind()


def _told(storm: Storm, result: Sorted) -> dict[str, object]:
    like = [(record, why) for record, why in result.rejected if why.reason is storm.kind.reason]
    producers = Counter(producer_of(record.value) for record, _ in like)
    return {
        "share": round(storm.share, 3),
        "rejected": storm.rejected,
        "records": storm.seen,
        "most_reason": storm.kind.reason.value,
        "most_topic": storm.kind.topic,
        "most_count": storm.most,
        "most_producer": next((name for name, _ in producers.most_common() if name is not None), None),
        "last_detail": like[-1][1].detail if like else "",
        "last_pointer": like[-1][1].pointer if like else "",
    }
