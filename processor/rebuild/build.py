"""Building a new generation of the index beside the live one.

The steps; stopped between any two, or within one, a build is gone on with or dropped:
1. A generation is begun after all others, and nobody else may build.
2. Files are joined into it: what Kafka no longer retains.
3. The topics are joined into it up to what the group has committed: what lies beyond is not announced yet, and stays
   for the indexers. Step 3 is repeated until they are hardly ahead.
4. The generation tells how far it was read, and becomes the live one in one step. The indexers notice, read on from
   where it stands, and nobody judges by it before they have come to where they were.
5. After a while, in which readers go over, the generations that are left over are deleted.

Everything may raise `DependencyError`. What is news to the new generation is no news to anybody: nothing is announced.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from processor.decode.observe import Observe
from processor.index.generations import Generation, Generations
from processor.index.progress import Progress, encode_progress
from processor.index.reduce import reduce
from processor.index.store import Batch, Covered, Store
from processor.indexer.records import Partition, Record, sort
from processor.indexer.stock import lowest
from processor.indexer.timing import Every, wall_us
from processor.model.errors import DependencyError, IndexVersionError, StoreWentBackError, UsageError
from processor.rebuild.history import History

__all__ = ["Build", "Plan", "Told"]

_NEAR: Final = 2000
"""With so few records left the indexers read the rest sooner than another round would."""
_ROUNDS: Final = 20
_HOLD_S: Final = 5.0


class Told(NamedTuple):
    """How far a build is: records that were read of those to be read in this round."""

    records: int
    total: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a build needs to know. `grace_s`: how long readers are given to go over to the new generation."""

    buckets: int
    grace_s: float = 10.0
    batch_size: int = 2000


class Build:
    """One build. `open_store` opens a generation; `history` is None where there is no Kafka."""

    def __init__(
        self,
        plan: Plan,
        generations: Generations,
        open_store: Callable[[Generation], Store],
        history: History | None,
        observers: Mapping[str, Observe],
    ) -> None:
        """Begin a generation, or go on with the one that was begun. Raises `UsageError` while somebody builds."""
        self._plan = plan
        self._generations = generations
        self._builder = f"{socket.gethostname()}:{os.getpid()}"
        generations.hold(self._builder)
        self.is_resumed = generations.building() is not None
        self.generation = generations.begin(plan.buckets)
        self._open_store = open_store
        self.store = open_store(self.generation)
        self._history = history
        self._observers = observers
        self._watermarks_us: dict[Partition, int] = {}
        self._hold_due = Every(_HOLD_S)

    def hold(self) -> None:
        """Say that this build goes on; to be called again and again, more often than every half minute."""
        if self._hold_due.is_due:
            self._generations.hold(self._builder)
            self._hold_due.done()

    def read_topics(self, tell: Callable[[Told], None]) -> None:
        """Join what the group has seen through of the topics."""
        if self._history is None:
            return
        for _ in range(_ROUNDS):
            ranges = self._ranges(self._history)
            total = sum(stop - start for start, stop in ranges.values())
            self._read(self._history, ranges, total, tell)
            if total <= _NEAR:
                return

    def go_live(self) -> None:
        """Make what was built the live index. Raises `UsageError` when somebody dropped it meanwhile."""
        self._generations.hold(self._builder)
        if self._generations.building() != self.generation:
            raise UsageError("what was built has been dropped meanwhile; begin anew with: lineage rebuild")
        self._tell_progress()
        self._generations.flip(self.generation)

    def clean_up(self, tell: Callable[[int], None] = lambda _count: None) -> int:
        """Delete what is left over once readers have gone over; how many keys."""
        time.sleep(self._plan.grace_s)
        return self._generations.drop_left_over(tell)

    def close(self) -> None:
        """Let another build; give back connections."""
        self._generations.release(self._builder)
        self.store.close()

    def _ranges(self, history: History) -> dict[Partition, tuple[int, int]]:
        """What is left to read: from where the new generation stands to what the group has committed."""
        offsets = self.store.offsets()
        ranges = {}
        for each, stop in history.committed().items():
            stored, low = lowest(offsets, each.key), history.begin(each)
            if stored < low:
                self.store.apply({}, {each.key: Covered(0, low)})
            ranges[each] = (max(stored, low), max(stored, low, stop))
        return ranges

    def _read(
        self,
        history: History,
        ranges: Mapping[Partition, tuple[int, int]],
        total: int,
        tell: Callable[[Told], None],
    ) -> None:
        position = {each: start for each, (start, _) in ranges.items()}
        for records, reached in history.read(ranges, self._plan.batch_size):
            self.hold()
            self._join(records, {each.key: Covered(position[each], stop) for each, stop in reached.items()})
            position |= reached
            tell(Told(sum(position.values()) - sum(start for start, _ in ranges.values()), total))

    def _join(self, records: Iterable[Record], covers: Mapping[bytes, Covered]) -> None:
        result = sort(records, self._observers)
        for each, watermark_us in result.watermarks_us.items():
            self._watermarks_us[each] = max(watermark_us, self._watermarks_us.get(each, 0))
        try:
            self.store.apply(_silent(reduce(result.sourced, self.store.buckets)), covers)
        except StoreWentBackError as error:
            raise DependencyError("Redis", "it lost part of what was built; run the command again") from error

    def _tell_progress(self) -> None:
        """Say where the generation stands: whoever judges waits for the indexers to have come to where they were."""
        if self._history is None:
            return
        offsets, claimed, now_us = self.store.offsets(), self._claimed(), wall_us()
        progress = {}
        for each, committed in self._history.committed().items():
            stands = lowest(offsets, each.key)
            until = max(stands, committed, claimed.get(each.key, 0))
            progress[each.key] = Progress(self._watermarks_us.get(each, 0), until - stands, now_us, stands, until)
        self.store.set_progress({name: encode_progress(each) for name, each in progress.items()})

    def _claimed(self) -> dict[bytes, int]:
        """How far the live index was read: what it holds may have been judged before it was committed."""
        try:
            live = self._open_store(self._generations.live(self._plan.buckets))
        except IndexVersionError:
            return {}
        try:
            offsets = live.offsets()
        finally:
            live.close()
        return {name: max(there.get(name, 0) for there in offsets) for name in set().union(*offsets)}


def _silent(batch: Batch) -> Batch:
    """The same batch, announcing nothing."""
    for part in batch.values():
        part.is_silent = True
    return batch
