"""Values from files into the index, without Kafka.

1. A value is observed; what cannot be used is told to `on_rejected` and goes no further.
2. Many observations at a time are joined into the index. Joins may be repeated, so an interrupted load is simply run
   again.
3. The announcements that this brings are confirmed at once where no Kafka is there to carry them (`keep_changes`
   off): alerts are then derived from the index itself, by `lineage reconcile`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from processor.decode.observe import Observe
from processor.index.reduce import reduce
from processor.index.store import Store
from processor.load.reader import Entry
from processor.load.tally import OnRejected, Tally, batches
from processor.model.observation import Observation

__all__ = ["load_into"]


def load_into(
    store: Store, observe: Observe, entries: Iterable[Entry], on_rejected: OnRejected, *, keep_changes: bool = False
) -> Tally:
    """Index every value. Raises `DependencyError` when the store fails; what was joined before stays."""
    tally = Tally()
    for page in batches(entries):
        seen = [tally.look(observe, entry, on_rejected) for entry in page]
        _join(store, [each for one in seen for each in one.observations], keep_changes=keep_changes)
    return tally


def _join(store: Store, observations: list[Observation], *, keep_changes: bool) -> None:
    now_us = time.time_ns() // 1000
    announced = store.apply(reduce([(each, None) for each in observations], store.buckets, now_us))
    if announced and not keep_changes:
        store.confirm(announced)
