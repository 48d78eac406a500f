"""Is enough of the lineage known? The answer as every face gives it.

Rules kept here:
- what is asked for is held to the target: one namespace, or of all the whole and not each namespace;
- where there is nothing to measure the answer is no: an index that was emptied, or is another one, is not complete;
- nor is one of which something could not be read: a gate that cannot tell lets nobody pass.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection

from processor.detect.coverage import Coverage, Measure, Part, Surveyed
from processor.judging.proposal import mentioned
from processor.judging.verdicts import CoverageOf, CoverageVerdict, DepthOf, ShareOf
from processor.model.errors import UsageError
from processor.model.identity import Node, canonical_namespace
from processor.model.text import visible

TARGET_PERCENT = 95.0
_PERCENT = 100.0
_NEAR = 5


class UnknownNamespaceError(UsageError):
    """The index has no such namespace; `near` are called alike."""

    def __init__(self, name: str, near: tuple[str, ...]) -> None:
        super().__init__(f"there is no namespace {visible(name)}")
        self.near = near

    @property
    def told(self) -> str:
        """The error with what is near, in one line."""
        return f"{self}; near it: {', '.join(map(visible, self.near))}" if self.near else str(self)


def of_namespace(surveyed: Surveyed, name: str | None) -> Coverage:
    """The coverage of one namespace; of all without a name. Raises `UnknownNamespaceError`."""
    if name is None:
        return surveyed.overall
    by_name = {one.namespace: one for one in surveyed.namespaces}
    found = by_name.get(canonical_namespace(name))
    if found is None:
        alike = (*(each for each in by_name if name in each), *difflib.get_close_matches(name, by_name, cutoff=0.5))
        raise UnknownNamespaceError(name, tuple(dict.fromkeys(alike))[:_NEAR])
    return found


def coverage_verdict(measured: Coverage, fail_under: float, stumbled: Collection[Node] = ()) -> CoverageVerdict:
    """Whether every share is at least `fail_under` percent. `stumbled`: what could not be read for it."""
    shares = [(name.value, part.ratio) for name, part in measured.parts.items() if part.ratio is not None]
    below = [f"{name} {percent(ratio)}" for name, ratio in shares if ratio * _PERCENT < fail_under]
    if not shares and fail_under > 0:
        below = ["there is no lineage to measure"]
    unread = [str(node) for node in stumbled if measured.namespace in {"", node.namespace}]
    if unread and fail_under > 0:
        below.append(f"not all could be read: {mentioned(sorted(unread))}")
    return CoverageVerdict(not below, fail_under, below, coverage_of(measured))


def coverage_of(one: Coverage) -> CoverageOf:
    """One namespace as an answer tells it; that of all has no name."""
    shares = {name.value: _share(one.parts[name], [str(node) for node in one.missing[name]]) for name in Measure}
    depth = DepthOf(round(one.depth.average, 2), one.depth.greatest) if one.depth else None
    return CoverageOf(namespace=one.namespace or None, depth=depth, **shares)


def percent(ratio: float) -> str:
    """Rounded down: what reads 95 % is 95 %."""
    return f"{int(ratio * 1000) / 10:g} %"


def _share(part: Part, missing: list[str]) -> ShareOf:
    return ShareOf(part.ratio, part.having, part.total, missing)
