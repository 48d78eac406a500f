"""How a proposed change is told in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from processor.detect.words import listed, node_words, shown
from processor.model.alert import ColumnDrift, Retyping
from processor.model.identity import Node
from processor.model.tables import ColumnChangeKind

_VERBS = {Retyping.WIDENED: "widened", Retyping.NARROWED: "narrowed"}
_ORDER = ("dropped", "retyped", "narrowed", "widened", "added")


def what_would_be(drifts: Sequence[ColumnDrift], dataset: Node) -> str:
    """Such as: Column amount of orders would be dropped, and column x would be added."""
    renamed = {drift.renamed_to for drift in drifts if drift.renamed_to}
    clauses = [
        f"{_columns([d for d in drifts if _verb(d) == verb and d.path not in renamed], dataset)} would be {verb}"
        for verb in _ORDER
        if any(_verb(d) == verb and d.path not in renamed for d in drifts)
    ]
    told = " and ".join(clauses)
    return f"{told[0].upper()}{told[1:]}"


def _verb(drift: ColumnDrift) -> str:
    if drift.change is ColumnChangeKind.RETYPED:
        return _VERBS.get(drift.retyping or Retyping.UNKNOWN, "retyped")
    return "dropped" if drift.change is ColumnChangeKind.REMOVED else "added"


def _columns(drifts: Sequence[ColumnDrift], dataset: Node) -> str:
    names = [_named(drift) for drift in drifts]
    if len(names) == 1:
        return f"column {names[0]} of {node_words(dataset)}"
    return f"{len(names)} columns of {node_words(dataset)} ({listed(names)})"


def _named(drift: ColumnDrift) -> str:
    if drift.renamed_to is not None:
        return f"{shown(drift.path)} (perhaps renamed to {shown(drift.renamed_to)})"
    if drift.change is not ColumnChangeKind.RETYPED:
        return shown(drift.path)
    return f"{shown(drift.path)} ({shown(drift.from_type or '?')} → {shown(drift.to_type or '?')})"
