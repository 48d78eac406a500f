"""Mappings as a view remembers them, decoded: by their fingerprints, for what these name never changes.

A view and all its walks share one, so that together they keep within the bound.
"""

from __future__ import annotations

from typing import Final

from processor.index.portion import Hash
from processor.model.mapping import EMPTY, Mapping, decode_mapping

__all__ = ["MOST_BYTES", "Mappings"]

MOST_BYTES: Final = 16 * 1024 * 1024
"""Of mappings as they are stored; decoded they take several times that."""


class Mappings:
    """Forgets all where they come to more than `MOST_BYTES`."""

    def __init__(self) -> None:
        self._known: dict[bytes, Mapping] = {}
        self._size_bytes = 0

    def of(self, mark: bytes, there: Hash) -> Mapping:
        """The mapping of a fingerprint, whose content is in an owner's record."""
        if mark not in self._known:
            content = there.get(b"b" + mark, b"")
            self._make_room(len(content) + len(mark))
            self._known[mark] = decode_mapping(content) if content else EMPTY
        return self._known[mark]

    def _make_room(self, size_bytes: int) -> None:
        if self._size_bytes + size_bytes > MOST_BYTES:
            self._known, self._size_bytes = {}, 0
        self._size_bytes += size_bytes
