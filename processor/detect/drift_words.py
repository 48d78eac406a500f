"""How a schema drift is told in one sentence: what became of which column, by whom, and whom it hits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from processor.detect.words import counted, listed, node_words, shown
from processor.model.alert import Affected, ColumnDrift, Impact, Retyping
from processor.model.history import Lane, Observer
from processor.model.identity import Kind, Node
from processor.model.observation import Role
from processor.model.tables import ColumnChangeKind

UNREAD = "; nobody is known to depend on it"
_VERBS = {Retyping.WIDENED: "widened", Retyping.NARROWED: "narrowed"}


def summarize(lane: Lane, drifts: Sequence[ColumnDrift], impact: Impact | None) -> str:
    """Make one sentence, such as: Column amount was dropped from orders by job shop.ingest.

    Without an impact it does not say whom it hits.
    """
    what = f"{' and '.join(_clauses(drifts))} {_preposition(drifts)} {node_words(lane.dataset)}"
    only_adds = all(drift.change is ColumnChangeKind.ADDED for drift in drifts)
    return f"{what[0].upper()}{what[1:]} {who_states(lane.observer)}{'' if only_adds else reach(impact)}."


def who_states(observer: Observer) -> str:
    """By whom, or as whom, a schema is told."""
    if observer.role is Role.PRODUCER:
        return f"as {shown(observer.name)} states it"
    job = node_words(Node(Kind.JOB, observer.namespace, observer.name))
    return f"by job {job}" if observer.role is Role.WRITER else f"as job {job} reads it"


def reach(impact: Impact | None) -> str:
    """The part of the sentence that says whom it hits, if that was asked."""
    if impact is None:
        return ""
    columns = [a for a in impact.columns if not a.possible]
    if not columns and not impact.datasets:
        return _readers(impact.exposures) if impact.exposures else UNREAD
    told = _columns(columns, is_cut=impact.truncated) if columns else _datasets(impact.datasets)
    named = {a.node.dataset for a in (columns or impact.datasets)[:_NAMED]}
    ends = [node_words(a.node) for a in impact.exposures if not a.possible and a.node not in named]
    down = f", down to {listed(ends)}" if ends else ""
    owned = f", owned by {listed([shown(owner) for owner in impact.owners])}" if impact.owners else ""
    return f"; {told}{down}{owned}"


_NAMED = 3


def _columns(columns: Sequence[Affected], *, is_cut: bool) -> str:
    count = f"{'at least ' if is_cut else ''}{counted(len(columns), 'downstream column')}"
    datasets = counted(len({a.node.dataset for a in columns}), "dataset")
    names = listed([node_words(a.node) for a in columns])
    return f"{count} in {datasets} {'depends' if len(columns) == 1 else 'depend'} on it ({names})"


def _datasets(datasets: Sequence[Affected]) -> str:
    possibly = "possibly " if all(a.possible for a in datasets) else ""
    names = listed([node_words(a.node) for a in datasets])
    return f"{counted(len(datasets), 'downstream dataset')} {possibly}affected ({names})"


def _readers(jobs: Sequence[Affected]) -> str:
    """Jobs that the graph ends in: dashboards, exports. One that rewrites the dataset in place is none of them."""
    possibly = "possibly " if all(job.possible for job in jobs) else ""
    names = listed([node_words(job.node) for job in jobs])
    return f"; {counted(len(jobs), 'downstream job')} {possibly}affected ({names})"


def _clauses(drifts: Sequence[ColumnDrift]) -> list[str]:
    renamed = [drift for drift in drifts if drift.renamed_to is not None]
    told = {name for drift in renamed for name in (drift.path, drift.renamed_to)}
    rest = [drift for drift in drifts if drift.path not in told]
    clauses = _renamings([(shown(d.path), shown(d.renamed_to or "")) for d in renamed])
    for verb in ("dropped", "retyped", "narrowed", "widened", "added"):
        names = [_named(drift) for drift in rest if _verb(drift) == verb]
        clauses += [_clause(names, verb)] if names else []
    return clauses


def _renamings(pairs: Sequence[tuple[str, str]]) -> list[str]:
    if len(pairs) <= _NAMED:
        return [f"column {old} was renamed to {new} (suspected)" for old, new in pairs]
    names = listed([f"{old} to {new}" for old, new in pairs])
    return [f"{len(pairs)} columns were renamed ({names}; suspected)"]


def _verb(drift: ColumnDrift) -> str:
    if drift.change is ColumnChangeKind.RETYPED:
        return _VERBS.get(drift.retyping or Retyping.UNKNOWN, "retyped")
    return "dropped" if drift.change is ColumnChangeKind.REMOVED else "added"


def _clause(names: Sequence[str], verb: str) -> str:
    if len(names) == 1:
        return f"column {names[0]} was {verb}"
    return f"{len(names)} columns ({listed(names)}) were {verb}"


def _named(drift: ColumnDrift) -> str:
    if drift.change is not ColumnChangeKind.RETYPED:
        return shown(drift.path)
    return f"{shown(drift.path)} ({shown(drift.from_type or '?')} → {shown(drift.to_type or '?')})"


def _preposition(drifts: Iterable[ColumnDrift]) -> str:
    kinds, is_renamed = {d.change for d in drifts}, any(d.renamed_to for d in drifts)
    if is_renamed or len(kinds) > 1:
        return "in"
    return {ColumnChangeKind.REMOVED: "from", ColumnChangeKind.ADDED: "to"}.get(kinds.pop(), "in")
