"""The steps of a lane: from each version of a schema to the next, with what of it still shows.

Rules kept here:
- each step from a version to the next counts by itself, and only those of its changes that the lane's current schema
  still shows: taking a change back ends it;
- going back to a former version takes back every step since, except where it drops a column of the version left: that
  is a step of its own, `is_return`;
- a lane whose schema was cleared has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from processor.detect.types.names import scheme_of
from processor.detect.versions import age, differences, known_versions, sense
from processor.model.change import Cause
from processor.model.history import HOUR_US, Lane, SchemaVersion
from processor.model.identity import Kind, Node
from processor.model.observation import Role
from processor.model.tables import ColumnChange, ColumnChangeKind, Columns


class Step(NamedTuple):
    """From one version of a lane to the next, with the changes that still show."""

    lane: Lane
    before: SchemaVersion
    after: SchemaVersion
    changes: tuple[ColumnChange, ...]
    is_return: bool = False

    @property
    def versions(self) -> tuple[Columns, Columns]:
        """The columns before and after."""
        return self.before.columns, self.after.columns

    @property
    def since_us(self) -> int:
        """When the step was taken; of a return, to the hour: the first one in which the former version stood again."""
        if not self.is_return:
            return self.after.first_seen_us
        again = [hour for hour in self.after.hours if hour > self.before.hours[0]]
        return min(again) * HOUR_US if again else self.lane.current_us

    @property
    def scheme(self) -> str:
        """Whose names of types the lane speaks."""
        return scheme_of(self.lane.dataset.namespace)


def steps_of(lane: Lane) -> Iterator[Step]:
    """The steps of a lane, oldest first."""
    current, scheme = lane.version(lane.current), scheme_of(lane.dataset.namespace)
    if current is None or not current.columns:
        return
    versions = known_versions(lane)
    place = next(n for n, v in enumerate(versions) if not differences(v.columns, current.columns, scheme))
    for before, after in pairwise(versions[: place + 1]):
        shown = {sense(c, scheme) for c in differences(before.columns, current.columns, scheme)}
        changes = differences(before.columns, after.columns, scheme)
        yield Step(lane, before, after, tuple(c for c in changes if sense(c, scheme) in shown))
    if later := versions[place + 1 :]:
        yield _return(lane, max(later, key=_stated), versions[place])


def cause_of(lane: Lane, version: SchemaVersion) -> Cause:
    """Who stated a version of a lane first."""
    observer = lane.observer
    if observer.role is Role.PRODUCER:
        return Cause(producer=observer.name)
    job = Node(Kind.JOB, observer.namespace, observer.name)
    return Cause(job=job, run_id=version.run_id)


def agreed(step: Step, lanes: Sequence[Lane], min_readers: int) -> Step:
    """A reader's step with those changes only that the other readers do not contradict."""
    others = [lane for lane in lanes if lane is not step.lane and lane.current_us >= step.after.first_seen_us]
    return step._replace(changes=tuple(c for c in step.changes if _holds(c, others, min_readers)))


def _holds(change: ColumnChange, others: Sequence[Lane], min_readers: int) -> bool:
    if change.change is not ColumnChangeKind.REMOVED:
        return change.change is ColumnChangeKind.RETYPED
    silent = [lane for lane in others if not _reads(lane, change.path)]
    agreeing = [lane for lane in silent if _used_to_read(lane, change.path)]
    return len(silent) == len(others) and 1 + len(agreeing) >= min_readers


def _reads(lane: Lane, path: str) -> bool:
    current = lane.version(lane.current)
    return current is not None and any(c.path == path for c in current.columns)


def _used_to_read(lane: Lane, path: str) -> bool:
    return any(c.path == path for version in lane.versions for c in version.columns)


def _return(lane: Lane, before: SchemaVersion, current: SchemaVersion) -> Step:
    scheme = scheme_of(lane.dataset.namespace)
    found = differences(before.columns, current.columns, scheme)
    removed = tuple(c for c in found if c.change is ColumnChangeKind.REMOVED)
    return Step(lane, before, current, removed, is_return=True)


def _stated(version: SchemaVersion) -> tuple[int, int, bytes]:
    return version.last_seen_us, *age(version)
