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
    """A kind of alert about any of some subjects."""

    kind: str
    subjects: frozenset[Node]


@dataclass(slots=True)
class Label:
    """One true incident.

    An alert of `kind` about any of `subjects` tells it; the first one counts, another is a double unless `is_each`:
    then each subject may be told once. `others` tell it as well; `besides` may be told, and need not be.

    From `from_us` on it is wrong, and until `until_us` (None: for good); `began_us`: when what may be told beside it
    begins, if earlier. `visible_us`: when the evidence was in the index; `over_us`: when that of the end was.
    `linger_us`: how long after that an alert may go on. From `may_end_us` on an alert may end while it lasts: people
    have heard of it by then. `read`: the table that a witness must still say it reads: what nobody reads is no
    orphan.
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
    others: list[Beside] = field(default_factory=list)
    linger_us: int = 0
    grace_us: int = 6 * HOUR_US
    may_end_us: int | None = None
    is_each: bool = False
    is_optional: bool = False
    read: str = ""

    @property
    def first_us(self) -> int:
        """When what may be told beside it begins."""
        return self.from_us if self.began_us is None else self.began_us

    def beside(self, kind: str, *subjects: Node) -> None:
        """Allow that this is told too."""
        self.besides.append(Beside(kind, frozenset(subjects)))

    def told_by(self, kind: str, *subjects: Node) -> None:
        """This tells of the incident as well."""
        self.others.append(Beside(kind, frozenset(subjects)))

    def tells(self, kind: str, subject: Node) -> bool:
        """Whether such an alert is about this incident."""
        own = kind == self.kind and subject in self.subjects
        return own or any(kind == other.kind and subject in other.subjects for other in self.others)
