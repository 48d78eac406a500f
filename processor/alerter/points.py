"""The points between two steps of the alerter, named so that a test can end the process at each of them.

`AlerterParts.reached` is called at every point; by default nothing happens there. A crash test runs over all members
of `Point`: a step that is added adds its point here.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class Point(StrEnum):
    """What has just been done."""

    DECODED = "decoded"
    """A change was read."""
    STEPPED = "stepped"
    """Redis has taken one step of an alert, and holds it in the outbox."""
    JUDGED = "judged"
    """All steps that a change calls for are taken."""
    SWEPT = "swept"
    """All steps that a sweep calls for are taken."""
    LEASED = "leased"
    RESTORED = "restored"
    """One record of the topic was taken over into the store."""
    KNOWN = "known"
    """The store knows the topic up to its end."""
    SENT = "sent"
    """The broker has confirmed one alert."""
    DELIVERED = "delivered"
    """It has confirmed all that were sent together."""
    CONFIRMED = "confirmed"
    """The outbox no longer holds them."""
    TOLD = "told"
    """A sink has taken a transition, its queue still holds it."""
    ACKNOWLEDGED = "acknowledged"
    """The change will be committed."""
    BURIED = "buried"
    """The broker has confirmed a dead letter."""
    ENDING = "ending"
    """The topic was told to forget an alert, the store not yet."""
    FORGOTTEN = "forgotten"


Reached = Callable[[Point], None]
"""Is told of each point as it is reached; from any thread."""


def pass_by(_point: Point) -> None:
    """Do nothing there."""
