"""`missing_column_lineage`: columns of an output have lost the parents that they had, or lack what policy demands.

Rules kept here:
- an output lost all of its column lineage when the newest completed runs that wrote it state none, where those before
  them did (learned as `missing_outputs` is, habits included);
- a column lost its parents when the job's current mapping leaves it out, former mappings had it, and `min_runs`
  completed runs stand behind those; mappings that take turns are a habit;
- a run that states no inputs at all is `missing_inputs`, and its columns' parents went with them;
- a column that a mapping names without saying what it derives from (`inputFields` is empty) has no parents there;
- a column that the output no longer has is drift, and not told here; so is nothing of an output whose columns nobody
  states, unless all of its column lineage is gone;
- a streak that fills what a job keeps is the new normal; one alert a job, whatever it lost;
- where the policy requires it, each column of a dataset that somebody writes must have parents.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from processor.detect import habit
from processor.detect.batch import is_endless
from processor.detect.knobs import MissingColumnLineage
from processor.detect.policy import Policy, matches
from processor.detect.stats import HOUR_US
from processor.detect.words import counted, listed, node_words, shown
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.change import Cause
from processor.model.history import JobHistory, KnownMapping, RunMembers
from processor.model.identity import Node, hash_parts
from processor.model.mapping import Mapping

_KIND = AlertKind.MISSING_COLUMN_LINEAGE


class Output(NamedTuple):
    """An output of a job: the columns that it has (none where nobody states them), and all that the job stated of it.

    `current` is the mapping that holds; `known` are all, it included.
    """

    dataset: Node
    columns: frozenset[str]
    current: KnownMapping | None
    known: tuple[KnownMapping, ...]


class Loss(NamedTuple):
    """What an output lost: since when, and on how many earlier runs that stands."""

    output: Node
    columns: tuple[str, ...]
    since_us: int
    runs: int


class MappedDataset(NamedTuple):
    """A dataset that somebody writes: its columns, and the mappings that hold for it."""

    dataset: Node
    columns: frozenset[str]
    mappings: tuple[Mapping, ...]
    first_seen_us: int


def unmapped(runs: Sequence[RunMembers], knobs: MissingColumnLineage) -> dict[bytes, int]:
    """Outputs of the newest completed run of which such runs used to state columns: id → how many runs lack them."""
    if not runs or (not runs[0].inputs and any(run.inputs for run in runs)):
        return {}
    found = ((id_, _unmapped(id_, runs, knobs)) for id_ in sorted(runs[0].outputs - runs[0].mapped))
    return {id_: streak for id_, streak in found if streak}


def lost_fields(output: Output, history: JobHistory, knobs: MissingColumnLineage) -> tuple[str, ...]:
    """Columns that the current mapping leaves out, as far as that is no habit. They may be gone themselves."""
    current = output.current
    if current is None or current.mapping.every:
        return ()
    ends = _ends(output.known)
    gone = (f for f, end_us in ends.items() if end_us <= current.first_seen_us and not _covers(current.mapping, f))
    return tuple(sorted(f for f in gone if _stands_on(output, f, history) >= knobs.min_runs))


def detect(history: JobHistory, runs: Sequence[RunMembers], outputs: Iterable[Output], policy: Policy) -> list[Finding]:
    """The finding of one job. `runs`: its completed runs, newest first; `outputs`: those in doubt."""
    if is_endless(history):
        return []
    knobs = policy.missing_column_lineage
    streaks = unmapped(runs, knobs)
    found = (_loss(output, history, runs, streaks, knobs) for output in outputs)
    losses = [loss for loss in found if loss and loss.columns]
    return [_finding(history.job, losses)] if losses else []


def detect_required(dataset: MappedDataset, policy: Policy) -> list[Finding]:
    """The finding of one dataset, if the policy demands parents and columns have none."""
    if not is_required(dataset.dataset, policy):
        return []
    bare = sorted(c for c in dataset.columns if not any(m.every or _covers(m, c) for m in dataset.mappings))
    return [_required(dataset, bare)] if bare else []


def is_required(dataset: Node, policy: Policy) -> bool:
    """Whether the policy demands parents of the dataset's columns."""
    return matches(policy.missing_column_lineage.require, dataset)


def _unmapped(id_: bytes, runs: Sequence[RunMembers], knobs: MissingColumnLineage) -> int:
    had = [id_ in run.mapped for run in runs if id_ in run.outputs]
    streak = habit.streak(had)
    usual = had[streak:]
    is_learned = len(usual) >= knobs.min_runs and sum(usual) >= knobs.share * len(usual)
    return streak if is_learned and habit.is_unusual(had) else 0


