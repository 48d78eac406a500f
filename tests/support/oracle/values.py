"""What the oracle's answers are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from processor.model.observation import Evidence, Role
from tests.support.oracle.read import Lineage, Name


class Seen(NamedTuple):
    """When something was seen, and on what evidence."""

    first_us: int
    last_us: int
    evidence: Evidence = Evidence(0)


class Observer(NamedTuple):
    """Whose word on a schema it is: a job's in a role, or a producer's."""

    role: Role
    namespace: str
    name: str


@dataclass(frozen=True)
class Run:
    """One run of a job. `mapped`: the outputs whose column lineage it stated."""

    job: Name
    run_id: str
    state: str
    first_us: int
    last_us: int
    start_us: int | None
    end_us: int | None
    inputs: frozenset[Name]
    outputs: frozenset[Name]
    mapped: frozenset[Name]
    parent: tuple[Name, str] | None
    nominal_us: tuple[int, int | None] | None
    error: str | None

    @property
    def since_us(self) -> int:
        return self.first_us if self.start_us is None else self.start_us

    @property
    def shape(self) -> tuple[frozenset[Name], ...]:
        return self.inputs, self.outputs, self.mapped


class Schema(NamedTuple):
    """A version of a lane: its columns as first spelled, when it was seen, and the run that stated it first."""

    columns: tuple[tuple[str, str | None], ...]
    seen: Seen
    hours: tuple[int, ...]
    run_id: str | None


class Mapped(NamedTuple):
    """A mapping that an owner stated for an output."""

    lineage: Lineage
    seen: Seen
    is_current: bool
