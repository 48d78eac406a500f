"""How many messages make a batch.

The larger a batch, the less an event costs: what events of a batch state alike is written once. But a batch that is
long under way makes its first event wait, and a worker that is asked to end. So a worker that is behind takes what it
gets done in about a second, many records that it knows and few that are new; one that keeps up takes what it gets done
in a fraction of that; and one that only just does, what it gets done in the time that it is behind: batches grow until
they are cheap enough to keep up, and no further.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Pace"]

_AIM_S: Final = 1.0
_CLOSE_AIM_S: Final = 0.2
_FIRST: Final = 2_000
_LEAST: Final = 200
_GROWTH: Final = 2


class Pace:
    """Follows how long batches take. `count`: the most messages that the next one has; never more than `most`."""

    def __init__(self, most: int) -> None:
        """Begin with a batch of middling size."""
        self._most = most
        self.count = min(most, _FIRST)

    def took(self, messages: int, duration_s: float, behind_s: float | None = None) -> None:
        """Heed how long a batch took. One that was not full tells only when it took too long.

        `behind_s`: how old its oldest record was when it was begun, None where nobody knows.
        """
        aim_s = _AIM_S if behind_s is None else min(_AIM_S, max(_CLOSE_AIM_S, behind_s))
        if messages < self.count and duration_s <= aim_s:
            return
        fitting = int(messages * aim_s / duration_s) if duration_s > 0 else self._most
        self.count = min(self._most, max(_LEAST, min(fitting, self.count * _GROWTH)))