def _loss(
    output: Output,
    history: JobHistory,
    runs: Sequence[RunMembers],
    streaks: dict[bytes, int],
    knobs: MissingColumnLineage,
) -> Loss | None:
    streak = streaks.get(output.dataset.id)
    if streak:
        writing = [run for run in runs if output.dataset.id in run.outputs]
        since_us = writing[streak - 1].run.ended_us
        return Loss(output.dataset, _once_mapped(output), since_us, len(writing) - streak)
    fields_lost = [field for field in lost_fields(output, history, knobs) if field in output.columns]
    if not fields_lost:
        return None
    since_us = min(_since_us(output, field) for field in fields_lost)
    return Loss(output.dataset, tuple(fields_lost), since_us, min(_stands_on(output, f, history) for f in fields_lost))


def _once_mapped(output: Output) -> tuple[str, ...]:
    """The columns that the output's newest mapping had, of those that still exist."""
    newest = max(output.known, key=lambda one: (one.is_current, one.last_seen_us))
    fields = _parented(newest.mapping) or output.columns
    return tuple(sorted(fields & output.columns if output.columns else fields))


def _ends(known: Iterable[KnownMapping]) -> dict[str, int]:
    """For each column of mappings that hold no more: when one of them was stated last."""
    ends: dict[str, int] = {}
    for one in known:
        for field in () if one.is_current else _parented(one.mapping):
            ends[field] = max(ends.get(field, 0), one.last_seen_us)
    return ends


def _covers(mapping: Mapping, column: str) -> bool:
    """Whether a mapping says what the column, a part of it or what it is part of derives from."""
    return any(
        field == column or field.startswith(f"{column}.") or column.startswith(f"{field}.")
        for field in _parented(mapping)
    )


def _parented(mapping: Mapping) -> frozenset[str]:
    """The columns that a mapping names with what they derive from."""
    return frozenset(field.field for field in mapping.fields if field.sources)


def _stands_on(output: Output, field: str, history: JobHistory) -> int:
    """How many kept completed runs ended while mappings had the column; last seen is known to the hour."""
    having = [one for one in output.known if not one.is_current and field in _parented(one.mapping)]
    spans = [(one.first_seen_us, one.last_seen_us + HOUR_US) for one in having]
    until_us = output.current.first_seen_us if output.current else 0
    ends = (run.ended_us for run in history.completed())
    return sum(1 for end_us in ends if end_us < until_us and any(first <= end_us <= last for first, last in spans))


def _since_us(output: Output, field: str) -> int:
    """When the first mapping without the column came."""
    end_us = _ends(output.known)[field]
    without = (one for one in output.known if field not in _parented(one.mapping))
    return min(one.first_seen_us for one in without if one.first_seen_us >= end_us)


def _finding(job: Node, losses: Sequence[Loss]) -> Finding:
    ordered = sorted(losses, key=lambda loss: loss.output)
    columns = [node_words(loss.output.column(column)) for loss in ordered for column in loss.columns]
    where = "" if len(ordered) == 1 else f" in {len(ordered)} outputs"
    stands_on = counted(min(loss.runs for loss in ordered), "earlier completed run")
    return Finding(
        alert_id=hash_parts(_KIND.value, job.namespace, job.name).hex(),
        kind=_KIND,
        severity=Severity.WARNING,
        subject=job,
        summary=(
            f"Job {node_words(job)} no longer says what {counted(len(columns), 'column')}{where} ({listed(columns)})"
            f" {'derives' if len(columns) == 1 else 'derive'} from; {stands_on} did."
        ),
        since_us=min(loss.since_us for loss in ordered),
        cause=Cause(job=job),
    )


def _required(dataset: MappedDataset, bare: Sequence[str]) -> Finding:
    node = dataset.dataset
    columns = listed([shown(column) for column in bare])
    return Finding(
        alert_id=hash_parts(_KIND.value, node.namespace, node.name).hex(),
        kind=_KIND,
        severity=Severity.WARNING,
        subject=node,
        summary=(
            f"Nothing says what {counted(len(bare), 'column')} of {node_words(node)} ({columns})"
            f" {'derives' if len(bare) == 1 else 'derive'} from, and the policy requires it."
        ),
        since_us=dataset.first_seen_us,
    )
