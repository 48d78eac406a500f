"""What grouping needs of the graph, read for the findings at hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from processor.detect.grouping import WAITING, Kin, breaking
from processor.index.aliases import find_aliases
from processor.index.view import View
from processor.model.alert import Finding
from processor.model.history import KnownMapping
from processor.model.identity import Node
from processor.model.observation import EdgeType
from processor.model.pages import pages

_PAGE = 200


def kin_of(view: View, findings: Collection[Finding], breathe: Callable[[], None] = lambda: None) -> Kin:
    """Read it: where the broken columns came from, and what contains the jobs that are waited for.

    Whatever was stated counts, not only what holds: who lost a column no longer says where it came from. A broken
    column comes from itself, too, under each name of its dataset: what several observers state of it is one cause.
    """
    drifts = [finding for finding in findings if any(breaking(finding))]
    jobs = {finding.subject for finding in findings if finding.kind in WAITING}
    return Kin(_sources(view, drifts, breathe), _parents(view, jobs, breathe))


def _sources(view: View, drifts: Sequence[Finding], breathe: Callable[[], None]) -> dict[Node, frozenset[Node]]:
    broken = {column for finding in drifts for column in breaking(finding)}
    owners = {owner.id for drift in drifts for owner in (drift.subject, drift.cause.job) if owner}
    found: dict[Node, set[Node]] = defaultdict(set, {column: {column} for column in broken})
    for page in pages(sorted(owners), _PAGE):
        breathe()
        for known in view.mappings(page).values():
            for column, source in _derived(known, broken):
                found[column].add(source)
    names = _names(view, {source.dataset for sources in found.values() for source in sources}, breathe)
    return {column: frozenset(_everywhere(sources, names)) for column, sources in found.items()}


def _names(view: View, datasets: Collection[Node], breathe: Callable[[], None]) -> dict[Node, list[Node]]:
    """Those of these datasets that have several names, with all of them."""
    found: dict[Node, list[Node]] = {}
    for page in pages(sorted(datasets), _PAGE):
        breathe()
        several = find_aliases(view, [dataset.id for dataset in page]).names
        named = view.standing({name for names in several.values() for name in names})
        found |= {d: [named[i].node for i in several[d.id] if i in named] for d in page if d.id in several}
    return found


def _everywhere(sources: Iterable[Node], names: Mapping[Node, Sequence[Node]]) -> Iterator[Node]:
    for source in sources:
        yield source
        yield from (name.column(source.field) for name in names.get(source.dataset, ()) if source.field is not None)


def _derived(mappings: Iterable[KnownMapping], broken: set[Node]) -> Iterator[tuple[Node, Node]]:
    for known in mappings:
        for output in known.mapping.fields:
            column = known.output.column(output.field)
            if column in broken:
                yield from ((column, source.node) for source in output.sources if source.direct)


def _parents(view: View, jobs: Collection[Node], breathe: Callable[[], None]) -> dict[Node, frozenset[Node]]:
    found: dict[Node, frozenset[Node]] = {}
    by_id = {job.id: job for job in jobs}
    for page in pages(sorted(by_id), _PAGE):
        breathe()
        links = view.in_links(page)
        above = {i: [link.other for link in links[i] if link.type is EdgeType.PARENT] for i in page}
        named = view.nodes({other for others in above.values() for other in others})
        found |= {by_id[i]: frozenset(named[o].node for o in others if o in named) for i, others in above.items()}
    return found
