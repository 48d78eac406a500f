"""Who plays a part: each job and table at most in one incident, so that what is told of it has one cause."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from processor.model.identity import Node
from tests.eval.estate import Company, Job, Style, Unit
from tests.eval.timing import Rhythm
from tests.eval.world import World

REGULAR = frozenset({Rhythm.DAILY, Rhythm.WEEKDAY, Rhythm.TWICE, Rhythm.HOURLY, Rhythm.OFFICE})
_WITH_LINEAGE = frozenset({Style.AIRFLOW_TASK, Style.DBT_MODEL, Style.SPARK})


class NobodyLeftError(Exception):
    """The company is too small for another incident of this kind."""


class Cast:
    """Chooses those who play a part, among those who play none yet."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.company: Company = world.company
        self.chance: random.Random = world.chance
        self._units = {id(job): unit for unit in self.company.units for job in unit.jobs}
        self._taken: set[str] = set()

    def unit_of(self, job: Job) -> Unit:
        """The unit that starts a job."""
        return self._units[id(job)]

    def is_regular(self, job: Job) -> bool:
        """Whether a job runs often enough to be missed within days."""
        return self.unit_of(job).schedule.rhythm in REGULAR

    def job(self, suits: Callable[[Job], bool]) -> Job:
        """A free job that suits, with lineage and a regular rhythm; it and its outputs are taken."""
        free = [
            job
            for unit in self.company.units
            for job in unit.tasks
            if job.style in _WITH_LINEAGE and self.is_regular(job) and self.is_free(job) and suits(job)
        ]
        if not free:
            raise NobodyLeftError
        chosen = self.chance.choice(sorted(free, key=lambda job: job.key))
        self.take(chosen)
        return chosen

    def unit(self, suits: Callable[[Unit], bool]) -> Unit:
        """A free unit that suits; all of its jobs are taken."""
        free = [unit for unit in self.company.units if all(self.is_free(job) for job in unit.jobs) and suits(unit)]
        if not free:
            raise NobodyLeftError
        chosen = self.chance.choice(free)
        for job in chosen.jobs:
            self.take(job)
        return chosen

    def is_free(self, job: Job) -> bool:
        """Whether neither a job nor what it writes plays a part."""
        return not {job.key, *job.outputs} & self._taken

    def take(self, job: Job) -> None:
        """A job, and what it writes, plays a part."""
        self._taken |= {job.key, *job.outputs}

    def take_table(self, table: str) -> None:
        """A table plays a part."""
        self._taken.add(table)

    def adopt(self, unit: Unit) -> None:
        """A new unit belongs to the company."""
        self.company.units.append(unit)
        self._units.update({id(job): unit for job in unit.jobs})

    def nodes(self, tables: Iterable[str]) -> list[Node]:
        """The nodes of tables."""
        return [self.company.tables[key].node for key in tables]

    def around(self, job: Job) -> frozenset[Node]:
        """A job and what it writes."""
        return frozenset({job.node, *self.nodes(job.outputs)})

    def downstream(self, job: Job) -> list[Job]:
        """The jobs that read what a job writes."""
        return [each for table in job.outputs for each in self.company.readers(table)]
