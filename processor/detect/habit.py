"""What a job does run after run, and what it merely leaves out now and then.

Rules kept here:
- what is asked of each run is yes or no, newest first;
- a pause that was made up for before is a habit (a full load on Sundays): only one that lasts longer than each of those
  before says something.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby


def streak(had: Sequence[bool]) -> int:
    """How many of the newest runs lack it, with none between that has it."""
    return next((place for place, one in enumerate(had) if one), len(had))


def longest_pause(had: Sequence[bool]) -> int:
    """The longest streak without it that lies between two runs that had it."""
    if True not in had:
        return 0
    first, last = had.index(True), len(had) - list(reversed(had)).index(True)
    return max((len(list(some)) for one, some in groupby(had[first:last]) if not one), default=0)


def is_unusual(had: Sequence[bool]) -> bool:
    """Whether the newest runs have gone without it for longer than runs ever did in between."""
    return streak(had) > longest_pause(had)
