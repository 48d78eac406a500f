"""The right to sweep and publish, which one has at a time: taken, renewed in time, given back."""

from __future__ import annotations

import os
import socket
import time
import uuid

from processor.alerter.state import AlertStore

__all__ = ["Lease"]


class Lease:
    """One holder's hold on the alerts, for several threads: the store decides, and its last word is noted.

    `take`, `lead_on` and `release` raise `DependencyError` when Redis does not answer; it then lasts as long as it did.
    """

    def __init__(self, alerts: AlertStore, length_s: float) -> None:
        """Nobody's yet. `length_s`: how long it lasts unless it is renewed."""
        self._alerts = alerts
        self._length_s = length_s
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"
        self._asked_s = self._until_s = 0.0

    def take(self) -> bool:
        """Take or renew it; False while somebody else has it."""
        asked_s = time.monotonic()
        is_mine = self._alerts.lease(self._holder, int(self._length_s * 1000))
        self._asked_s, self._until_s = asked_s, asked_s + self._length_s if is_mine else 0.0
        return is_mine

    def lead_on(self) -> None:
        """Amid work that may take longer than it lasts: renew it, if half of it is over."""
        if time.monotonic() - self._asked_s > self._length_s / 2:
            self.take()

    @property
    def left_s(self) -> float:
        """For how many seconds it is still held, for certain; none or less where it is not."""
        return self._until_s - time.monotonic()

    def release(self) -> None:
        """Give it back, if it is held."""
        self._alerts.release(self._holder)
