"""Where a dataset's or a job's data comes from: the values that trust is computed from.

Times are microseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from processor.model.identity import Node


class FailedCheck(NamedTuple):
    """A check of a dataset that failed. `blocks`: its severity is error, or not stated.

    `job` made it; `job_seen_us`: when that was seen last, to the hour, None where it is not known.
    """

    name: str
    blocks: bool
    job: Node | None = None
    job_seen_us: int | None = None


class ColumnCount(NamedTuple):
    """How many columns there are, how many have parents now, and how many have or ever had some."""

    columns: int = 0
    with_parents: int = 0
    ever: int = 0


@dataclass(frozen=True, slots=True)
class Stop:
    """A dataset on the way from a source to the subject, both included; `names` are all that it goes by.

    `is_written`: somebody is known to write it. `written_hours`: hours since 1970, newest first. `parents` counts the
    columns of a dataset that derives from others; None for one that does not.
    """

    dataset: Node
    names: tuple[Node, ...] = ()
    is_written: bool = True
    last_write_us: int | None = None
    written_hours: tuple[int, ...] = ()
    failed: tuple[FailedCheck, ...] = ()
    parents: ColumnCount | None = None


@dataclass(frozen=True, slots=True)
class Trail:
    """The shortest way from the subject to one of its sources.

    `path`: datasets and jobs, the subject first, the source last. `stops`: the datasets of it, in that order; a job
    without inputs has none. `since_us`: when the youngest of its edges was first seen.
    """

    path: tuple[Node, ...]
    stops: tuple[Stop, ...]
    since_us: int

    @property
    def source(self) -> Node:
        """Where the data comes from."""
        return self.path[-1]


@dataclass(frozen=True, slots=True)
class Provenance:
    """All sources of a subject, nearest first. `truncated`: more was upstream than is looked at."""

    subject: Node
    trails: tuple[Trail, ...]
    truncated: bool = False
