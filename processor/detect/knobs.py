"""What can be set for each kind of alert: a section of the policy file each, with its defaults."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from processor.model.alert import AlertKind

Hours = Annotated[float, msgspec.Meta(gt=0, le=24 * 366)]
Days = Annotated[float, msgspec.Meta(gt=0, le=366)]
Factor = Annotated[float, msgspec.Meta(ge=1, le=1000)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Moment = Annotated[str, msgspec.Meta(min_length=10, max_length=40)]
Pattern = Annotated[str, msgspec.Meta(min_length=1)]


class MuteRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be told nobody until a time, and why: alerts about what `pattern` matches, of one kind or of any.

    `until`: RFC 3339, a day or a moment; without a zone it is UTC.
    """

    pattern: Pattern
    until: Moment
    reason: Pattern
    kind: AlertKind | None = None

    @property
    def until_us(self) -> int:
        """The end, in microseconds since 1970."""
        moment = datetime.fromisoformat(self.until)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 1_000_000

    def __post_init__(self) -> None:
        try:
            _ = self.until_us
        except (ValueError, OverflowError):
            raise ValueError("`until` is no time; write it like 2026-12-24 or 2026-12-24T08:00:00Z") from None


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every kind of alert has. `ignore`: subjects that never raise it."""

    enabled: bool = True
    ignore: tuple[Pattern, ...] = ()


class SchemaDrift(Section, frozen=True):
    """How patient drift is.

    `info_hours`: how long an added column is told, or a widened one that nobody reads. `settle_days`: how long
    a warning is told, which breaks nobody for certain. `min_readers`: how many readers must agree that a column
    is gone where nobody states to write the dataset.
    """

    info_hours: Hours = 24.0
    settle_days: Days = 14.0
    min_readers: Count = 2


class SchemaFlapping(Section, frozen=True):
    """How often a schema must go back and forth.

    `changes` between its versions within `within_days`. Over when the current one has been stated for
    `steady_hours`.
    """

    changes: Annotated[int, msgspec.Meta(ge=2, le=100)] = 3
    within_days: Days = 7.0
    steady_hours: Hours = 48.0


class OrphanDataset(Section, frozen=True):
    """Where a writer is expected.

    `grace_hours`: time for a writer to show up. `min_siblings`, `sibling_share`: when a folder is a place where
    datasets have writers, once lineage has been coming in for `known_hours`; what was read in those first hours already
    is given `start_days`, for its writer may come once a month. `lost_runs`, `lost_hours`: a dataset has
    lost its writers once each of them has completed so many runs without writing it, and it was read so long after it
    was written.
    """

    grace_hours: Hours = 1.0
    min_siblings: Count = 4
    sibling_share: Share = 0.9
    known_hours: Hours = 72.0
    start_days: Days = 35.0
    lost_runs: Count = 3
    lost_hours: Hours = 24.0


class MissingSide(Section, frozen=True):
    """`min_runs`: completed runs to learn from. `share`: how many of them must have had the side.

    A job with fewer runs is judged by jobs of its integration and jobType: `min_peers` of them that have been learned,
    of which `peer_share` have the side. `require`: jobs whose runs must have it, whatever was learned. `settle_days`:
    how long a loss that lasts is told at least, however few runs are kept (`lasting_loss`).
    """

    min_runs: Count = 3
    share: Share = 0.8
    min_peers: Count = 10
    peer_share: Share = 0.95
    require: tuple[Pattern, ...] = ()
    settle_days: Days = 14.0


class MissingColumnLineage(Section, frozen=True):
    """`min_runs`: completed runs to learn from. `share`: how many of them must have stated an output's columns.

    `require`: datasets each of whose columns must have parents. `settle_days`: see `MissingSide`.
    """

    min_runs: Count = 3
    share: Share = 0.8
    require: tuple[Pattern, ...] = ()
    settle_days: Days = 14.0


class UntrackedPipeline(Section, frozen=True):
    """`grace_hours`: how long lineage must have been coming in, before something that is declared counts as missing.

    Eight days, so that what runs once a week has had its turn.
    """

    grace_hours: Hours = 192.0


class FragmentedNamespace(Section, frozen=True):
    """What makes two names one.

    `min_columns`: so many columns must be the same where names are merely alike. `grace_hours`: time for a writer to
    show up under the very name.
    """

    min_columns: Count = 3
    grace_hours: Hours = 1.0


class BrokenLineage(Section, frozen=True):
    """`runs`: an edge counts as the job's once this many completed runs in a row had it.

    `settle_days`: see `MissingSide`.
    """

    runs: Annotated[int, msgspec.Meta(ge=3, le=31)] = 5
    settle_days: Days = 14.0


class StuckRun(Section, frozen=True):
    """How long a run may take.

    Limit: the larger of `factor` times the p95 and `max_factor` times the largest of at least `min_runs` durations,
    never below `floor_hours`; with fewer runs `default_hours`, counted from when the job was heard of last.
    `give_up_days` later the run counts as abandoned and is told no more.
    """

    floor_hours: Hours = 1.0
    factor: Factor = 3.0
    max_factor: Factor = 1.5
    min_runs: Count = 3
    default_hours: Hours = 24.0
    give_up_days: Annotated[float, msgspec.Meta(gt=0, le=366)] = 7.0


class Cadenced(Section, frozen=True):
    """How long something may be silent.

    Limit: the larger of `factor` times the p95 and `max_factor` times the largest of its gaps, never below
    `floor_hours`, nor, for what rests at night and at weekends, below its largest gap plus `holiday_hours`.
    `min_runs` starts that lie at least `known_hours` apart make a cadence; one whose largest gap exceeds
    `irregular` times its median needs `irregular_runs`, and one without a pattern `patternless_runs`. What is silent
    for `retire_factor` times its p95 gap, at least `retire_days` and at most `retire_max_days` (but twice its limit),
    counts as retired.
    """

    floor_hours: Hours = 1.0
    factor: Factor = 2.02
    max_factor: Factor = 1.5
    holiday_hours: Hours = 25.0
    min_runs: Annotated[int, msgspec.Meta(ge=3, le=32)] = 5
    known_hours: Hours = 24.0
    irregular: Factor = 1.5
    irregular_runs: Annotated[int, msgspec.Meta(ge=3, le=32)] = 12
    patternless_runs: Annotated[int, msgspec.Meta(ge=3, le=32)] = 12
    retire_factor: Factor = 30.0
    retire_days: Annotated[float, msgspec.Meta(gt=0, le=366)] = 7.0
    retire_max_days: Annotated[float, msgspec.Meta(gt=0, le=3660)] = 90.0


class SilentJob(Cadenced, frozen=True):
    """How long a job may not start; see `Cadenced`."""

    patternless_runs: Annotated[int, msgspec.Meta(ge=3, le=32)] = 20


class SilentDataset(Cadenced, frozen=True):
    """How long a dataset may not be written; see `Cadenced`, its hours with a write for starts."""

    floor_hours: Hours = 2.0


class LowCoverage(Section, frozen=True):
    """How complete the lineage of a namespace has to be; docs/coverage.md says what is measured.

    `datasets`, `runs`, `columns`: the targets. `min_datasets`, `min_runs`, `min_jobs`, `min_columns`: with fewer of
    them a namespace is not judged. `min_lacking`: fewer jobs that lack something, or datasets that lost parents, are
    left to the alerts about each. `demand`: patterns of namespaces that have to meet the targets whatever they had
    before.
    """

    datasets: Share = 0.9
    runs: Share = 0.95
    columns: Share = 0.95
    min_datasets: Count = 20
    min_runs: Count = 50
    min_jobs: Count = 5
    min_columns: Count = 50
    min_lacking: Count = 3
    demand: tuple[Pattern, ...] = ()


class UntrustedSource(Section, frozen=True):
    """What is guarded stands in `guarded`.

    `known_hours`: nothing is told until lineage has been coming in for so long, for until its writer has had its turn
    anything looks like a source.
    """

    known_hours: Hours = 24.0


class Guarded(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Datasets and jobs whose sources have to be trusted; docs/trust.md says how trust is computed.

    `match`: patterns of what is guarded. `allowed`: patterns of the sources that it may draw on; empty for any that
    somebody writes or declares. `min_trust`: the trust that is demanded. `max_age_hours`: how long ago a source may
    have been written last; without it its own cadence is the limit.
    """

    match: Annotated[tuple[Pattern, ...], msgspec.Meta(min_length=1)]
    allowed: tuple[Pattern, ...] = ()
    min_trust: Share = 0.9
    max_age_hours: Hours | None = None


class AlertStorm(Section, frozen=True):
    """How many alerts of a kind that began in one hour are told one by one.

    `at_most`: beyond so many, the rest is one alert that counts them. `at_once`: beyond so many, those that single
    changes bring up wait for the next sweep, which sees what they have in common.
    """

    at_most: Count = 50
    at_once: Count = 10


class Damping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When an alert that comes and goes goes on firing.

    One that fired anew `transitions` times within `hours` is over only once it has been quiet for `hold_hours`.
    """

    enabled: bool = True
    transitions: Annotated[int, msgspec.Meta(ge=2, le=8)] = 4
    hours: Hours = 24.0
    hold_hours: Hours = 6.0
