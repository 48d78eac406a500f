"""Changes on their way from the outbox to their topic.

Rules kept here:
- an entry leaves the outbox only after the broker has confirmed its change;
- what others left behind is published too: at once after a new assignment, else once an entry was seen twice, so
  that a living worker's entries are not published by everyone. A double is harmless: its id is the same;
- an entry that only another version of the worker can tell stays for that one, and holds up no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import structlog

from processor.index.announce import ForeignEntryError, change_of, parts, without_columns
from processor.index.store import OutboxEntry, Store
from processor.indexer.publisher import Outgoing
from processor.model.change import Change
from processor.model.codec import encode_change
from processor.telemetry import metrics

__all__ = ["Outbox"]

_LARGE_BYTES: Final = 500_000
"""Half of what brokers take by default."""

_log = structlog.get_logger(__name__)


class Outbox:
    """The outbox of the index, to be published on one topic."""

    def __init__(self, store: Store, topic: str) -> None:
        """Read from `store`, address to `topic`."""
        self._store = store
        self._topic = topic
        self._seen: set[bytes] = set()
        self._foreign: set[bytes] = set()

    def outgoing(self, entries: Iterable[OutboxEntry]) -> list[Outgoing]:
        """Make the records of these entries. Raises `DependencyError` while reading what they refer to."""
        changes = (part for entry in entries for change in self._changes(entry) for part in parts(change))
        return [record for change in changes for record in self._records(change)]

    def leftovers(self, *, at_once: bool) -> Sequence[OutboxEntry]:
        """Find entries that nobody has confirmed. Raises `DependencyError`."""
        entries = self._store.outbox()
        seen, self._seen = self._seen, {entry.entry_id for entry in entries}
        metrics.OUTBOX.set(len(entries))
        self._foreign &= self._seen
        ours = [entry for entry in entries if entry.entry_id not in self._foreign]
        return ours if at_once else [entry for entry in ours if entry.entry_id in seen]

    def confirm(self, entries: Sequence[OutboxEntry]) -> None:
        """Take published entries out. Raises `DependencyError`."""
        published = [entry for entry in entries if entry.entry_id not in self._foreign]
        if published:
            self._store.confirm(published)

    def _changes(self, entry: OutboxEntry) -> Iterator[Change]:
        """The change of an entry; none where this version cannot tell it."""
        try:
            yield change_of(entry, self._store)
        except ForeignEntryError as error:
            self._foreign.add(entry.entry_id)
            _log.error("an entry of the outbox was left to another version", entry=entry.entry_id, reason=str(error))

    def _records(self, change: Change) -> Iterator[Outgoing]:
        """The change in records of a size that brokers take; beside one of very many columns, one that names none."""
        value = encode_change(change)
        if len(value) > _LARGE_BYTES and len(change.items) > 1:
            for part in parts(change, (len(change.items) + 1) // 2):
                yield from self._records(part)
            return
        for item in change.items:
            metrics.CHANGES.labels(item.kind.value).inc()
        key = str(change.node).encode("utf-8", "backslashreplace")
        smaller = (
            Outgoing(self._topic, key, encode_change(without_columns(change))) if len(value) > _LARGE_BYTES else None
        )
        yield Outgoing(self._topic, key, value, smaller=smaller)
