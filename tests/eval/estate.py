"""What the simulated company has: tables, and the jobs that make one from the other. All of it changes with time."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from processor.model.identity import Node, dataset, job
from tests.eval.spelling import Engine, Meaning
from tests.eval.timing import Schedule


class Style(StrEnum):
    """Which integration sends the events of a job, and so what is in them."""

    AIRFLOW_DAG = "airflow dag"
    AIRFLOW_BASH = "airflow bash"
    AIRFLOW_TASK = "airflow task"
    DBT_RUN = "dbt run"
    DBT_MODEL = "dbt model"
    DBT_SEED = "dbt seed"
    DBT_TEST = "dbt test"
    SPARK = "spark"
    FLINK = "flink"
    DATABRICKS = "databricks"
    PYTHON = "python"


FRAMES = frozenset({Style.AIRFLOW_DAG, Style.DBT_RUN})
"""Jobs that hold others and touch no data themselves."""


class Source(NamedTuple):
    """A column of a table."""

    table: str
    column: str


Mapping = dict[str, list[Source]]
"""From which columns each column of an output is made."""


@dataclass(slots=True)
class Table:
    """A dataset. `columns` in order, by meaning. `symlink`: another name that its writer states."""

    key: str
    namespace: str
    name: str
    engine: Engine
    columns: dict[str, Meaning]
    owner: str = ""
    symlink: tuple[str, str] | None = None

    @property
    def node(self) -> Node:
        """Who it is in the graph."""
        return dataset(self.namespace, self.name)


@dataclass(slots=True)
class Job:
    """A job as it is now. `inputs`, `outputs`: keys of tables; `mappings`: by output.

    What is broken: `hides_inputs`, `hides_outputs`, `hides_mappings`; `unseen` are inputs that are no longer stated.
    `called` names an input otherwise than its table is named.
    """

    key: str
    namespace: str
    name: str
    style: Style
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    mappings: dict[str, Mapping] = field(default_factory=dict)
    minutes: float = 5.0
    hides_inputs: bool = False
    hides_outputs: bool = False
    hides_mappings: bool = False
    unseen: set[str] = field(default_factory=set)
    called: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def node(self) -> Node:
        """Who it is in the graph."""
        return job(self.namespace, self.name)


@dataclass(slots=True)
class Unit:
    """Jobs that are started together: one after the other, inside a frame (a DAG, a dbt run) if there is one."""

    schedule: Schedule
    tasks: list[Job]
    frame: Job | None = None
    first_day: float = 0.0
    is_dead: bool = False

    @property
    def jobs(self) -> list[Job]:
        """All of them, the frame first."""
        return [self.frame, *self.tasks] if self.frame else list(self.tasks)


@dataclass(slots=True)
class Company:
    """All of it. `versions`: which version of each engine spells now. `holidays`: days."""

    tables: dict[str, Table]
    units: list[Unit]
    holidays: frozenset[int]
    days: int
    versions: dict[Engine, int] = field(default_factory=lambda: dict.fromkeys(Engine, 0))

    @property
    def jobs(self) -> list[Job]:
        """Every job."""
        return [each for unit in self.units for each in unit.jobs]

    def unit_of(self, job_: Job) -> Unit:
        """The unit that starts a job."""
        return next(unit for unit in self.units if any(each is job_ for each in unit.jobs))

    def readers(self, table: str) -> list[Job]:
        """The jobs that read a table."""
        return [each for each in self.jobs if table in each.inputs]

    def writers(self, table: str) -> list[Job]:
        """The jobs that write a table."""
        return [each for each in self.jobs if table in each.outputs]
