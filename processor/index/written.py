"""What this process is known to have written, so that it need not be written again.

Rules kept here:
- only what is never taken back is skipped: who a node is, that an edge was seen in an hour. What keeps a very time is
  always written, for a later event of another worker may stand between;
- it is known only once the store has answered, and only of what this very process wrote;
- any doubt empties it: the store did not answer, lacks what came before a batch, or is another generation; or other
  partitions are read, whose readers before may yet have to bring again what the store lost.
So a batch writes the same with it as without it, as far as the store can tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

from processor.index.plan import Plan, plan_of
from processor.model.memo import Memo
from processor.model.observation import Observation

PLANS_BYTES = 24 * 1024 * 1024
_SIGHTINGS = 64

Sighting: TypeAlias = tuple[int, bool]
"""The hour since 1970 of an event, and whether that starts a run: all that what lasts of a statement depends on."""


class Seen(NamedTuple):
    """Since when a statement is written, and as what it is written as seen."""

    first_us: int
    sightings: frozenset[Sighting]

    def joined(self, other: Seen) -> Seen:
        """Both."""
        sightings = sorted(self.sightings | other.sightings)[-_SIGHTINGS:]
        return Seen(min(self.first_us, other.first_us), frozenset(sightings))


class Statement:
    """What events say of a job and datasets: its plan, and what is written of it.

    Holds an event that makes it, so that no other statement takes its identity.
    """

    __slots__ = ("plan", "seen", "written")

    def __init__(self, seen: Observation, plan: Plan) -> None:
        self.seen = seen
        self.plan = plan
        self.written: tuple[int, Seen] | None = None


class Written:
    """Belongs to one loop and one store. `generation`: the store's."""

    def __init__(self, budget_bytes: int = PLANS_BYTES) -> None:
        """Start with nothing known."""
        self._budget_bytes = budget_bytes
        self._statements: Memo[Statement] = Memo(budget_bytes)
        self._claims: list[tuple[Statement, Seen]] = []
        self._doubts = 0
        self._generation: int | None = None
        self._buckets: int | None = None

    def of(self, generation: int, buckets: int) -> Written:
        """Itself, for another batch: emptied if the store is another generation than before."""
        if (generation, buckets) != (self._generation, self._buckets):
            self.forget()
            self._statements = Memo(self._budget_bytes)
            self._generation, self._buckets = generation, buckets
        self._claims.clear()
        return self

    @contextmanager
    def doubting(self) -> Iterator[None]:
        """Forget if the store does not answer as it should: nobody knows then what it has."""
        try:
            yield
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Know nothing any more of what is written. What a statement writes stays known: that never changes."""
        self._claims.clear()
        self._doubts += 1

    def learn(self) -> None:
        """Take note that the store has answered: what was claimed since `of` is written."""
        for statement, seen in self._claims:
            there = self._seen(statement)
            statement.written = self._doubts, seen if there is None else seen.joined(there)
        self._claims.clear()

    def statement(self, identity: tuple[object, ...], seen: Observation, buckets: int) -> Statement:
        """The statement of this event, by its identity (see `identity_of`)."""
        known = self._statements.get("", identity)
        if known is None:
            known = Statement(seen, plan_of(seen, buckets))
            self._statements.put("", identity, known, known.plan.cost_bytes)
        return known

    def knows(self, statement: Statement) -> bool:
        """Whether the store has had it at all: then it knows who its nodes are."""
        return self._seen(statement) is not None

    def has(self, statement: Statement, first_us: int, sightings: AbstractSet[Sighting]) -> bool:
        """Whether the store has it that the statement was seen then; else it is claimed: it is about to be."""
        there = self._seen(statement)
        if there is not None and there.first_us <= first_us and there.sightings >= sightings:
            return True
        self._claims.append((statement, Seen(first_us, frozenset(sightings))))
        return False

    def _seen(self, statement: Statement) -> Seen | None:
        doubts, seen = statement.written or (None, None)
        return seen if doubts == self._doubts else None


def identity_of(seen: Observation) -> tuple[object, ...]:
    """Equal for events of the same statement, as long as one of them is held. Others may be equal and not the same."""
    parts = (id(seen.edges), id(seen.datasets), id(seen.job_facets), id(seen.job), seen.run is None)
    return parts if seen.job is not None else (*parts, seen.producer)
