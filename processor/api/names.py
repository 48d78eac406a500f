"""The names of all datasets and jobs, kept at hand for search, lists and what is near a misspelt one.

Rules kept here:
- an identity never changes, and no node leaves an index: only where a bucket has more nodes than when it was looked at,
  their ids are read, and of those the records that were not met yet. Owners and tags do change: some records are read
  again each time, in turn;
- a thread of its own reads, every `age_s` or twenty times as long as it took, whichever is longer: no question waits
  for it but the first, and that no longer than any question may, while the reading goes on. With an age of 0 each
  question reads anew;
- another generation of the index is read from its beginning.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from itertools import islice
from typing import Final

import structlog

from processor.index.search import KINDS, Catalog, Entry, catalog_of, entry_of
from processor.index.view import View
from processor.model.errors import LineageError

__all__ = ["Names"]

_PAGE: Final = 500
_AGAIN: Final = 1_000
_AT_ONCE: Final = 50
"""Of those that are read again: who answers meanwhile waits for Python until they are."""
_REST: Final = 20
_LOOK_S: Final = 0.05
_log = structlog.get_logger(__name__)


class Names:
    """The catalog, for several threads. `open_view`: opens the index for the thread that reads; close it at the end."""

    def __init__(self, age_s: float, open_view: Callable[[], View]) -> None:
        self._age_s = age_s
        self._open_view = open_view
        self._news = threading.Condition()
        self._reader = Reader()
        self._catalog: Catalog | None = None
        self._wrong: Exception | None = None
        self._tries = 0
        self._thread: threading.Thread | None = None
        self._wanted = threading.Event()
        self._closing = threading.Event()

    def catalog(self, view: View) -> Catalog:
        """All names. Raises DependencyError where they are read for the first time, and what `view.breathe` does."""
        if self._age_s <= 0:
            with self._news:
                return self._read(view)
        return self._catalog or self._first(view)

    def close(self) -> None:
        """Read no more."""
        self._closing.set()
        self._wanted.set()

    def _first(self, view: View) -> Catalog:
        """The catalog, once there is one. Whoever waits no longer leaves the reading to go on."""
        with self._news:
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep, name="names", daemon=True)
                self._thread.start()
            tries = self._tries
            self._wanted.set()
            while self._catalog is None:
                if self._wrong is not None and self._tries > tries:
                    raise self._wrong
                view.breathe()
                self._news.wait(_LOOK_S)
            return self._catalog

    def _keep(self) -> None:
        view: View | None = None
        while not self._closing.is_set():
            started_s = time.monotonic()
            self._wanted.clear()
            view, wrong = self._tried(view)
            took_s = time.monotonic() - started_s
            with self._news:
                self._wrong, self._tries = wrong, self._tries + 1
                self._news.notify_all()
            self._pause(max(self._age_s, _REST * took_s))

    def _tried(self, view: View | None) -> tuple[View | None, Exception | None]:
        """Read once; the view, and what went wrong."""
        try:
            view = view or self._open_view()
            self._catalog = self._read(view)
        except LineageError as error:  # another version may have taken the index over, and give it back
            _log.info("the names could not be read", detail=str(error))
            return view, error
        except Exception as error:  # noqa: BLE001 - the edge of this thread: who asks is told, and it goes on
            _log.exception("the names could not be read")
            return view, error
        return view, None

    def _pause(self, pause_s: float) -> None:
        """Until names are to be read again; somebody who has none yet does not wait for that."""
        (self._wanted if self._catalog is None else self._closing).wait(pause_s)

    def _read(self, view: View) -> Catalog:
        """What there is. A new catalog is kept from the collector, which would go over all names amid some question."""
        before, read = self._catalog, self._reader.read(view)
        if read is not before and self._age_s > 0:
            gc.freeze()
        return read


class Reader:
    """Reads what is new since it read last. For one thread at a time."""

    def __init__(self) -> None:
        self._generation: int | None = None
        self._sizes: dict[str, list[int]] = {}
        self._next = 0
        self.catalog = Catalog()

    def read(self, view: View) -> Catalog:
        """Every name. Raises DependencyError."""
        view.refresh()
        if view.generation != self._generation:
            self.catalog, self._sizes, self._generation = Catalog(), {}, view.generation
        known, news = self.catalog.by_id, dict[bytes, Entry]()
        for kind in KINDS:
            sizes = view.sizes(kind)
            before = self._sizes.get(kind) or [0] * len(sizes)
            grown = [bucket for bucket, size in enumerate(sizes) if size != before[bucket]]
            fresh = [i for i in view.ids_in(kind, grown) if i not in known]
            found = _entries(view, fresh, _PAGE)
            news |= found
            # A node that is only just being written is looked for again.
            self._sizes[kind] = sizes if len(found) == len(fresh) else before
        news |= self._changed(view)
        if news:
            self.catalog = catalog_of({**known, **news}, self.catalog)
        return self.catalog

    def _changed(self, view: View) -> dict[bytes, Entry]:
        """Those of whose owners and tags others are told than before, of some, in turn."""
        known = self.catalog.by_id
        some = list(islice(known, self._next, self._next + _AGAIN))
        self._next = self._next + len(some) if len(some) == _AGAIN else 0
        return {i: entry for i, entry in _entries(view, some, _AT_ONCE).items() if entry != known[i]}


def _entries(view: View, ids: list[bytes], page: int) -> dict[bytes, Entry]:
    found: dict[bytes, Entry] = {}
    for start in range(0, len(ids), page):
        found.update((i, entry_of(record)) for i, record in view.nodes(ids[start : start + page]).items())
    return found
