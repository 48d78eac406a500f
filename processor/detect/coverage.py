"""How complete the lineage is, by namespace and over all.

Rules kept here:
- datasets: those with a known writer, or that the policy declares a source, of all that are not dropped;
- runs: completed runs with the lineage expected of them, of the runs of jobs of which some is expected: a side that the
  job normally has (`missing_lineage`) or that the policy requires; a job that normally has neither is not counted;
- columns: those with known parents, of all columns of datasets that somebody writes;
- depth: of a dataset, how many datasets its data passed through, on the shortest way from a source; a source has 0;
- memory is bounded by the number of namespaces: beyond `MOST_NAMESPACES` the rest is one, `REST`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from processor.detect import habit
from processor.detect.batch import is_endless
from processor.detect.missing_lineage import SIDES, knobs_of
from processor.detect.policy import Policy, matches
from processor.model.alert import AlertKind
from processor.model.history import JobHistory
from processor.model.identity import Node
from processor.model.provenance import ColumnCount

MOST_NAMESPACES = 1_000
EXAMPLES = 3
REST = "(other namespaces)"


class Measure(StrEnum):
    """What is measured."""

    DATASETS = "datasets"
    RUNS = "runs"
    COLUMNS = "columns"


class Part(NamedTuple):
    """So many of so many."""

    having: int = 0
    total: int = 0

    @property
    def ratio(self) -> float | None:
        """The share; None of nothing."""
        return self.having / self.total if self.total else None

    def plus(self, having: int, total: int) -> Part:
        """Both together."""
        return Part(self.having + having, self.total + total)


NOTHING = Part()
NO_COLUMNS = ColumnCount()


@dataclass(frozen=True, slots=True)
class Depth:
    """Of `datasets` datasets that a source leads to: the average depth, and the greatest."""

    average: float = 0.0
    greatest: int = 0
    datasets: int = 0


@dataclass(slots=True)
class Coverage:
    """That of one namespace, or of all (`namespace` is empty).

    `parts` by measure; `ever` is that of columns counted by the parents that they ever had. `jobs`: how many jobs have
    runs that count. `missing`: the first by name of what is lacking, by measure; `lacking`: how many jobs lack
    something, and how many datasets have a column that lost its parents. `depth` is None where it was not measured.
    """

    namespace: str = ""
    parts: dict[Measure, Part] = field(default_factory=lambda: dict.fromkeys(Measure, NOTHING))
    ever: Part = NOTHING
    jobs: int = 0
    missing: dict[Measure, tuple[Node, ...]] = field(default_factory=lambda: dict.fromkeys(Measure, ()))
    lacking: dict[Measure, int] = field(default_factory=lambda: dict.fromkeys(Measure, 0))
    depth: Depth | None = None

    @property
    def worst(self) -> float:
        """The lowest share; 1 where there is nothing to measure."""
        ratios = (part.ratio for part in self.parts.values())
        return min((ratio for ratio in ratios if ratio is not None), default=1.0)

    @property
    def size(self) -> int:
        """How much it is about."""
        return sum(part.total for part in self.parts.values())

    def count(self, measure: Measure, node: Node, having: int, total: int) -> None:
        """Take something in."""
        self.parts[measure] = self.parts[measure].plus(having, total)
        lacking = self.missing[measure]
        if having < total and (len(lacking) < EXAMPLES or node < lacking[-1]):
            self.missing[measure] = tuple(sorted((*lacking, node))[:EXAMPLES])


class Surveyed(NamedTuple):
    """The coverage of all, and that of each namespace, the worst first. `stumbled`: what could not be read for it."""

    overall: Coverage
    namespaces: list[Coverage]
    stumbled: frozenset[Node] = frozenset()


class Tally:
    """Counts datasets and jobs as they come, in any order."""

    def __init__(self, policy: Policy) -> None:
        self.overall = Coverage()
        self._policy = policy
        self._namespaces: dict[str, Coverage] = {}

    def add_dataset(self, dataset: Node, *, is_written: bool, columns: ColumnCount = NO_COLUMNS) -> None:
        """A dataset that is not dropped; `columns` of one that is written."""
        is_known = is_written or self._policy.is_source(dataset)
        for part in self._parts(dataset):
            part.count(Measure.DATASETS, dataset, int(is_known), 1)
            part.count(Measure.COLUMNS, dataset, columns.with_parents, columns.columns)
            part.ever = part.ever.plus(columns.ever, columns.columns)
            part.lacking[Measure.DATASETS] += not is_known
            part.lacking[Measure.COLUMNS] += columns.ever > columns.with_parents

    def add_job(self, history: JobHistory) -> None:
        """A job with its newest runs."""
        runs = history.completed()
        lacking = expected_but_missing(history, self._policy)
        if lacking is None:
            return
        for part in self._parts(history.job):
            part.jobs += 1
            part.lacking[Measure.RUNS] += lacking > 0
            part.count(Measure.RUNS, history.job, len(runs) - lacking, len(runs))

    def namespaces(self) -> list[Coverage]:
        """By namespace, the worst first."""
        return sorted(self._namespaces.values(), key=lambda c: (c.worst, c.namespace))

    def namespace(self, name: str) -> Coverage:
        """That of a namespace; the rest's where there are too many."""
        if name not in self._namespaces and len(self._namespaces) >= MOST_NAMESPACES:
            name = REST
        return self._namespaces.setdefault(name, Coverage(name))

    def _parts(self, node: Node) -> tuple[Coverage, Coverage]:
        return self.overall, self.namespace(node.namespace)


def expected_but_missing(history: JobHistory, policy: Policy) -> int | None:
    """How many of a job's completed runs lack what is expected of them; None where nothing is."""
    runs, own = history.completed(), policy.for_(history.job)
    if is_endless(history) or not runs:
        return None
    streaks = [_lacking([count(run) > 0 for run in runs], history.job, kind, own) for kind, count in SIDES.items()]
    expected = [streak for streak in streaks if streak is not None]
    return max(expected) if expected else None


def _lacking(had: list[bool], job: Node, kind: AlertKind, policy: Policy) -> int | None:
    """How many of the newest runs lack a side; None where it is not expected, 0 where that is a habit."""
    knobs = knobs_of(policy, kind)
    streak = habit.streak(had)
    usual = had[streak:]
    if matches(knobs.require, job):
        return streak
    if len(usual) < knobs.min_runs or sum(usual) < knobs.share * len(usual):
        return None
    return streak if habit.is_unusual(had) else 0


def depth_of(depths: Iterable[int]) -> Depth:
    """Average and greatest of some depths."""
    total = count = greatest = 0
    for depth in depths:
        total, count, greatest = total + depth, count + 1, max(greatest, depth)
    return Depth(total / count if count else 0.0, greatest, count)
