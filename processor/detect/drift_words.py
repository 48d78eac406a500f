"""How a schema drift is told in one sentence: what became of which column, by whom, and whom it hits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from processor.detect.rename import Rename, suspected_renames
from processor.detect.words import counted, listed, node_words, shown
from processor.model.alert import Impact
from processor.model.history import Lane, Observer
from processor.model.identity import Kind, Node
from processor.model.observation import Role
from processor.model.tables import ColumnChange, ColumnChangeKind, Columns


def summarize(lane: Lane, versions: tuple[Columns, Columns], changes: Sequence[ColumnChange], impact: Impact) -> str:
    """Make one sentence, such as: Column amount was dropped from orders by job shop.ingest."""
    renames = suspected_renames(*versions, changes)
    clauses = _clauses(renames, changes)
    what = f"{' and '.join(clauses)} {_preposition(changes, renames)} {node_words(lane.dataset)}"
    is_broken = any(c.change is not ColumnChangeKind.ADDED for c in changes)
    reach = _reach(impact) if is_broken else ""
    return f"{what[0].upper()}{what[1:]} {_who(lane.observer)}{reach}."


def _clauses(renames: Sequence[Rename], changes: Sequence[ColumnChange]) -> list[str]:
    told = {path for rename in renames for path in rename}
    rest = [c for c in changes if c.path not in told]
    removed = [shown(c.path) for c in rest if c.change is ColumnChangeKind.REMOVED]
    retyped = [_retyped(c) for c in rest if c.change is ColumnChangeKind.RETYPED]
    added = [shown(c.path) for c in rest if c.change is ColumnChangeKind.ADDED]
    renamed = [f"column {shown(r.old)} was renamed to {shown(r.new)} (suspected)" for r in renames]
    verbs = ((removed, "dropped"), (retyped, "retyped"), (added, "added"))
    return [*renamed, *(_clause(names, verb) for names, verb in verbs if names)]


def _clause(names: Sequence[str], verb: str) -> str:
    if len(names) == 1:
        return f"column {names[0]} was {verb}"
    return f"{len(names)} columns ({listed(names)}) were {verb}"


def _retyped(change: ColumnChange) -> str:
    return f"{shown(change.path)} ({shown(change.from_type or '?')} → {shown(change.to_type or '?')})"


def _preposition(changes: Iterable[ColumnChange], renames: Sequence[Rename]) -> str:
    kinds = {c.change for c in changes}
    if renames or len(kinds) > 1:
        return "in"
    return {ColumnChangeKind.REMOVED: "from", ColumnChangeKind.ADDED: "to"}.get(kinds.pop(), "in")


def _who(observer: Observer) -> str:
    if observer.role is Role.PRODUCER:
        return f"as {shown(observer.name)} states it"
    job = node_words(Node(Kind.JOB, observer.namespace, observer.name))
    return f"by job {job}" if observer.role is Role.WRITER else f"as job {job} reads it"


def _reach(impact: Impact) -> str:
    """The part of the sentence that says whom it hits."""
    columns = [a for a in impact.columns if not a.possible]
    if columns:
        count = f"{'at least ' if impact.truncated else ''}{counted(len(columns), 'downstream column')}"
        datasets = counted(len({a.node.dataset for a in columns}), "dataset")
        names = listed([node_words(a.node) for a in columns])
        return f"; {count} in {datasets} {'depends' if len(columns) == 1 else 'depend'} on it ({names})"
    if impact.datasets:
        is_possible = all(a.possible for a in impact.datasets)
        names = listed([node_words(a.node) for a in impact.datasets])
        count = counted(len(impact.datasets), "downstream dataset")
        return f"; {count} {'possibly ' if is_possible else ''}affected ({names})"
    return "; nobody is known to depend on it"
