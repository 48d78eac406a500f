"""Every edge of the index, for export: dataset and job edges, and column edges out of mappings."""

from __future__ import annotations

from collections.abc import Iterator

from processor.index.aliases import holds, symlinked
from processor.index.columns import output_fields
from processor.index.view import Link, View
from processor.model.history import KnownEdge, KnownMapping, NodeRecord
from processor.model.identity import Kind, Node
from processor.model.mapping import Source
from processor.model.observation import EdgeType, Evidence

_PAGE = 500
_Keyed = dict[tuple[Node, Node], KnownEdge]


def all_edges(view: View) -> Iterator[KnownEdge]:
    """Every edge that events stated, streamed by the node it starts from or that states it.

    A column edge stated by several versions of a job's mapping is one edge. Symlinks that were taken
    back are left out.
    """
    for kind in (Kind.DATASET, Kind.JOB):
        page: list[NodeRecord] = []
        for record in view.all_nodes(kind):
            page.append(record)
            if len(page) == _PAGE:
                yield from _edges_of(view, page)
                page = []
        yield from _edges_of(view, page)


def edges_around(view: View, node: Node) -> Iterator[KnownEdge]:
    """Those that touch a dataset or a job, or a column of it."""
    links = [*view.in_links([node.id])[node.id], *view.out_links([node.id])[node.id]]
    beside = view.nodes([node.id, *(i for link in links for i in (link.other, link.owner) if i)])
    for edge in _edges_of(view, list(beside.values())):
        if node in (edge.src.dataset, edge.dst.dataset):
            yield edge


def _edges_of(view: View, page: list[NodeRecord]) -> Iterator[KnownEdge]:
    records = {record.node.id: record for record in page}
    links = view.out_links(list(records))
    others = view.nodes({link.other for found in links.values() for link in found})
    for id_, found in links.items():
        stated = symlinked(records[id_])
        for link in found:
            if link.other in others and _counts(link, stated):
                yield _edge(records[id_].node, others[link.other].node, link)
    for mappings in view.mappings(list(records)).values():
        yield from _derived(view, mappings)


def _counts(link: Link, stated: frozenset[bytes]) -> bool:
    if link.type is EdgeType.DERIVES:
        return False
    return link.type is not EdgeType.SYMLINK or holds(link, stated, link.other)


def _edge(src: Node, dst: Node, link: Link) -> KnownEdge:
    return KnownEdge(link.type, src, dst, link.evidence, link.first_us, link.last_us)


def _derived(view: View, mappings: list[KnownMapping]) -> Iterator[KnownEdge]:
    found: _Keyed = {}
    for known in mappings:
        for source, dst in _pairs(view, known):
            _add(found, source, dst, known)
    yield from found.values()


def _pairs(view: View, known: KnownMapping) -> Iterator[tuple[Source, Node]]:
    for output in known.mapping.fields:
        for source in output.sources:
            yield source, known.output.column(output.field)
    if not known.mapping.every:
        return
    fields = output_fields(view, known)
    for source in known.mapping.every:
        if source.field is None or not fields:
            yield source, known.output
            continue
        for name in fields:
            yield source, known.output.column(name)


def _add(found: _Keyed, source: Source, dst: Node, known: KnownMapping) -> None:
    job = known.owner if known.owner.kind is Kind.JOB else None
    seen = (known.first_seen_us, known.last_seen_us)
    edge = KnownEdge(EdgeType.DERIVES, source.node, dst, known.evidence, *seen, job, source.direct)
    there = found.get((edge.src, edge.dst))
    found[edge.src, edge.dst] = edge if there is None else _together(there, edge)


def _together(one: KnownEdge, other: KnownEdge) -> KnownEdge:
    return KnownEdge(
        one.type,
        one.src,
        one.dst,
        Evidence(one.evidence | other.evidence),
        min(one.first_seen_us, other.first_seen_us),
        max(one.last_seen_us, other.last_seen_us),
        one.job,
        bool(one.direct) or bool(other.direct),
    )
