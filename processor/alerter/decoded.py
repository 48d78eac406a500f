"""Alerts by their bytes: what fires is read again and again, and seldom changes."""

from __future__ import annotations

from typing import Final

from processor.alerter.state import decode
from processor.model.alert import Alert

__all__ = ["MOST_BYTES", "Decoded"]

MOST_BYTES: Final = 8 * 1024 * 1024
"""Of alerts as they are stored; decoded they take several times that."""


class Decoded:
    """Forgets all where they come to more than `MOST_BYTES`. For several threads."""

    def __init__(self) -> None:
        self._known: dict[bytes, Alert | None] = {}
        self._size_bytes = 0

    def of(self, data: bytes) -> Alert | None:
        """See `decode`."""
        known = self._known
        if data in known:
            return known[data]
        alert = decode(data)
        self._remember(data, alert)
        return alert

    def _remember(self, data: bytes, alert: Alert | None) -> None:
        if self._size_bytes + len(data) > MOST_BYTES:
            self._known, self._size_bytes = {}, 0
        self._known[data] = alert
        self._size_bytes += len(data)
