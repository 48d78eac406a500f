"""What became of the values of a load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from processor.decode.observe import Observe, Observed
from processor.load.reader import Entry
from processor.model.errors import Reason, Rejected, UsageError

BATCH: Final = 1000

OnRejected = Callable[[Entry, Rejected], None]


@dataclass(slots=True)
class Tally:
    """Counts by outcome."""

    values: int = 0
    events: int = 0
    facets_dropped: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)

    def look(self, observe: Observe, entry: Entry, on_rejected: OnRejected) -> Observed:
        """Observe a value and count it."""
        seen = observe(entry.value, ())
        self.values += 1
        self.events += len(seen.observations)
        self.facets_dropped += sum(len(each.problems) for each in seen.observations)
        for rejected in seen.rejected:
            self.rejected[rejected.reason] += 1
            on_rejected(entry, rejected)
        return seen


def batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """So many at a time. What stands before the damage of a file comes before the damage is reported."""
    page: list[Entry] = []
    try:
        for entry in entries:
            page.append(entry)
            if len(page) == BATCH:
                yield page
                page = []
    except UsageError:
        yield page
        raise
    yield page
