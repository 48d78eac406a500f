"""The names of all datasets and jobs, kept at hand for search, lists and what is near a misspelt one.

An identity never changes, so of an index that was read before only what is new is read: the ids of all nodes, and the
records of those not met yet. What is at hand is at most `age_s` old, or as old as the reading of it takes.
"""

from __future__ import annotations

import difflib
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from processor.index.layout import last_word
from processor.index.view import View
from processor.model.history import NodeRecord
from processor.model.identity import Kind, Node

__all__ = ["Catalog", "Names"]

_KINDS = (Kind.DATASET, Kind.JOB)
_COMPARED = 5_000


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every dataset and job, sorted by kind, namespace and name.

    `texts`: their names as search compares them. `first_seen_us`: as it was when a node was met here first.
    """

    nodes: tuple[Node, ...] = ()
    texts: tuple[str, ...] = ()
    ids: dict[bytes, Node] = field(default_factory=dict)
    first_seen_us: dict[bytes, int] = field(default_factory=dict)

    def of(self, kind: Kind, namespace: str | None = None) -> list[Node]:
        """Those of a kind, and of a namespace."""
        return [n for n in self.nodes if n.kind is kind and (namespace is None or n.namespace == namespace)]

    def namespaces(self, kind: Kind | None = None) -> dict[str, int]:
        """Every namespace (of a kind) by name, and when it was first seen, in microseconds since 1970."""
        since: dict[str, int] = {}
        for node in self.nodes:
            if kind in (None, node.kind):
                seen_us = self.first_seen_us[node.id]
                since[node.namespace] = min(since.get(node.namespace, seen_us), seen_us)
        return dict(sorted(since.items()))

    def search(self, text: str) -> list[Node]:
        """Those whose name or namespace holds the text: the whole name first, then the last word, the start, others."""
        wanted = text.casefold()
        found = [(n, t) for n, t in zip(self.nodes, self.texts, strict=True) if wanted in t]
        return [node for node, _ in sorted(found, key=lambda pair: (_rank(pair[0], wanted), pair[0][:3]))]

    def near(self, text: str, count: int = 5) -> tuple[Node, ...]:
        """Those whose names look like the text, likeliest first."""
        wanted = text.rpartition(":")[2].casefold()
        by_name: dict[str, Node] = {}
        for node in self._alike(wanted):
            by_name.setdefault(node.name.casefold(), node)
            by_name.setdefault(last_word(node.name), node)
        matches = difflib.get_close_matches(wanted, by_name, n=count * 2, cutoff=0.6)
        return tuple(dict.fromkeys(by_name[match] for match in matches))[:count]

    def _alike(self, wanted: str) -> Iterable[Node]:
        """Of very many names only those are compared in full that share the most pairs of letters."""
        if len(self.nodes) <= _COMPARED:
            return self.nodes
        pairs = {wanted[i : i + 2] for i in range(len(wanted) - 1)}
        scored = sorted(range(len(self.nodes)), key=lambda i: -sum(pair in self.texts[i] for pair in pairs))
        return (self.nodes[i] for i in scored[:_COMPARED])


def _rank(node: Node, wanted: str) -> int:
    name = node.name.casefold()
    if name == wanted:
        return 0
    if last_word(node.name) == wanted:
        return 1
    return 2 if name.startswith(wanted) else 3


class Names:
    """The catalog, read anew when it is too old. For several threads: one reads, others take what is there."""

    def __init__(self, age_s: float) -> None:
        self._age_s = age_s
        self._lock = threading.Lock()
        self._catalog: Catalog | None = None
        self._read_s = 0.0

    def catalog(self, view: View) -> Catalog:
        """All names. Raises DependencyError."""
        there = self._catalog
        if there is not None and (time.monotonic() - self._read_s < self._age_s or self._lock.locked()):
            return there
        with self._lock:
            if self._catalog is not there and self._catalog is not None:
                return self._catalog
            self._catalog = _read(view, there or Catalog())
            self._read_s = time.monotonic()
            return self._catalog


def _read(view: View, before: Catalog) -> Catalog:
    ids = {i: before.ids.get(i) for kind in _KINDS for i in view.ids(kind)}
    missing = [i for i, node in ids.items() if node is None]
    if not missing and len(ids) == len(before.ids):
        return before
    fresh = dict(_fresh(view, missing))
    known = {i: node or fresh[i].node for i, node in ids.items() if node is not None or i in fresh}
    seen_us = {i: fresh[i].first_seen_us if i in fresh else before.first_seen_us[i] for i in known}
    nodes = tuple(sorted(known.values(), key=lambda n: n[:3]))
    return Catalog(nodes, tuple(f"{n.namespace}\n{n.name}".casefold() for n in nodes), known, seen_us)


def _fresh(view: View, ids: list[bytes]) -> Iterator[tuple[bytes, NodeRecord]]:
    for start in range(0, len(ids), 500):
        yield from view.nodes(ids[start : start + 500]).items()
