"""`broken_lineage`: an edge that each of the job's last runs had is absent from its newest completed run.

Rules kept here:
- only completed runs count, and only edges that all of the last `runs` runs before the newest streak without them had:
  files and partitions that differ from run to run are nobody's edges;
- a name whose turn is over, for the run has another that differs in its numbers only, is not lost (`rotation`); nor is
  a dataset that was dropped, or that the run goes on using under another name; nor is a source that what the job writes
  is guarded against: to leave it is what `untrusted_source` asks for;
- a pause that was made up for before is a habit; a streak that fills what a job keeps is the new normal;
- a side that vanished whole is `missing_inputs` or `missing_outputs`, and not told here as well;
- a job without an end is never judged; one alert a job, whatever it lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from processor.detect import habit
from processor.detect.batch import is_endless
from processor.detect.knobs import BrokenLineage
from processor.detect.policy import Policy
from processor.detect.rotation import turn_of
from processor.detect.words import counted, listed, node_words, shown
from processor.model.alert import AlertKind, Finding, Severity
from processor.model.change import Cause
from processor.model.history import JobHistory, RunMembers
from processor.model.identity import Node, hash_parts

_GAINED_MAX = 200


class Lost(NamedTuple):
    """What a side of a job's runs lost: dataset id → how many of the newest runs lack it; and what it has instead."""

    verb: str
    streaks: dict[bytes, int]
    gained: tuple[bytes, ...]


def is_worth_a_look(history: JobHistory) -> bool:
    """Whether the job's newest completed run is unlike one before it: else nothing can have been lost."""
    runs = history.completed()
    return not is_endless(history) and any(run.signature != runs[0].signature for run in runs[1:])


def losses(runs: Sequence[RunMembers], knobs: BrokenLineage) -> list[Lost]:
    """What each side lost, before anything is known of the datasets. Takes completed runs, newest first."""
    sides = (("reads", [run.inputs for run in runs]), ("writes", [run.outputs for run in runs]))
    found = (_lost(verb, members, knobs.runs) for verb, members in sides)
    return [lost for lost in found if lost.streaks]


def detect(
    history: JobHistory, runs: Sequence[RunMembers], named: Mapping[bytes, Node], policy: Policy
) -> list[Finding]:
    """The finding of one job. `named`: of what it lost and gained, all that is neither dropped nor known otherwise."""
    told = [(lost.verb, _gone(lost, named)) for lost in losses(runs, policy.broken_lineage)]
    told = [(verb, streaks) for verb, streaks in told if streaks]
    return [_finding(history.job, runs, told, policy.broken_lineage.runs)] if told else []


def _lost(verb: str, members: Sequence[frozenset[bytes]], usual: int) -> Lost:
    if not members or not members[0]:
        return Lost(verb, {}, ())
    steady = (frozenset.intersection(*members[n : n + usual]) for n in range(1, len(members) - usual + 1))
    candidates = frozenset[bytes]().union(*steady) - members[0]
    streaks = {id_: _streak(id_, members, usual) for id_ in candidates}
    streaks = {id_: streak for id_, streak in streaks.items() if streak}
    longest = max(streaks.values(), default=0)
    gained = members[0].difference(*members[longest:]) if streaks else frozenset[bytes]()
    return Lost(verb, streaks, tuple(sorted(gained)[:_GAINED_MAX]))


def _streak(id_: bytes, members: Sequence[frozenset[bytes]], usual: int) -> int:
    """How many of the newest runs have lost the edge; 0 where it was never steady, or is left out by habit."""
    had = [id_ in some for some in members]
    streak = habit.streak(had)
    before = had[streak : streak + usual]
    return streak if len(before) == usual and all(before) and habit.is_unusual(had) else 0


def _gone(lost: Lost, named: Mapping[bytes, Node]) -> dict[Node, int]:
    turns = {turn_of(named[id_]) for id_ in lost.gained if id_ in named}
    nodes = {named[id_]: streak for id_, streak in lost.streaks.items() if id_ in named}
    return {node: streak for node, streak in sorted(nodes.items()) if turn_of(node) not in turns}


def _finding(job: Node, runs: Sequence[RunMembers], told: Sequence[tuple[str, dict[Node, int]]], usual: int) -> Finding:
    streak = max(max(streaks.values()) for _, streaks in told)
    what = " and ".join(f"no longer {verb} {listed([node_words(node) for node in lost])}" for verb, lost in told)
    more = f", nor did {counted(streak - 1, 'run')} before it" if streak > 1 else ""
    first = runs[streak - 1].run
    return Finding(
        alert_id=hash_parts(AlertKind.BROKEN_LINEAGE.value, job.namespace, job.name).hex(),
        kind=AlertKind.BROKEN_LINEAGE,
        severity=Severity.WARNING,
        subject=job,
        summary=(
            f"Run {shown(runs[0].run.run_id)} of job {node_words(job)} {what}{more};"
            f" each of the {counted(usual, 'completed run')} before that did."
        ),
        since_us=first.ended_us,
        cause=Cause(job=job, run_id=first.run_id),
    )
