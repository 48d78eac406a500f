"""What a history knows of itself: what went wrong in it, about whom, and from when to when.

Labels come from what was done to the world, and never from what a detector looks at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from processor.model.alert import Severity
from processor.model.identity import Node
from tests.eval.timing import HOUR_US

GRAVE = frozenset({Severity.CRITICAL, Severity.WARNING})
ANY = frozenset(Severity)
INFO = frozenset({Severity.INFO})


class Beside(NamedTuple):
    """What may be told beside an incident, and need not be."""

    kind: str
    subjects: frozenset[Node]


@dataclass(slots=True)
class Label:
    """One true incident.

    An alert of `kind` about any of `subjects` tells it; the first one counts, another is a double unless `is_each`:
    then each subject may be told once. `visible_us`: when the evidence was in the index; `over_us`: when that of the
    end was. `until_us`: when the world was right again, None for never. `linger_us`: how long after `over_us` an alert
    may go on. `may_end`: the alert may end while the incident lasts (an added column is told for a day). `told_us`:
    after this much time a silent end is no fault: what lasts for ever is given up.
    """

    name: str
    kind: str
    subjects: frozenset[Node]
    from_us: int
    until_us: int | None = None
    began_us: int | None = None
    visible_us: int | None = None
    over_us: int | None = None
    severities: frozenset[Severity] = GRAVE
    besides: list[Beside] = field(default_factory=list)
    linger_us: int = 0
    grace_us: int = 6 * HOUR_US
    may_end: bool = False
    is_each: bool = False
    is_optional: bool = False

    @property
    def first_us(self) -> int:
        """When what may be told beside it begins."""
        return self.from_us if self.began_us is None else self.began_us

    def beside(self, kind: str, *subjects: Node) -> None:
        """Allow that this is told too."""
        self.besides.append(Beside(kind, frozenset(subjects)))
