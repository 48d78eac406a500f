"""How far a dataset's or a job's data can be trusted, by where it comes from. `docs/trust.md` has it with an example.

Rules kept here:
- each source has a score, the product of five factors, each from 0 to 1 and each for one reason to doubt: origin,
  checks, freshness, columns, drift. Reasons add up, so they are multiplied; what is fine is 1;
- the trust of a subject is that of its worst source: one bad source is enough;
- what is not known is no reason to doubt, but for the origin: a source that nobody vouches for is doubtful;
- what could not be looked at whole is not trusted: its trust is 0.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from processor.detect.knobs import Guarded
from processor.detect.policy import Policy, matches
from processor.detect.stats import DAY_US, HOUR_US, hours_us
from processor.model.identity import Node
from processor.model.provenance import FailedCheck, Provenance, Stop, Trail

UNVOUCHED = 0.5
"""Origin of a source that nobody is known to write, nobody declares, and nobody allows."""

WARNED = 0.95
"""Checks, where one failed that does not block."""

NO_COLUMNS = 0.7
"""Columns, where no column on the way has known parents."""

DRIFTING = 0.8
"""Drift, where the schema of a dataset on the way has an open drift that may break its readers."""

UNDATED = 0.5
"""Freshness where a source may only be so old, and no write of anything on the way is known."""

CADENCE_HOURS = 96.0
"""Without a limit of its own a source that was written so lately is fresh: a long weekend, and a day."""

CADENCE_FACTOR = 2
_CADENCE_WRITES = 4

CHECK_DAYS = 30.0
"""A check counts for so long after its job was seen last: one that is never run again says nothing."""


class Factors(NamedTuple):
    """Why a source is trusted as far as it is."""

    origin: float
    checks: float
    freshness: float
    columns: float
    drift: float

    @property
    def score(self) -> float:
        """Their product."""
        return self.origin * self.checks * self.freshness * self.columns * self.drift


@dataclass(frozen=True, slots=True)
class SourceTrust:
    """One source. `failed`: a check on the way that failed and blocks, and where.

    `unmapped` of the `columns` on the way lack parents.
    """

    trail: Trail
    factors: Factors
    is_outside: bool = False
    failed: tuple[Node, FailedCheck] | None = None
    unmapped: int = 0
    columns: int = 0

    @property
    def is_refused(self) -> bool:
        """Whether the source is out of the question, whatever score is demanded."""
        return self.is_outside or self.failed is not None


@dataclass(frozen=True, slots=True)
class Trust:
    """The subject's trust: `sources`, the worst first."""

    subject: Node
    sources: tuple[SourceTrust, ...]
    truncated: bool = False

    @property
    def score(self) -> float:
        """That of the worst source; 0 where not all could be looked at."""
        return 0.0 if self.truncated else min((s.factors.score for s in self.sources), default=1.0)

    def holds(self, demanded: float) -> bool:
        """Whether the subject is trusted that far. Compared with nine digits: 0.9 is what it looks like."""
        return round(self.score, 9) >= demanded and not any(s.is_refused for s in self.sources)


def judge(
    provenance: Provenance, guard: Guarded, policy: Policy, now_us: int, drifting: AbstractSet[Node] = frozenset()
) -> Trust:
    """The trust of a subject under one guard. `drifting`: datasets on the way with an open drift."""
    judged = [_source(trail, guard, policy, now_us, drifting) for trail in provenance.trails]
    worst_first = sorted(
        judged, key=lambda s: (not s.is_refused, s.factors.score, len(s.trail.path), str(s.trail.source))
    )
    return Trust(provenance.subject, tuple(worst_first), provenance.truncated)


def _source(trail: Trail, guard: Guarded, policy: Policy, now_us: int, drifting: AbstractSet[Node]) -> SourceTrust:
    counted = [stop.parents for stop in trail.stops if stop.parents is not None]
    columns = sum(max(1, count.columns) for count in counted)
    mapped = sum(count.with_parents for count in counted)
    is_drifting = any(not drifting.isdisjoint({stop.dataset, *stop.names}) for stop in trail.stops)
    factors = Factors(
        origin=_origin(trail, guard, policy),
        checks=_checks(trail, now_us),
        freshness=_freshness(trail, guard, now_us),
        columns=NO_COLUMNS + (1 - NO_COLUMNS) * mapped / columns if columns else 1.0,
        drift=DRIFTING if is_drifting else 1.0,
    )
    return SourceTrust(trail, factors, factors.origin == 0, _failed(trail, now_us), columns - mapped, columns)


def _origin(trail: Trail, guard: Guarded, policy: Policy) -> float:
    if not trail.stops:
        return UNVOUCHED
    source = trail.stops[-1]
    names = {source.dataset, *source.names}
    if guard.allowed:
        return float(any(matches(guard.allowed, name) for name in names))
    is_vouched = source.is_written or any(policy.is_source(name) for name in names)
    return 1.0 if is_vouched else UNVOUCHED


def _checks(trail: Trail, now_us: int) -> float:
    if _failed(trail, now_us):
        return 0.0
    return WARNED if any(_counts(check, now_us) for stop in trail.stops for check in stop.failed) else 1.0


def _failed(trail: Trail, now_us: int) -> tuple[Node, FailedCheck] | None:
    """The check that failed and blocks nearest to the source."""
    found = ((stop.dataset, check) for stop in reversed(trail.stops) for check in stop.failed)
    return next((one for one in found if one[1].blocks and _counts(one[1], now_us)), None)


def _counts(check: FailedCheck, now_us: int) -> bool:
    return check.job_seen_us is None or now_us - check.job_seen_us <= CHECK_DAYS * DAY_US


def _freshness(trail: Trail, guard: Guarded, now_us: int) -> float:
    written = dated(trail)
    if written is None or written.last_write_us is None:
        return 1.0 if guard.max_age_hours is None else UNDATED
    age_us, limit_us = now_us - written.last_write_us, age_limit_us(written, guard)
    return 1.0 if limit_us is None or age_us <= limit_us else limit_us / age_us


def dated(trail: Trail) -> Stop | None:
    """The dataset whose writes tell how old the source's data is: the nearest to it that somebody writes."""
    return next((stop for stop in reversed(trail.stops) if stop.last_write_us is not None), None)


def age_limit_us(written: Stop, guard: Guarded) -> int | None:
    """How old that may be: as the guard says, else by the gaps between its newest writes; None if they are few."""
    if guard.max_age_hours is not None:
        return hours_us(guard.max_age_hours)
    hours = written.written_hours
    if len(hours) < _CADENCE_WRITES:
        return None
    widest = max(later - earlier for later, earlier in pairwise(hours))
    return max(hours_us(CADENCE_HOURS), CADENCE_FACTOR * widest * HOUR_US)
