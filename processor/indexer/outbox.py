"""Changes on their way from the outbox to their topic.

Rules kept here:
- an entry leaves the outbox only after the broker has confirmed its change;
- what others left behind is published too: at once after a new assignment, else once an entry was seen twice, so
  that a living worker's entries are not published by everyone. A double is harmless: its id is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from processor.index.announce import change_of, parts
from processor.index.store import OutboxEntry, Store
from processor.indexer.publisher import Outgoing
from processor.model.change import Change
from processor.model.codec import encode_change
from processor.telemetry import metrics

__all__ = ["Outbox"]


class Outbox:
    """The outbox of the index, to be published on one topic."""

    def __init__(self, store: Store, topic: str) -> None:
        """Read from `store`, address to `topic`."""
        self._store = store
        self._topic = topic
        self._seen: set[bytes] = set()

    def outgoing(self, entries: Iterable[OutboxEntry]) -> list[Outgoing]:
        """Make the records of these entries. Raises `DependencyError` while reading what they refer to."""
        return [self._record(part) for entry in entries for part in parts(change_of(entry, self._store))]

    def leftovers(self, *, at_once: bool) -> Sequence[OutboxEntry]:
        """Find entries that nobody has confirmed. Raises `DependencyError`."""
        entries = self._store.outbox()
        seen, self._seen = self._seen, {entry.entry_id for entry in entries}
        metrics.OUTBOX.set(len(entries))
        return entries if at_once else [entry for entry in entries if entry.entry_id in seen]

    def confirm(self, entries: Sequence[OutboxEntry]) -> None:
        """Take published entries out. Raises `DependencyError`."""
        if entries:
            self._store.confirm(entries)

    def _record(self, change: Change) -> Outgoing:
        for item in change.items:
            metrics.CHANGES.labels(item.kind.value).inc()
        return Outgoing(self._topic, str(change.node).encode("utf-8", "backslashreplace"), encode_change(change))
