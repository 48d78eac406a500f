"""A store that counts: operations, their time, and errors by class, whatever store is inside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from processor.index.expiry import Keep
from processor.index.keys import Key
from processor.index.neighborhood import Ahead, Neighborhood
from processor.index.portion import Portion
from processor.index.store import NOTHING_COVERED, Batch, Covers, OutboxEntry, Store
from processor.model.errors import DependencyError
from processor.telemetry import metrics

__all__ = ["MeteredStore"]


class MeteredStore:
    """Hands everything on to the store inside."""

    def __init__(self, inside: Store) -> None:
        """Take a store over: closing this one closes it."""
        self._inside = inside

    @property
    def buckets(self) -> int:
        """How many buckets the index was created with."""
        return self._inside.buckets

    @property
    def generation(self) -> int:
        """See `Store`."""
        return self._inside.generation

    @property
    def keep(self) -> Keep:
        """See `Store`."""
        return self._inside.keep

    @property
    def late_events(self) -> int:
        """See `Store`."""
        return self._inside.late_events

    def refresh(self) -> bool:
        """See `Store`."""
        with _measured("refresh"):
            return self._inside.refresh()

    def apply(self, batch: Batch, covers: Covers = NOTHING_COVERED) -> list[OutboxEntry]:
        """See `Store`."""
        before = self._inside.late_events
        with _measured("apply"):
            news = self._inside.apply(batch, covers)
        metrics.LATE_EVENTS.inc(self._inside.late_events - before)
        return news

    def fetch(self, keys: Sequence[Key]) -> list[dict[bytes, bytes]]:
        """See `Store`."""
        with _measured("fetch"):
            return self._inside.fetch(keys)

    def fetch_records(self, ids: Sequence[bytes], portions: Sequence[Portion]) -> list[list[dict[bytes, bytes]]]:
        """See `Store`."""
        with _measured("fetch_records"):
            return self._inside.fetch_records(ids, portions)

    def fetch_neighborhood(self, ids: Sequence[bytes], ahead: Ahead) -> Neighborhood:
        """See `Store`."""
        with _measured("fetch_neighborhood"):
            return self._inside.fetch_neighborhood(ids, ahead)

    def fetch_fields(self, key: Key, fields: Sequence[bytes]) -> list[bytes | None]:
        """See `Store`."""
        with _measured("fetch_fields"):
            return self._inside.fetch_fields(key, fields)

    def scan(
        self, record: str, buckets: Sequence[int] | None = None
    ) -> Iterator[tuple[Key, list[tuple[bytes, bytes]]]]:
        """See `Store`."""
        metrics.REDIS_OPERATIONS.labels("scan").inc()
        return self._inside.scan(record, buckets)

    def sizes(self, record: str) -> list[int]:
        """See `Store`."""
        with _measured("sizes"):
            return self._inside.sizes(record)

    def keys(self) -> Iterator[Key]:
        """See `Store`."""
        metrics.REDIS_OPERATIONS.labels("keys").inc()
        return self._inside.keys()

    def outbox(self) -> list[OutboxEntry]:
        """See `Store`."""
        with _measured("outbox"):
            return self._inside.outbox()

    def confirm(self, entries: Iterable[OutboxEntry]) -> None:
        """See `Store`."""
        with _measured("confirm"):
            self._inside.confirm(entries)

    def offsets(self) -> list[dict[bytes, int]]:
        """See `Store`."""
        with _measured("offsets"):
            return self._inside.offsets()

    def forget_offsets(self, partitions: Iterable[bytes]) -> None:
        """See `Store`."""
        with _measured("forget_offsets"):
            self._inside.forget_offsets(partitions)

    def set_progress(self, progress: Mapping[bytes, bytes], *, where_none: bool = False) -> None:
        """See `Store`."""
        with _measured("set_progress"):
            self._inside.set_progress(progress, where_none=where_none)

    def progress(self) -> dict[bytes, bytes]:
        """See `Store`."""
        with _measured("progress"):
            return self._inside.progress()

    def ping(self) -> None:
        """See `Store`."""
        with _measured("ping"):
            self._inside.ping()

    def fullness(self) -> float | None:
        """See `Store`."""
        with _measured("fullness"):
            return self._inside.fullness()

    def close(self) -> None:
        """See `Store`."""
        self._inside.close()


@contextmanager
def _measured(operation: str) -> Iterator[None]:
    metrics.REDIS_OPERATIONS.labels(operation).inc()
    with metrics.REDIS_SECONDS.labels(operation).time():
        try:
            yield
        except DependencyError as error:
            metrics.REDIS_ERRORS.labels(type(error.__cause__ or error).__name__).inc()
            raise
