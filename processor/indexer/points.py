"""The points between two steps of a batch, named so that a test can end the process at each of them. Pure.

Whoever puts an indexer together may pass a `Reached`, which is called at every point; by default nothing happens
there. A crash test runs over all members of `Point`: a step that is added adds its point here.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

__all__ = ["Point", "Reached", "pass_by"]


class Point(StrEnum):
    """What has just been done. The order is that of the loop."""

    FETCHED = "fetched"
    DECODED = "decoded"
    APPLIED = "applied"
    HANDED = "handed"
    """One change or dead letter was given to the Kafka client."""
    ARRIVED = "arrived"
    """The broker has confirmed one change or dead letter."""
    PUBLISHED = "published"
    """It has confirmed all of them."""
    CONFIRMED = "confirmed"
    """The outbox no longer holds the changes."""
    COMMITTING = "committing"
    """Kafka was asked to commit the offsets, and has not answered."""
    COMMITTED = "committed"
    TOLD = "told"
    """Redis knows how far each partition has been read."""


Reached = Callable[[Point], None]
"""Is told of each point as it is reached."""


def pass_by(_point: Point) -> None:
    """Do nothing there."""
